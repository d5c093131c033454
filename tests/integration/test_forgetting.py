"""What was said and is to be forgotten: it is not answered any more, and nowhere to be found."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chatbot.broker import Broker, stored, streams, subjects
from chatbot.broker.forgetting import Said, forget, said_by
from chatbot.listeners.bridge import NatsBridge
from chatbot.messages import ChatMessage, Outcome, Reply
from tests.integration.test_intake import (
    NETWORK,
    SAY,
    dead_letters,
    gated,
    message,
    settled,
    started,
    taking,
    written,
)
from tests.integration.test_nodes import serving
from tests.servers.processes import until

FAIL = """\
version: 1
name: test
operations:
  fail: {run: test_fail, on: primary, inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: fail.text}}
"""
SECRET = "a secret that nobody says by chance"


def said(text: str) -> Said:
    return Said("test", NETWORK, message(text).id)


async def hear(broker: Broker, *messages: ChatMessage) -> None:
    await streams.ensure(broker, streams.account_streams() + streams.flow_streams("test"))
    async with NatsBridge.open(broker, "test", NETWORK, transient=True) as bridge:
        await asyncio.gather(*(bridge.hear(each) for each in messages))


async def decided(broker: Broker, count: int) -> dict[str, tuple[Reply, ...]]:
    """Wait until `count` messages have an outcome; return the replies by the message's id."""
    stream = subjects.out_stream("test")
    async with asyncio.timeout(10.0):
        while True:
            found = [Outcome.decode(each.data) async for each in stored.stored(broker, stream, ">")]
            if len(found) >= count:
                return {each.id: each.replies for each in found}
            await asyncio.sleep(0.02)


async def held(broker: Broker) -> int:
    """Return how many outcomes somebody holds."""
    consumers = await broker.js.consumers_info(subjects.out_stream("test"))
    return sum(each.num_ack_pending or 0 for each in consumers)


def anna(network: str, sender: str) -> bool:
    return (network, sender) == (NETWORK, "anna")


async def test_what_nobody_has_taken_yet_is_not_answered(broker: Broker, tmp_path: Path) -> None:
    await hear(broker, message("one"), message("two"))
    await forget(broker, [said("one")])
    async with taking(broker, written(tmp_path, SAY)):
        found = await decided(broker, 2)
        await settled(broker)
    assert found == {"id of one": (), "id of two": (Reply("two"),)}


async def test_what_runs_comes_to_nothing(broker: Broker, tmp_path: Path) -> None:
    async with serving(broker, "test_gate"), taking(broker, gated(tmp_path)):
        await hear(broker, message("one"), message("two"))
        await until(lambda: started(tmp_path))
        await forget(broker, [said("one")])
        (tmp_path / "open").touch()
        found = await decided(broker, 2)
        await settled(broker)
    assert found == {"id of one": (), "id of two": (Reply("two"),)}


async def test_what_was_decided_is_not_said(broker: Broker, tmp_path: Path) -> None:
    await hear(broker, message("one"), message("two"))
    async with taking(broker, written(tmp_path, SAY)):
        await decided(broker, 2)
    await forget(broker, [said("one")])
    async with NatsBridge.open(broker, "test", NETWORK) as bridge:
        outcomes = bridge.outcomes()
        async with asyncio.timeout(5.0):
            found = [(await anext(outcomes)).outcome for _ in range(2)]
    assert {each.id: each.replies for each in found} == {
        "id of one": (),
        "id of two": (Reply("two"),),
    }


async def test_what_the_bridge_holds_is_not_said_once_it_was_taken_back(
    broker: Broker, tmp_path: Path
) -> None:
    await streams.ensure(broker, streams.flow_streams("test"))
    async with NatsBridge.open(broker, "test", NETWORK) as bridge:
        await bridge.hear(message("one"))
        async with taking(broker, written(tmp_path, SAY)):
            await decided(broker, 1)
            await until(lambda: any(bridge._arrived.values()))
        await bridge.forget(message("one").id)
        async with asyncio.timeout(5.0):
            delivery = await anext(bridge.outcomes())
        assert (delivery.outcome.id, delivery.outcome.replies) == ("id of one", ())
        await delivery.done()
        async with asyncio.timeout(5.0):
            while await held(broker):
                await asyncio.sleep(0.02)


async def test_what_was_forgotten_is_not_heard_a_second_time(
    broker: Broker, tmp_path: Path
) -> None:
    await hear(broker, message("one"))
    await forget(broker, [said("one")])
    await hear(broker, message("one"), message("two"))
    async with taking(broker, written(tmp_path, SAY)):
        found = await decided(broker, 2)
        await settled(broker)
    assert found == {"id of one": (), "id of two": (Reply("two"),)}


async def test_what_failed_is_erased_with_the_rest_and_from_the_disk(
    broker: Broker, tmp_path: Path
) -> None:
    await hear(broker, message(f"fail {SECRET}", "one"), message(f"{SECRET}, too", "two"))
    async with taking(broker, written(tmp_path, FAIL)):
        await decided(broker, 2)
        await settled(broker)
    assert len(await dead_letters(broker)) == 1
    assert files_with(SECRET, tmp_path)
    found = await said_by(broker, anna)
    assert found == {Said("test", NETWORK, f"id of {key}") for key in ("one", "two")}
    await forget(broker, found)
    assert await said_by(broker, anna) == set()
    assert await stored.count(broker, subjects.DEAD) == 0
    assert files_with(SECRET, tmp_path) == []


async def test_what_others_said_stays(broker: Broker, tmp_path: Path) -> None:
    async with taking(broker, written(tmp_path, SAY)):
        other = ChatMessage(
            id="of bert",
            network=NETWORK,
            room="#room",
            sender="bert",
            text="hello",
            time=message("").time,
        )
        await hear(broker, message("one"), other)
        await decided(broker, 2)
        await forget(broker, await said_by(broker, anna))
        assert await decided(broker, 2) == {"id of one": (), "of bert": (Reply("hello"),)}
    heard = subjects.in_stream("test")
    kept = [ChatMessage.decode(each.data) async for each in stored.stored(broker, heard, ">")]
    assert [each.sender for each in kept] == ["bert"]


async def test_it_may_be_done_twice_and_for_what_was_never_heard(broker: Broker) -> None:
    await streams.ensure(broker, streams.account_streams() + streams.flow_streams("test"))
    await forget(broker, [said("never")])
    await forget(broker, [said("never")])
    assert await stored.count(broker, subjects.out_stream("test")) == 1


def files_with(text: str, folder: Path) -> list[Path]:
    """Return the server's files that have the text."""
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]
