"""A network between a process and its NATS server that breaks, stalls, or goes for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer, connect
from chatbot.nodes.roster import Roster
from tests.servers.crashing import LAST, Site, all_of
from tests.servers.processes import until
from tests.servers.wire import Wire

TEXTS = [f"text {number}" for number in range(6)]
ASKED = [
    b".CHATBOT_DONE",
    b".KV_chatbot-roster",
    b"CONSUMER.DURABLE.CREATE",
]
"""What processes ask of the server when they start."""


@asynccontextmanager
async def wired(folder: Path) -> AsyncIterator[tuple[Site, Roster, Wire]]:
    """A site whose processes may be started behind a wire."""
    async with (
        EmbeddedServer.start(folder / "data") as server,
        connect(server.url, name="auditor") as broker,
        Roster.follow(broker) as roster,
        Wire.to(server.url) as wire,
    ):
        yield Site(folder, server, broker), roster, wire


@pytest.mark.crash
@pytest.mark.parametrize("kind", ["bot", "node"])
async def test_a_process_that_loses_its_server_while_it_starts_goes_on_when_it_is_back(
    kind: str, tmp_path: Path
) -> None:
    await all_of(start(tmp_path / str(n), kind, asked) for n, asked in enumerate(ASKED))


async def start(folder: Path, kind: str, asked: bytes) -> None:
    other = "node" if kind == "bot" else "bot"
    async with wired(folder) as (site, _, wire):
        site.post(*TEXTS)
        wire.lose_at(asked)
        async with site.start(other), site.start(kind, url=wire.url):
            async with asyncio.timeout(20):
                await wire.lost.wait()
            wire.resume()
            await site.finished()
            await site.audit()


@pytest.mark.crash
async def test_a_node_that_is_cut_off_is_replaced_and_its_late_results_are_dropped(
    tmp_path: Path,
) -> None:
    async with wired(tmp_path) as (site, roster, wire), site.start("bot"):
        async with site.start("node", url=wire.url) as first:
            await site.there(roster, "node", first)
            site.hold()
            site.post(*TEXTS)
            await until(lambda: site.started(first))
            async with site.start("node") as second:
                await second.wait_for("running test_gate")
                wire.stall()
                site.go_on()
                await site.finished()
                wire.resume()
                site.post(LAST)
                await site.finished()
                await site.audit()


@pytest.mark.crash
@pytest.mark.parametrize("broken", [False, True])
async def test_a_bot_that_is_cut_off_is_replaced_and_repeats_nothing_when_it_is_back(
    broken: bool, tmp_path: Path
) -> None:
    async with wired(tmp_path) as (site, roster, wire), site.start("node"):
        async with site.start("bot", url=wire.url) as first:
            await site.there(roster, "bot", first)
            site.hold()
            site.post(*TEXTS)
            await until(site.started)
            wire.stall()
            if broken:
                wire.cut()
            async with site.start("bot") as second:
                await site.there(roster, "bot", second)
                site.go_on()
                await site.finished()
                wire.resume()
                site.post(LAST)
                await first.wait_for("stand by")
                await site.finished()
                await site.audit()


@pytest.mark.crash
async def test_a_connection_that_is_dead_without_a_word_is_found_and_replaced(
    tmp_path: Path,
) -> None:
    async with wired(tmp_path) as (site, roster, wire), site.start("node"):
        async with site.start("bot", url=wire.url) as bot:
            await site.there(roster, "bot", bot)
            site.post(*TEXTS)
            await site.finished()
            wire.forget()
            site.post(LAST)
            await bot.wait_for("lost the connection", 20.0)
            await site.finished()
            await site.audit()
