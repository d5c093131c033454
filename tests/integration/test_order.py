"""A person's messages in a room, one after the other, where the flow wants them so."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from chatbot.broker import Broker, EmbeddedServer, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.listeners.bridge import NatsBridge
from chatbot.listeners.gate import Conduct, Gate
from chatbot.listeners.gate.lasts import Lasts
from chatbot.messages import ChatMessage, Outcome
from chatbot.nodes.roster import Roster
from chatbot.orchestrator import deadline
from chatbot.orchestrator import intake as module
from chatbot.policy import Policy, Rules, Terms
from tests.integration.test_intake import (
    NETWORK,
    dead_letters,
    primary_process,
    settled,
    taking,
)
from tests.servers.processes import Program, until

DAWDLE = """\
version: 1
name: test
order: by person
operations:
  say: {run: test_dawdle, inputs: {text: message.text}}
"""
PEOPLE = ("ann", "ben", "cid", "dot", "eve")


def dawdling(folder: Path) -> Path:
    path = folder / "test.yaml"
    path.write_text(DAWDLE)
    return path


@asynccontextmanager
async def gate(broker: Broker, bulk: bool = False) -> AsyncIterator[Gate]:
    """Hear messages as a listener does whose flow wants them in order."""
    await streams.ensure(broker, streams.flow_streams("test"))
    conduct = Conduct(Policy(Terms(person=None, room=None)), Rules(in_order=True))
    async with NatsBridge.open(broker, "test", "deaf", transient=True, bulk=bulk) as bridge:
        yield Gate(bridge, conduct, Lasts("test", NETWORK, None), name=NETWORK)


def said(sender: str, number: int, seconds: float | Path, room: str = "#room") -> ChatMessage:
    return ChatMessage(
        id=f"{room} {sender} {number}",
        network=NETWORK,
        room=room,
        sender=sender,
        text=f"{number} takes {seconds}",
        time=datetime.now(UTC),
    )


async def decided(broker: Broker, count: int, timeout: float = 60.0) -> list[Outcome]:
    """Wait for the outcomes of `count` messages; return them in the order of their storing."""
    stream = subjects.out_stream("test")
    found: list[Outcome] = []
    async with asyncio.timeout(timeout):
        sequence = 1
        while len(found) < count:
            last = (await broker.js.stream_info(stream)).state.last_seq
            for each in range(sequence, last + 1):
                data = (await broker.js.get_msg(stream, each)).data
                found += [Outcome.decode(data)] if data else []
            sequence = last + 1
            await asyncio.sleep(0.02)
    return found


def in_order(outcomes: list[Outcome]) -> dict[tuple[str, str], list[int]]:
    """Return the numbers of each person's messages in each room, as they came out."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in outcomes:
        assert each.replies, each
        found[each.room, each.sender].append(int(each.id.split()[-1]))
    return found


@pytest.mark.parametrize("bulk", [False, True], ids=["people", "bulk"])
async def test_messages_of_a_person_come_out_in_their_order_of_two_primaries(
    broker: Broker, tmp_path: Path, bulk: bool
) -> None:
    path, draw = dawdling(tmp_path), random.Random(5)
    said_all = [
        said(person, number, draw.choice((0, 0.001, 0.01, 0.05)), room)
        for number in range(20)
        for person in PEOPLE
        for room in ("#room", "#other")
    ]
    async with taking(broker, path) as one, taking(broker, path) as two, gate(broker, bulk) as door:
        for each in said_all:
            await door.hear(each)
        outcomes = await decided(broker, len(said_all))
        await settled(broker)
        done = one.record().done, two.record().done
        assert min(done) > 20, f"both had some: {done}"
        assert not {*one._order._ends, *two._order._ends}, "nothing is left behind"
        assert one._order.waiting == two._order.waiting == 0
    found = in_order(outcomes)
    assert len(found) == 2 * len(PEOPLE)
    assert all(numbers == list(range(20)) for numbers in found.values())
    assert await dead_letters(broker) == []


