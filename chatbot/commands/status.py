"""`chatbot status`: flows, primaries, nodes and queues, from NATS alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from chatbot.broker import Broker, subjects
from chatbot.broker.buckets import open_bucket
from chatbot.broker.gauge import Queue, queues
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected
from chatbot.messages import FlowRecord, NodeRecord, PrimaryRecord
from chatbot.nodes.roster import Roster


class Status(msgspec.Struct, frozen=True):
    """All that there is to see."""

    server: str
    flows: list[FlowRecord]
    primaries: list[PrimaryRecord]
    nodes: list[NodeRecord]
    queues: list[Queue]


async def status(nats: str | None, data: Path | None) -> Status:
    """Return what is running, as it announces itself, and what waits."""
    async with connected(nats, data, "chatbot-status") as broker, Roster.follow(broker) as roster:
        records, waiting = await asyncio.gather(_flows(broker), queues(broker))
        return Status(
            server=broker.address,
            flows=records,
            primaries=sorted(roster.primaries, key=lambda record: record.started),
            nodes=sorted(roster.nodes, key=lambda record: record.started),
            queues=waiting,
        )


async def _flows(broker: Broker) -> list[FlowRecord]:
    bucket = await open_bucket(broker, subjects.FLOWS)
    found: dict[tuple[str, str], FlowRecord] = {}
    for value in (await bucket.all()).values():
        record = FlowRecord.decode(value)
        found[record.flow, record.revision] = record
    return [found[key] for key in sorted(found)]


def show(seen: Status, screen: Screen) -> None:
    """Show it as tables."""
    offered = {key for node in seen.nodes for key in node.operations}
    screen.out.print(f"NATS {seen.server}", markup=False)
    if not seen.flows and not seen.nodes:
        screen.out.print("Nothing runs. Start a bot with: chatbot run support")
        return
    rows = [
        [
            flow.flow,
            flow.revision[:12],
            each.instance,
            each.name,
            "yes" if each.key in offered else "NO NODE",
        ]
        for flow in seen.flows
        for each in flow.operations
    ]
    _table(screen, "Flows", ["flow", "revision", "instance", "operation", "has a node"], rows)
    _table(
        screen,
        "Primaries",
        ["id", "flow", "where", "since", "in flight", "done", "per s", "listens"],
        [
            [
                p.id,
                p.flow,
                f"{p.host}:{p.pid}",
                _since(p.started),
                str(p.contexts),
                str(p.done),
                f"{p.rate:.1f}",
                "\n".join(p.listeners) or "-",
            ]
            for p in seen.primaries
        ],
    )
    _table(
        screen,
        "Nodes",
        ["id", "where", "since", "operation", "flow", "done", "per s", "ms a call"],
        [
            [
                n.id,
                f"{n.host}:{n.pid}",
                _since(n.started),
                o.name,
                o.flow,
                str(o.done),
                f"{o.rate:.1f}",
                f"{o.seconds * 1000:.1f}",
            ]
            for n in seen.nodes
            for o in (n.operations.values() or [_NOTHING])
        ],
    )
    _table(
        screen,
        "Queues",
        ["queue", "consumer", "waiting", "in progress", "stored"],
        [
            [q.queue, q.consumer, str(q.waiting), str(q.in_progress), str(q.stored)]
            for q in seen.queues
        ],
    )


class _Nothing:
    name, flow, done, rate, seconds = "(waits for a flow)", "-", 0, 0.0, 0.0


_NOTHING: Any = _Nothing()


def _table(screen: Screen, title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    screen.out.print(table)


def _since(started: datetime) -> str:
    seconds = int((datetime.now(UTC) - started).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
