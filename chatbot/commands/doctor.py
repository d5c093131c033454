"""`chatbot doctor`: what is wrong, and what to do about it. It starts and makes nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from chatbot import settings
from chatbot.broker import Broker, checkup
from chatbot.broker.address import Address, redact
from chatbot.broker.checkup import ERROR, WARNING, Finding, Kept
from chatbot.broker.clock import Clock
from chatbot.broker.gauge import Queue, queues
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected, existing
from chatbot.commands.status import flow_records
from chatbot.errors import ConnectError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.messages import FlowRecord, NodeRecord, PrimaryRecord, Stranger
from chatbot.nodes.roster import Announced, announcements
from chatbot.nodes.shortage import named, start_commands
from chatbot.nodes.strangers import called, remedy, spoken
from chatbot.storage import Storage
from chatbot.units import shown_size

APART = 2.0
"""Seconds that clocks may be apart: a message's age decides whether it is answered."""

SHARE, ROOM, LITTLE = 0.1, 5 * 2**30, 2**28
"""A disk is nearly full with less than a tenth and less than 5 GiB free; full with 256 MiB."""

OLDEST = (2, 11)
SET_CLOCK = "set its clock by the network: timedatectl set-ntp true"


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at: what was `seen`, and what is wrong with it."""

    name: str
    seen: str
    findings: list[Finding]


class Report(msgspec.Struct, frozen=True):
    """All that was looked at. What cannot be without a server is left out where there is none."""

    server: str
    checks: list[Check]

    @property
    def healthy(self) -> bool:
        return not any(check.findings for check in self.checks)


async def doctor(
    flow: str | None, overrides: Sequence[str], nats: str | None, data: Path | None
) -> Report:
    """Look at everything; with a `flow`, at what its file asks for, too.

    Raises `FlowError` for what is wrong with it, `ConnectError` for what is no address.
    """
    found = load(flow, overrides=overrides) if flow else None
    named = nats or settings.nats_url()
    if named is not None:
        Address.parse(named)
    disk = [] if named else _disk(settings.data_path(data))
    try:
        url = existing(nats, data)
        async with connected(nats, data, "chatbot-doctor") as broker:
            try:
                checks = await look(broker, found)
            except broker.errors as error:
                raise ConnectError(
                    f"the NATS server at {broker.address} does not answer ({_said(error)})",
                    hint="look at its log; in a cluster, most of its servers must run",
                ) from error
    except ConnectError as error:
        finding = Finding(ERROR, error.message, error.hint)
        server = redact(named) if named else ""
        return Report(server, [Check("server", "", [finding]), *disk])
    return Report(redact(url), [*checks, *disk])


async def look(broker: Broker, flow: Flow | None = None) -> list[Check]:
    """Return all checks that a server is needed for; raises `broker.errors` as it does."""
    kept, roster, flows, waiting = await asyncio.gather(
        checkup.look(broker), announcements(broker), flow_records(broker), queues(broker)
    )
    asked = {flow.name: flow.storage} if flow else {}
    return [
        _server(broker, await broker.nc.rtt()),
        *_kept(kept, asked),
        Check("clocks", _clocks_seen(kept, roster), clocks(kept.clock, roster)),
        _nodes(roster, flows),
        _primaries(roster, waiting),
        _versions(roster, flows),
    ]


def as_json(report: Report) -> dict[str, object]:
    """Return what `--json` prints."""
    return {
        "server": report.server,
        "healthy": report.healthy,
        "checks": msgspec.to_builtins(report.checks),
    }


def show(report: Report, screen: Screen) -> None:
    """Show it as a table, whole: no finding is cut."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    styles = {ERROR: "bold red", WARNING: "yellow", "ok": "green"}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("found", overflow="fold", ratio=3)
    table.add_column("what to do", overflow="fold", ratio=2)
    for check in report.checks:
        rows = [(each.severity, each.what, each.remedy) for each in check.findings]
        for kind, what, advice in rows or [("ok", check.seen, "")]:
            cells = (Text(kind, styles[kind]), Text(check.name), Text(what), Text(advice))
            table.add_row(*cells)
    if report.server:
        screen.out.print(f"NATS {report.server}", markup=False)
    screen.out.print(table)
    count = sum(len(check.findings) for check in report.checks)
    if report.healthy:
        screen.out.print("All is well.", style="green")
    else:
        screen.out.print(f"{count} finding{'s' if count != 1 else ''}", style="bold")


def clocks(server: Clock | None, roster: Sequence[Announced]) -> list[Finding]:
    """Find clocks that are apart: this machine's and those of the processes, from the server's."""
    found = []
    if server is not None and abs(server.ahead) > APART + server.within:
        found.append(
            Finding(
                WARNING,
                f"this machine's clock is {_seconds(server.ahead)} "
                f"{'behind' if server.ahead > 0 else 'ahead of'} the NATS server's",
                SET_CLOCK,
            )
        )
    for each in roster:
        record = each.record
        if not isinstance(record, NodeRecord | PrimaryRecord) or record.time is None:
            continue
        ahead = (record.time - each.stored) / timedelta(seconds=1)
        if abs(ahead) > APART:
            kind = "node" if isinstance(record, NodeRecord) else "primary"
            what = f"the clock of the {kind} on {record.host} (process {record.pid}) is "
            what += f"{_seconds(ahead)} {'ahead of' if ahead > 0 else 'behind'} the NATS server's"
            found.append(Finding(WARNING, what, SET_CLOCK))
    return found


