"""`chatbot status`: flows, primaries, nodes and queues, from NATS alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

import chatbot
from chatbot.broker import Broker, letters, subjects
from chatbot.broker.buckets import find_bucket
from chatbot.broker.gauge import Queue, queues
from chatbot.broker.state import Mute, all_mutes
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected
from chatbot.errors import BrokerError
from chatbot.labels import HOST, shown
from chatbot.messages import (
    PROTOCOL,
    FlowRecord,
    NodeRecord,
    OperationRecord,
    PrimaryRecord,
    Stranger,
    announced,
)
from chatbot.nodes.roster import announcements
from chatbot.nodes.shortage import may_run, start_commands
from chatbot.nodes.strangers import remedy

REVISION = 12
"""Characters of a revision that are shown in the table; JSON has all."""

ANSWER = 10.0
"""Seconds that a server has to tell, should it go away meanwhile."""


class Status(msgspec.Struct, frozen=True):
    """All that there is to see; `strangers` are of another version, and not talked with.

    `dead` is the number of dead letters, `mutes` the rooms where a bot is silent now.
    """

    server: str
    flows: list[FlowRecord]
    primaries: list[PrimaryRecord]
    nodes: list[NodeRecord]
    queues: list[Queue]
    strangers: list[Stranger]
    dead: int
    mutes: list[Mute] = []


async def status(nats: str | None, data: Path | None) -> Status:
    """Return what is running, as it announces itself, and what waits.

    Raises `ConnectError` when there is no server, `BrokerError` when it has no JetStream.
    """
    async with connected(nats, data, "chatbot-status") as broker:
        try:
            async with asyncio.timeout(ANSWER):
                flows, roster, waiting, dead, mutes = await asyncio.gather(
                    flow_records(broker),
                    announcements(broker),
                    queues(broker),
                    letters.count(broker),
                    all_mutes(broker),
                )
        except broker.errors as error:
            raise BrokerError(
                f"the NATS server at {broker.address} does not tell ({type(error).__name__})",
                hint="does it run with JetStream (nats-server -js)?",
            ) from error
    there = [each.record for each in roster]
    primaries = [each for each in there if isinstance(each, PrimaryRecord)]
    nodes = [each for each in there if isinstance(each, NodeRecord)]
    return Status(
        server=broker.address,
        flows=[each for each in flows if isinstance(each, FlowRecord)],
        primaries=sorted(primaries, key=lambda record: (record.flow, record.started)),
        nodes=sorted(nodes, key=lambda record: record.started),
        queues=waiting,
        strangers=[each for each in [*there, *flows] if isinstance(each, Stranger)],
        dead=dead,
        mutes=sorted(
            (mute for mute in mutes if mute.until > datetime.now(UTC)),
            key=lambda mute: (mute.flow, mute.network, mute.room),
        ),
    )


def as_json(seen: Status) -> dict[str, Any]:
    """Return what `--json` prints: every field of every record, whatever its value."""
    whole: dict[str, Any] = _whole(seen)
    return whole


def show(seen: Status, screen: Screen) -> None:
    """Show it as tables, in the terminal's width."""
    screen.out.print(f"NATS {seen.server}", markup=False)
    if not seen.flows and not seen.nodes and not seen.primaries and not seen.strangers:
        screen.out.print("Nothing runs. Start a bot with: chatbot run support")
    _flows_table(seen, screen)
    _primaries_table(seen, screen)
    _nodes_table(seen, screen)
    _strangers_table(seen, screen)
    _mutes_table(seen, screen)
    _queues_table(seen, screen)
    if seen.dead:
        count = f"{seen.dead} dead letter{'' if seen.dead == 1 else 's'}"
        screen.out.print(f"\n{count}: see them with `chatbot dead list`", style="yellow")


async def flow_records(broker: Broker) -> list[FlowRecord | Stranger]:
    """Return each flow, once for each revision, and those of another protocol."""
    bucket = await find_bucket(broker, subjects.FLOWS)
    if bucket is None:
        return []
    found: dict[tuple[str, str], FlowRecord | Stranger] = {}
    for key, value in (await bucket.all()).items():
        record = announced(FlowRecord, "flow", key, value)
        if isinstance(record, FlowRecord):
            found[record.flow, record.revision] = record
        else:
            found[record.flow, key] = record
    return [found[key] for key in sorted(found)]


