"""How soon what a killed process had is done by another, as the program is by default."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer, connect
from chatbot.nodes.roster import Roster
from tests.servers.crashing import Site
from tests.servers.frozen import freeze
from tests.servers.processes import until

pytestmark = pytest.mark.crash

TEXTS = [f"text {number}" for number in range(6)]
NODES_WORK = 3.0
PRIMARYS_MESSAGES = 10.0
PATIENCE = 40.0
"""Seconds in which a node has given up finding its server."""


@asynccontextmanager
async def site_in(folder: Path) -> AsyncIterator[tuple[Site, Roster]]:
    async with (
        EmbeddedServer.start(folder / "data") as server,
        connect(server.url, name="auditor") as broker,
        Roster.follow(broker) as roster,
    ):
        site = Site(folder, server, broker)
        site.quick = False
        yield site, roster


async def test_a_killed_nodes_work_runs_elsewhere_within_3_seconds(tmp_path: Path) -> None:
    async with site_in(tmp_path) as (site, roster), site.start("bot"):
        async with site.start("node") as first:
            await site.there(roster, "node", first)
            site.hold()
            site.post(*TEXTS)
            await until(lambda: site.started(first))
            async with site.start("node") as second:
                await second.wait_for("running test_gate")
                site.go_on()
                killed = time.monotonic()
                await first.kill()
                await site.finished()
                assert time.monotonic() - killed < NODES_WORK
                await site.audit()


async def test_a_killed_primarys_messages_are_answered_within_10_seconds(tmp_path: Path) -> None:
    async with site_in(tmp_path) as (site, roster), site.start("node"):
        async with site.start("bot") as first:
            await site.there(roster, "bot", first)
            site.hold()
            site.post(*TEXTS)
            await until(site.started)
            async with site.start("bot") as second:
                await second.wait_for("stand by")
                killed = time.monotonic()
                first.signal(signal.SIGKILL)
                site.go_on()
                await site.finished()
                assert time.monotonic() - killed < PRIMARYS_MESSAGES
                await site.audit()


async def test_a_bots_node_that_dies_while_the_server_is_away_is_there_again_with_it(
    tmp_path: Path,
) -> None:
    async with site_in(tmp_path) as (site, _), site.start("whole") as bot:
        server = site.server
        assert isinstance(server, EmbeddedServer)
        site.post(*TEXTS)
        await site.finished()
        [node] = (int(path.name.partition("-")[2]) for path in tmp_path.glob("started-*"))
        freeze(server.pid)
        os.kill(node, signal.SIGKILL)
        await bot.wait_for("ended with status -9")
        await bot.wait_for("ended with status 2", PATIENCE)
        os.kill(server.pid, signal.SIGCONT)
        site.post(*TEXTS)
        await site.finished()
        await site.audit()
