"""What is old when its turn comes: not answered unless wanted, and decided once all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from chatbot.broker import Broker, streams, subjects
from chatbot.broker.gauge import Queue, queues
from chatbot.broker.subjects import Lane
from chatbot.flowfile.load import load
from chatbot.listeners.bridge import NatsBridge
from chatbot.messages import RETRY, ChatMessage, Reply
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.intake import Intake
from chatbot.orchestrator.primary import primary
from tests.integration.test_intake import (
    dead_letters,
    gated,
    hear,
    message,
    outcomes,
    settled,
    taking,
)
from tests.integration.test_nodes import serving, started
from tests.servers.processes import until


def said(text: str, *, minutes_ago: float) -> ChatMessage:
    long_ago = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return msgspec.structs.replace(message(text), time=long_ago)


def old_and_fresh() -> tuple[ChatMessage, ChatMessage]:
    return said("yesterday's", minutes_ago=11), said("today's", minutes_ago=9)


@asynccontextmanager
async def taking_with(broker: Broker, path: Path, *overrides: str) -> AsyncIterator[Intake]:
    flow = load(path, overrides=overrides)
    async with Roster.follow(broker) as roster, primary(broker, flow, roster) as intake:
        yield intake


async def test_yesterdays_questions_are_not_answered_unless_it_is_said(
    broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "open").touch()
    old, fresh = old_and_fresh()
    async with taking(broker, gated(tmp_path)) as intake, serving(broker, "test_gate"):
        await hear(broker, old, fresh)
        found = await outcomes(broker, 2)
        await settled(broker)
        assert (intake.record().done, intake.record().skipped) == (2, 1)
    assert found[fresh.id].replies == (Reply("today's"),)
    assert found[fresh.id].skipped == ""
    left = found[old.id]
    assert (left.replies, left.understood, left.skipped, left.error) == ((), {}, "too old", "")
    assert (tmp_path / next(each.name for each in tmp_path.glob("started-*"))).read_text() == (
        "today's\n"
    ), "the flow did not run for it"
    assert await dead_letters(broker) == []


@pytest.mark.parametrize(
    ("setting", "said_again"),
    [
        ("answer", {"yesterday's", "today's"}),
        ("ask nothing, only record", {"today's"}),
        ("skip older than 15m", {"yesterday's", "today's"}),
        ("skip older than 5m", set()),
        ("record", {"today's"}),
        ("record older than 1m", set()),
    ],
)
async def test_a_flow_says_what_is_too_old(
    broker: Broker, tmp_path: Path, setting: str, said_again: set[str]
) -> None:
    (tmp_path / "open").touch()
    override = f"backlog={setting}"
    old, fresh = old_and_fresh()
    async with taking_with(broker, gated(tmp_path), override), serving(broker, "test_gate"):
        await hear(broker, old, fresh)
        found = await outcomes(broker, 2)
        await settled(broker)
    assert {reply.text for each in found.values() for reply in each.replies} == said_again
    recorded = {each.understood.get("passed") for each in found.values()}
    if "record" in setting:
        assert recorded == {"yesterday's", "today's"}, "it is understood, and recorded"
    silent = {each.id for each in found.values() if each.skipped}
    assert silent == {each.id for each in (old, fresh) if each.text not in said_again}


async def test_what_is_tried_again_is_answered_however_old_it_is(
    broker: Broker, tmp_path: Path
) -> None:
    old, _ = old_and_fresh()
    again = msgspec.structs.replace(old, id=f"{old.id}{RETRY}1")
    (tmp_path / "open").touch()
    async with taking(broker, gated(tmp_path)), serving(broker, "test_gate"):
        await hear(broker, again)
        assert (await outcomes(broker, 1))[again.id].replies == (Reply("yesterday's"),)


async def test_a_message_that_grew_old_in_the_queue_is_skipped_by_who_takes_it_next(
    broker: Broker, tmp_path: Path
) -> None:
    nearly = said("nearly", minutes_ago=9.95)
    path = gated(tmp_path)
    await hear(broker, nearly)
    await until(lambda: datetime.now(UTC) - nearly.time > timedelta(minutes=10))
    async with taking(broker, path):
        assert (await outcomes(broker, 1))[nearly.id].skipped == "too old"
        await settled(broker)
    assert not started(tmp_path), "no node was needed for it"


async def test_old_messages_do_not_wait_for_a_node_and_go_in_both_lanes(
    broker: Broker, tmp_path: Path
) -> None:
    async with taking(broker, gated(tmp_path)) as intake:
        async with NatsBridge.open(broker, "test", "bulky", transient=True, bulk=True) as bridge:
            for number in range(20):
                await bridge.hear(said(f"{number}", minutes_ago=60))
        await until(lambda: intake.record().skipped == 20)
        await settled(broker)


async def test_the_lag_and_its_age_are_shown_for_each_flow_and_lane(
    broker: Broker, tmp_path: Path
) -> None:
    async def queue(name: str, lane: Lane) -> Queue:
        wanted = (name, "test", lane)
        async with asyncio.timeout(10):
            while True:
                for each in await queues(broker):
                    if (each.queue.partition(" ")[0], each.flow, each.lane) == wanted:
                        return each

    async with taking(broker, gated(tmp_path)):
        assert (await queue("IN", Lane.PEOPLE)).oldest is None
        await hear(broker, message("a"), message("b"))
        found = await queue("WORK", Lane.PEOPLE)
        assert found.consumer == "-", "no node has ever taken it"
        assert found.waiting > 0
        began = asyncio.get_running_loop().time()
        assert found.oldest is not None
        assert found.oldest < 5
        heard = await queue("IN", Lane.PEOPLE)
        assert (heard.waiting, heard.in_progress) == (0, 2)
        await until(lambda: asyncio.get_running_loop().time() - began > 0.5)
        later = await queue("WORK", Lane.PEOPLE)
        assert later.oldest is not None
        assert later.oldest >= found.oldest + 0.5
        assert (later.waiting, (await queue("IN", Lane.BULK)).oldest) == (found.waiting, None)
        (tmp_path / "open").touch()
        async with serving(broker, "test_gate"):
            await outcomes(broker, 2)
            await settled(broker)
        assert (await queue("WORK", Lane.PEOPLE)).oldest is None


async def test_outcomes_that_nobody_performs_have_an_age(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    await streams.ensure(broker, streams.flow_streams("test"))
    async with NatsBridge.open(broker, "test", message("a").network):
        pass  # a listener that has been here
    async with taking(broker, gated(tmp_path)), serving(broker, "test_gate"):
        await hear(broker, message("a"))
        await settled(broker)
    stream = subjects.out_stream("test").removeprefix("CHATBOT_").replace("_", " ", 1)
    found = {each.lane: each for each in await queues(broker) if each.queue == stream}
    assert found[Lane.PEOPLE].waiting == 1
    assert found[Lane.PEOPLE].oldest is not None
    assert found[Lane.BULK].oldest is None