def disk(folder: Path, *, share: float = SHARE, room: int = ROOM) -> list[Finding]:
    """Find a disk with less than `share` and less than `room` bytes free, where `folder` is."""
    usage = shutil.disk_usage(folder)
    if usage.free >= room or usage.free >= share * usage.total:
        return []
    what = f"the disk of {folder} has {shown_size(usage.free)} left of {shown_size(usage.total)}"
    return [
        Finding(
            ERROR if usage.free < LITTLE else WARNING,
            f"{what}; NATS stores nothing more when it is full",
            "make room there, or move the folder and name it with --data",
        )
    ]


def _server(broker: Broker, seconds: float) -> Check:
    version = ".".join(str(each) for each in broker.version)
    findings = []
    if broker.version < OLDEST:
        wanted = ".".join(str(each) for each in OLDEST)
        what = f"the server is nats-server {version}; {wanted} is needed"
        findings.append(Finding(ERROR, what, "upgrade the NATS server"))
    return Check("server", f"nats-server {version}, {seconds * 1000:.1f} ms away", findings)


def _kept(kept: Kept, asked: Mapping[str, Storage]) -> list[Check]:
    count = len(kept.streams)
    stored = sum(info.state.bytes for info in kept.streams)
    there = f"{kept.servers} server{'s' if kept.servers > 1 else ''}"
    seen = f"{count} streams and buckets as they should be" if count else "nothing is kept yet"
    return [
        Check("settings", seen, checkup.settings(kept, asked)),
        Check("copies", f"all there, on {there}", checkup.copies(kept, asked)),
        Check("room", f"{shown_size(stored)} stored, no limit is near", checkup.room(kept)),
    ]


def _clocks_seen(kept: Kept, roster: Sequence[Announced]) -> str:
    if kept.clock is None:
        return "the server has none to compare with yet"
    processes = f"{len(roster)} process{'es' if len(roster) != 1 else ''}"
    return f"this machine's, the server's and those of {processes} agree"


def _nodes(roster: Sequence[Announced], flows: Sequence[FlowRecord | Stranger]) -> Check:
    nodes = [each.record for each in roster if isinstance(each.record, NodeRecord)]
    running = {each.record.flow for each in roster if isinstance(each.record, PrimaryRecord)}
    offered = {key for node in nodes for key in node.operations}
    findings = []
    for flow in flows:
        if not isinstance(flow, FlowRecord) or flow.flow not in running:
            continue
        for each in flow.operations:
            if each.key not in offered and not each.private:
                level = WARNING if each.optional else ERROR
                then = "messages go on without it" if each.optional else "its work waits"
                what = f"no node runs {named(each)} of the flow {flow.flow}: {then}"
                findings.append(Finding(level, what, "; ".join(start_commands([each]))))
    count = len(nodes)
    return Check("nodes", f"{count} node{'s' if count != 1 else ''}; no work lacks one", findings)


def _primaries(roster: Sequence[Announced], waiting: Sequence[Queue]) -> Check:
    """Find messages that nobody will take."""
    flows = [each.record.flow for each in roster if isinstance(each.record, PrimaryRecord)]
    lag: dict[str, int] = {}
    for queue in waiting:
        if queue.queue.startswith("IN ") and queue.waiting:
            name = queue.queue.removeprefix("IN ")
            lag[name] = lag.get(name, 0) + queue.waiting
    findings = [
        Finding(
            WARNING,
            f"{count} messages wait, and no primary runs the flow {name}",
            "start it: chatbot run FLOW",
        )
        for name, count in lag.items()
        if not any(checkup.is_of(flow, name) for flow in flows)
    ]
    count = len(flows)
    return Check("primaries", f"{count} running; no message lacks one", findings)


def _versions(roster: Sequence[Announced], flows: Sequence[FlowRecord | Stranger]) -> Check:
    there = [*(each.record for each in roster), *flows]
    findings = [
        Finding(WARNING, f"ignored: the {called(each)}; {spoken(each)}", remedy(each))
        for each in there
        if isinstance(each, Stranger)
    ]
    return Check("versions", "all processes speak one protocol", findings)


def _disk(data: Path) -> list[Check]:
    """Return the check of the embedded server's disk, where there has been such a server."""
    folder = data / "nats"
    if not folder.is_dir():
        return []
    free = shown_size(shutil.disk_usage(folder).free)
    return [Check("disk", f"{free} free for {folder}", disk(folder))]


def _seconds(value: float) -> str:
    return f"{abs(value):.1f} s" if abs(value) < 120 else f"{abs(value) / 60:.0f} min"


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
