"""SIGTERM: what runs ends within its grace, the rest is another's at once, nothing is repeated."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer, connect, subjects
from chatbot.messages import ChatMessage
from chatbot.nodes.roster import Roster
from tests.acceptance.test_crash_irc import IRC
from tests.acceptance.test_crash_recovery import site_in
from tests.acceptance.test_crashes import CHANNEL, Person, in_channel, person
from tests.servers.crashing import FLOW, LAST, PARTS, Site
from tests.servers.irc import Ngircd
from tests.servers.processes import Process, until

pytestmark = pytest.mark.crash

TEXTS = ["what runs", "what waits"]
GRACE = 8.0
AT_ONCE = 1.0
EVERY = 0.02
Say = Callable[[str], None]


async def test_a_node_that_is_told_to_end_hands_back_at_once_what_it_has_not_begun(
    tmp_path: Path,
) -> None:
    async with site_in(tmp_path) as (site, roster), site.start("bot"):
        async with site.start("node") as first:
            await site.there(roster, "node", first)
            site.hold()
            site.post(*TEXTS)
            await until(lambda: site.started(first))
            await held(site, len(TEXTS))
            async with site.start("node") as second:
                await second.wait_for("running test_gate")
                told = time.monotonic()
                first.signal(signal.SIGTERM)
                await until(lambda: site.started(second), AT_ONCE)
                site.go_on()
                assert await first.ended(GRACE) == 0
                assert time.monotonic() - told < GRACE
                await site.finished()
                await site.audit()
                assert sorted(site.started()) == TEXTS, "nothing was begun twice"


async def test_a_rolling_restart_of_every_process_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    async with site_in(tmp_path) as (site, roster), AsyncExitStack() as stack:
        bot, node = await pair(site, roster, stack)
        async with talking(lambda text: site.post(text)):
            for _ in range(2):
                bot = await replaced(site, roster, stack, "bot", bot)
                node = await replaced(site, roster, stack, "node", node)
        await site.finished()
        await site.audit()
        assert len(site.started()) == len(set(site.started())), "nothing was begun twice"


async def test_a_rolling_restart_on_irc_repeats_nothing_and_answers_all_that_was_heard(
    tmp_path: Path, ngircd: Ngircd
) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    async with (
        EmbeddedServer.start(tmp_path / "data") as server,
        connect(server.url, name="auditor") as broker,
        Roster.follow(broker) as roster,
        person(ngircd, "anna") as anna,
        AsyncExitStack() as stack,
    ):
        listeners = IRC.format(port=ngircd.port, channel=CHANNEL, delivery="at-least-once")
        site = Site(tmp_path, server, broker, listeners)
        site.quick = False
        bot, node = await pair(site, roster, stack)
        await in_channel(bot, anna)
        async with talking(anna.say):
            anna.client.lines.clear()
            bot = await replaced(site, roster, stack, "bot", bot)
            await in_channel(bot, anna)
            await replaced(site, roster, stack, "node", node)
        await everything_said(anna, site)
        heard = [m.text for m in await site.stored(subjects.in_stream(FLOW), ChatMessage)]
        assert anna.answers == dict.fromkeys(heard, PARTS)


async def held(site: Site, count: int) -> None:
    """Wait until a node holds `count` messages of work."""
    async with asyncio.timeout(30):
        while True:
            found = await site.broker.js.consumers_info(subjects.WORK)
            if sum(each.num_ack_pending or 0 for each in found) == count:
                return
            await asyncio.sleep(0.02)


async def pair(site: Site, roster: Roster, stack: AsyncExitStack) -> tuple[Process, Process]:
    made = [await stack.enter_async_context(site.start(kind)) for kind in ("bot", "node")]
    for kind, process in zip(("bot", "node"), made, strict=True):
        await site.there(roster, kind, process)
    return made[0], made[1]


async def replaced(
    site: Site, roster: Roster, stack: AsyncExitStack, kind: str, old: Process
) -> Process:
    """Start another, and then tell the one that there is to end; return the other."""
    new = await stack.enter_async_context(site.start(kind))
    await new.wait_for("stand by" if kind == "bot" else "running test_gate")
    old.signal(signal.SIGTERM)
    assert await old.ended(GRACE) == 0
    return new


@asynccontextmanager
async def talking(say: Say) -> AsyncIterator[None]:
    """Say something every 20 ms for the block's duration."""

    async def talk() -> None:
        number = 0
        while True:
            say(f"line {number}")
            number += 1
            await asyncio.sleep(EVERY)

    task: asyncio.Future[None] = asyncio.ensure_future(talk())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def everything_said(anna: Person, site: Site) -> None:
    anna.say(LAST)
    await until(lambda: anna.answers[LAST] == PARTS)
    await site.settled()