def _whole(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _whole(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return value


def _flows_table(seen: Status, screen: Screen) -> None:
    offered = Counter(key for node in seen.nodes for key in node.operations)
    operations = [(flow, each) for flow in seen.flows for each in flow.operations]
    labelled = any(each.labels for _, each in operations)
    rows = [
        [
            flow.flow,
            flow.revision[:REVISION],
            each.instance if each.instance == each.name else f"{each.instance} ({each.name})",
            *([shown(each.labels)] if labelled else []),
            str(offered[each.key]) if offered[each.key] else _waits_for(each, seen),
        ]
        for flow, each in operations
    ]
    columns = ["flow", "revision", "operation", *(["on"] if labelled else []), "nodes"]
    _table(screen, "Flows", columns, rows, figures=1)
    lacking: list[OperationRecord] = [
        each
        for _, each in operations
        if not offered[each.key] and not each.private and not _is_coming(each, seen)
    ]
    for command in start_commands(lacking):
        screen.out.print(f"start a node with: {command}", markup=False, style="yellow")


def _waits_for(record: OperationRecord, seen: Status) -> str:
    if _is_coming(record, seen):
        return "none yet: a node starts it"
    return "none: it is done without" if record.optional else "none: its work waits"


def _is_coming(record: OperationRecord, seen: Status) -> bool:
    """Whether a node that is there will run it, once it has loaded what it needs."""
    return any(may_run(node, record) for node in seen.nodes)


def _primaries_table(seen: Status, screen: Screen) -> None:
    skipping = any(each.skipped for each in seen.primaries)
    rows = [
        [
            each.flow,
            f"{each.host}:{each.pid}",
            _since(each.started),
            str(each.contexts),
            str(each.done),
            f"{each.rate:.1f}",
            *([str(each.skipped)] if skipping else []),
            str(each.dropped),
        ]
        for each in seen.primaries
    ]
    columns = ["flow", "where", "since", "in flight", "done", "per s"]
    columns += [*(["skipped"] if skipping else []), "dropped"]
    _table(screen, "Primaries", columns, rows, figures=5 + skipping)
    rows = [
        [each.flow, listener, f"{each.host}:{each.pid}"]
        for each in seen.primaries
        for listener in each.listeners
    ]
    _table(screen, "Listeners", ["flow", "listens", "where"], rows)


def _nodes_table(seen: Status, screen: Screen) -> None:
    rows = []
    labelled = any(_labels(node) for node in seen.nodes)
    for node in seen.nodes:
        about = [f"{node.host}:{node.pid}", *([_labels(node)] if labelled else [])]
        about.append(_since(node.started))
        rows += [
            [
                *about,
                each.name,
                each.flow,
                str(each.done),
                f"{each.rate:.1f}",
                f"{each.seconds * 1000:.1f}",
            ]
            for each in node.operations.values()
        ]
        if not node.operations:
            rows.append(
                [*about, ", ".join(node.offers), node.doing or "(none wants it)", "-", "-", "-"]
            )
    columns = ["where", *(["labels"] if labelled else [])]
    columns += ["since", "operation", "flow", "done", "per s", "ms each"]
    _table(screen, "Nodes", columns, rows, figures=3)
    for node in seen.nodes:
        if node.operations and node.doing:
            text = _printable(f"{node.host}:{node.pid} meanwhile: {node.doing}")
            screen.out.print(text, markup=False, style="dim")


def _labels(node: NodeRecord) -> str:
    """Return the labels that say more than where the node is."""
    return shown(label for label in node.labels if label != f"{HOST}={node.host}")


def _strangers_table(seen: Status, screen: Screen) -> None:
    rows = [
        [
            each.kind,
            each.flow or each.key,
            f"{each.host}:{each.pid}" if each.host else "-",
            each.version or "unknown",
            str(each.protocol or "unknown"),
            remedy(each),
        ]
        for each in seen.strangers
    ]
    title = f"Not understood: this is chatbot {chatbot.__version__}, protocol {PROTOCOL}"
    columns = ["kind", "name", "where", "version", "protocol", "what to do"]
    _table(screen, title, columns, rows)


def _mutes_table(seen: Status, screen: Screen) -> None:
    rows = [
        [
            each.flow,
            each.network,
            each.room,
            each.by or "-",
            _span((each.until - datetime.now(UTC)).total_seconds()),
        ]
        for each in seen.mutes
    ]
    columns = ["flow", "network", "room", "by", "for another"]
    _table(screen, "Muted", columns, rows, figures=1)


def _queues_table(seen: Status, screen: Screen) -> None:
    instances = {each.key: each.instance for flow in seen.flows for each in flow.operations}
    rows = []
    for queue in seen.queues:
        taker = queue.consumer
        for key in instances:
            taker = taker.replace(f"-{key}", f" {instances[key]}")
        idle = not queue.waiting and not queue.in_progress
        if queue.queue == "WORK" and taker == queue.consumer != "-" and idle:
            continue  # a former revision's
        oldest = "-" if queue.oldest is None else _span(queue.oldest)
        figures = [str(queue.waiting), str(queue.in_progress), oldest, str(queue.stored)]
        rows.append([queue.queue, taker, *figures])
    columns = ["queue", "taken by", "waiting", "in progress", "oldest", "stored"]
    _table(screen, "Queues", columns, rows, figures=4)
    if rows:
        screen.out.print(
            "waiting: the lag, nobody has taken it; in progress: taken, not yet done;\n"
            "oldest: how long the oldest of these is there;\n"
            "stored: kept by the stream (IN and OUT keep what is done, to do it once only)",
            style="dim",
        )


def _table(
    screen: Screen,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    figures: int = 0,
) -> None:
    """Show rows; the last `figures` columns are never cut, the others where they must be."""
    if not rows:
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    texts = len(columns) - figures
    for number, column in enumerate(columns):
        kept = number >= texts
        table.add_column(column, no_wrap=kept, justify="right" if kept else "left")
    for row in rows:
        cut = [Text(_printable(cell), no_wrap=True, overflow="ellipsis") for cell in row[:texts]]
        table.add_row(*cut, *row[texts:])
    screen.out.print(f"\n[bold]{title}[/]")
    screen.out.print(table)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _since(started: datetime) -> str:
    return _span((datetime.now(UTC) - started).total_seconds())


def _span(length: float) -> str:
    seconds = max(0, int(length))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