async def test_without_an_order_the_quick_ones_come_out_first(
    broker: Broker, tmp_path: Path
) -> None:
    async with taking(broker, dawdling(tmp_path)), gate(broker) as door:
        door._conduct.rules = Rules()
        await door.hear(said("ann", 0, 0.3))
        await door.hear(said("ann", 1, 0.0))
        assert [each.id for each in await decided(broker, 2)] == ["#room ann 1", "#room ann 0"]


async def test_a_person_who_waits_has_nobody_else_wait(broker: Broker, tmp_path: Path) -> None:
    async with taking(broker, dawdling(tmp_path)), gate(broker) as door:
        await door.hear(said("ann", 0, 1.0))
        for number in range(1, 50):
            await door.hear(said("ann", number, 0.0))
        await door.hear(said("ben", 0, 0.0))
        await door.hear(said("ann", 0, 0.0, "#other"))
        first = [each.id for each in await decided(broker, 2)]
        assert set(first) == {"#room ben 0", "#other ann 0"}
        found = in_order(await decided(broker, 52))
        assert found["#room", "ann"] == list(range(50))


async def test_more_than_may_wait_are_handed_back_and_come_in_order(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    monkeypatch.setattr(module, "LATER", 0.1)
    monkeypatch.setattr(module, "IN_FLIGHT", dict.fromkeys(Lane, 8))
    async with taking(broker, dawdling(tmp_path)), gate(broker) as door:
        await door.hear(said("ann", 0, tmp_path / "go-on"))
        for number in range(1, 15):
            await door.hear(said("ann", number, 0.0))
        await door.hear(said("ben", 0, 0.0))
        assert [each.sender for each in await decided(broker, 1)] == ["ben"]
        (tmp_path / "go-on").touch()
        assert in_order(await decided(broker, 16))["#room", "ann"] == list(range(15))


async def test_what_is_waited_for_in_vain_is_not_waited_for_for_ever(
    broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(deadline, "DEADLINE", 0.5)
    async with taking(broker, dawdling(tmp_path)) as intake, gate(broker) as door:
        monkeypatch.setattr(type(intake._orchestrator), "longest", 0.0)
        await door.hear(said("ann", 0, 0.0))
        await door._bridge.hear(replace(said("ben", 1, 0.0), after="never heard"))
        (one, two) = await decided(broker, 2)
        assert (one.sender, two.sender) == ("ann", "ben")
    assert "start a message out of its order" in caplog.text


async def test_what_failed_is_done_with_and_the_next_one_runs(
    broker: Broker, tmp_path: Path
) -> None:
    async with taking(broker, dawdling(tmp_path)), gate(broker) as door:
        failing = said("ann", 0, 0.0)
        await door.hear(replace(failing, text="this is no number"))
        await door.hear(said("ann", 1, 0.0))
        one, two = await decided(broker, 2, timeout=10.0)
        assert (bool(one.error), two.id) == (True, "#room ann 1")


async def test_a_primary_that_drains_leaves_the_order_to_the_next_one(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRAIN", 0.1)
    path = dawdling(tmp_path)
    async with gate(broker) as door:
        async with taking(broker, path) as first:
            await door.hear(said("ann", 0, 1.0))
            for number in range(1, 10):
                await door.hear(said("ann", number, 0.0))
            await until(lambda: first._order.waiting == 9)
        async with taking(broker, path):
            found = in_order(await decided(broker, 10))
            await settled(broker)
        assert found["#room", "ann"] == list(range(10))


@pytest.mark.crash
async def test_a_killed_primarys_messages_are_done_in_their_order(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    path, draw = dawdling(tmp_path), random.Random(7)
    async with Roster.follow(broker) as roster, gate(broker) as door:
        async with primary_process(program, nats_server, path, roster) as process:
            async with taking(broker, path) as second:
                for number in range(40):
                    for person in PEOPLE:
                        await door.hear(said(person, number, draw.choice((0.0, 0.02, 0.1))))
                    if number == 20:
                        await process.kill()
                found = in_order(await decided(broker, 200))
                await settled(broker)
                assert second.record().done > 100
    assert all(numbers == list(range(40)) for numbers in found.values())
