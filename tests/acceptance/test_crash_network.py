"""A network between a process and its NATS server that breaks, stalls, or goes for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer, connect
from chatbot.nodes.roster import Roster
from tests.servers.crashing import Site, all_of
from tests.servers.wire import Wire

TEXTS = [f"text {number}" for number in range(6)]
ASKED = [
    b"STREAM.CREATE.CHATBOT_DONE",
    b"STREAM.INFO.KV_chatbot-roster",
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
