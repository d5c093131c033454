"""The crash table of docs/architecture.md: at each of its rows a process dies, or stands still.

A process ends itself at the point (tests/servers/failing.py); what comes after is one of the
variants. Here each row is run in one of them, drawn by the seed; `make crash` runs them all.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer, connect
from chatbot.nodes.roster import Roster
from tests.servers.crashing import LAST, Site, all_of, killed_itself, stopped_itself
from tests.servers.processes import ROOT

ROWS = {
    1: [("bot", "before IN")],
    2: [("bot", "sent IN"), ("bot", "stored IN")],
    3: [("bot", "taken IN")],
    4: [("bot", "before WORK")],
    5: [("bot", "sent WORK"), ("bot", "stored WORK")],
    6: [("node", "taken WORK"), ("node", "running"), ("node", "before DONE")],
    7: [("node", "sent DONE"), ("node", "stored DONE"), ("node", "acked WORK")],
    8: [("bot", "taken DONE"), ("bot", "acked DONE")],
    9: [("bot", "before OUT"), ("bot", "sent OUT"), ("bot", "stored OUT"), ("bot", "acked IN")],
    10: [("bot", "taken OUT"), ("bot", "said"), ("bot", "acked OUT")],
}
"""The points of each row, and which process comes to them."""

TEXTS = [f"text {number}" for number in range(6)]

Variant = Callable[[Site, Roster, str, str], Awaitable[None]]


async def restarted(site: Site, roster: Roster, kind: str, point: str) -> None:
    """It dies, and is started again."""
    async with site.start(kind, point) as first:
        await killed_itself(first)
    async with site.start(kind):
        await site.finished()


async def server_killed(site: Site, roster: Roster, kind: str, point: str) -> None:
    """It dies, the NATS server is killed and comes back, and then it is started again."""
    async with site.start(kind, point) as first:
        await killed_itself(first)
    await site.restart_server(signal.SIGKILL)
    async with site.start(kind):
        await site.finished()


async def server_restarted(site: Site, roster: Roster, kind: str, point: str) -> None:
    """The same with a NATS server that ends in order: it forgets ids of what was acknowledged."""
    async with site.start(kind, point) as first:
        await killed_itself(first)
    await site.restart_server(signal.SIGTERM)
    async with site.start(kind):
        await site.finished()


async def succeeded(site: Site, roster: Roster, kind: str, point: str) -> None:
    """It stands still; the second owner is started before it is dead."""
    async with site.start(kind, point, "stop") as first:
        await stopped_itself(first)
        async with site.start(kind) as second:
            await site.there(roster, kind, second)
            await first.kill()
            await site.finished()


async def thawed(site: Site, roster: Roster, kind: str, point: str) -> None:
    """It stands still, another does all that it had; then it goes on, with what it knew."""
    async with site.start(kind, point, "stop") as first:
        await stopped_itself(first)
        async with site.start(kind):
            await site.finished()
            first.signal(signal.SIGCONT)
            site.post(LAST)
            await site.finished()
            first.signal(signal.SIGTERM)
            assert await first.ended(15.0) == 0


VARIANTS: list[Variant] = [restarted, server_killed, server_restarted, succeeded, thawed]


def cases() -> list[object]:
    """Return each row with each variant."""
    return [
        pytest.param([(*point, variant) for point in points], id=f"{row}-{variant.__name__}")
        for row, points in ROWS.items()
        for variant in VARIANTS
    ]


@pytest.mark.crash
@pytest.mark.parametrize("row", cases())
async def test_whoever_dies_at_a_row_of_the_crash_table_nothing_is_lost_or_done_twice(
    row: list[tuple[str, str, Variant]], tmp_path: Path
) -> None:
    """Each point of the row has a server, a network and processes of its own, all at once."""
    await all_of(crash(tmp_path, *case) for case in row)


async def crash(parent: Path, kind: str, point: str, variant: Variant) -> None:
    folder = parent / f"{point}-{variant.__name__}".replace(" ", "-")
    try:
        async with (
            EmbeddedServer.start(folder / "data") as server,
            connect(server.url, name="auditor") as broker,
            Roster.follow(broker) as roster,
        ):
            site = Site(folder, server, broker)
            site.post(*TEXTS)
            async with site.start("node" if kind == "bot" else "bot"):
                await variant(site, roster, kind, point)
                await site.audit()
    except Exception as error:
        error.add_note(f"at {point}, {variant.__name__}")
        raise


def test_the_table_of_the_docs_has_the_rows_that_are_tested() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text()
    assert [int(row) for row in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(ROWS)
