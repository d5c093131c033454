"""Between a listener and the streams: heard once, performed until it is said to be done."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime

import msgspec
import pytest

from chatbot.broker import Broker, EmbeddedServer, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.errors import BrokerError
from chatbot.listeners.bridge import Delivery, NatsBridge
from chatbot.messages import ChatMessage, Outcome, Reply

FLOW, NETWORK = "test", "irc"


@pytest.fixture(autouse=True)
async def flow(broker: Broker) -> None:
    await streams.ensure(broker, streams.flow_streams(FLOW))


def said(key: str, text: str = "hello") -> ChatMessage:
    return ChatMessage(key, NETWORK, "#room", "anna", text, datetime.now(UTC))


def outcome(key: str, network: str = NETWORK) -> Outcome:
    return Outcome(key, network, "#room", "anna", (Reply(f"answer to {key}"),))


async def decide(broker: Broker, *outcomes: Outcome) -> None:
    for each in outcomes:
        await broker.publish(subjects.out_subject(FLOW, each.network, each.id), each.encode())


async def heard(broker: Broker) -> list[ChatMessage]:
    stream = subjects.in_stream(FLOW)
    state = (await broker.js.stream_info(stream)).state
    return [
        ChatMessage.decode((await broker.js.get_msg(stream, sequence)).data or b"")
        for sequence in range(1, state.last_seq + 1)
    ]


async def take(bridge: NatsBridge, count: int, timeout: float = 5.0) -> list[Delivery]:
    """Return the next `count` outcomes."""
    async with asyncio.timeout(timeout):
        iterator = bridge.outcomes()
        return [await anext(iterator) for _ in range(count)]


def ids(deliveries: list[Delivery]) -> set[str]:
    return {each.outcome.id for each in deliveries}


async def performed(broker: Broker) -> None:
    """Wait until the server has all that was acknowledged."""
    name = str(streams.out_consumer(FLOW, NETWORK).durable_name)
    async with asyncio.timeout(streams.OUT_ACK_WAIT + 5.0):
        while (await broker.js.consumer_info(subjects.out_stream(FLOW), name)).num_ack_pending:
            await asyncio.sleep(0.01)


async def test_what_is_heard_twice_is_stored_once(broker: Broker) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        await bridge.hear(said("1"))
        await bridge.hear(said("1", "hello again, from the network's history"))
        await bridge.hear(said("2"))
    assert [(each.id, each.text) for each in await heard(broker)] == [
        ("1", "hello"),
        ("2", "hello"),
    ]


async def test_what_is_heard_while_the_server_starts_again_is_stored_once(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(bridge.hear(said(str(number))))
            await asyncio.sleep(0)
            os.kill(nats_server.pid, signal.SIGKILL)
    assert sorted(each.id for each in await heard(broker)) == sorted(map(str, range(50)))


async def test_hearing_what_is_too_large_is_an_error_at_once(broker: Broker) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        with pytest.raises(BrokerError):
            await bridge.hear(said("1", "x" * broker.max_payload))


async def test_an_outcome_is_delivered_to_its_own_network(broker: Broker) -> None:
    async with (
        NatsBridge.open(broker, FLOW, NETWORK) as irc,
        NatsBridge.open(broker, FLOW, "matrix") as matrix,
    ):
        await decide(broker, outcome("1"), outcome("2", "matrix"))
        (first,), (second,) = await take(irc, 1), await take(matrix, 1)
        assert (first.outcome, first.attempt) == (outcome("1"), 1)
        assert second.outcome == outcome("2", "matrix")


async def test_what_was_not_performed_comes_again_to_the_next_listener(broker: Broker) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        await decide(broker, outcome("1"), outcome("2"), outcome("3"))
        one, *_ = await take(bridge, 3)
        await one.done()
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        again = await take(bridge, 2, timeout=2.0)
        assert ids(again) == {"1", "2", "3"} - {one.outcome.id}
        assert {each.attempt for each in again} == {2}
        for each in again:
            await each.done()
        await performed(broker)
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        with pytest.raises(TimeoutError):
            await take(bridge, 1, timeout=0.3)


async def test_what_was_decided_while_no_listener_was_there_is_delivered(broker: Broker) -> None:
    await decide(broker, outcome("1"))
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        assert ids(await take(bridge, 1)) == {"1"}


async def test_what_was_performed_does_not_come_again_after_the_server_was_killed(
    broker: Broker, nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "OUT_ACK_WAIT", 2.0)
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        await decide(broker, *(outcome(str(number)) for number in range(20)))
        for each in await take(bridge, 20):
            await each.done()
        os.kill(nats_server.pid, signal.SIGKILL)  # which has not written all that down yet
        await decide(broker, outcome("more"))
        (more,) = await take(bridge, 1)
        assert more.outcome == outcome("more")
        await more.done()
        await performed(broker)
        with pytest.raises(TimeoutError):
            await take(bridge, 1, timeout=0.1)


async def test_an_outcome_is_begun_once_for_ever(
    broker: Broker, nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "OUT_ACK_WAIT", 0.5)
    await decide(broker, outcome("0"))
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        (first,) = await take(bridge, 1)
        assert await first.begin()
        os.kill(nats_server.pid, signal.SIGKILL)
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        (again,) = await take(bridge, 1)
        assert again.outcome == outcome("0")
        assert not await again.begin()


async def test_a_mark_of_an_outcome_stands_and_says_how_old_it_is(
    broker: Broker, nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "OUT_ACK_WAIT", 0.5)
    await decide(broker, outcome("0"))
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        (first,) = await take(bridge, 1)
        assert await first.mark("sent.0") is None
        os.kill(nats_server.pid, signal.SIGKILL)
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        (again,) = await take(bridge, 1)
        age = await again.mark("sent.0")
        assert age is not None
        assert 0.0 < age < 30.0
        assert await again.mark("sent.1") is None
        await again.done()
        with pytest.raises(TimeoutError):  # a mark is no outcome
            await take(bridge, 1, timeout=0.2)


async def test_a_position_is_there_for_who_listens_next(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        assert await bridge.position() == ""
        await bridge.advance("s1_2/é")
        await bridge.advance("s1_3/é")
        os.kill(nats_server.pid, signal.SIGKILL)
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        assert await bridge.position() == "s1_3/é"
    async with NatsBridge.open(broker, FLOW, "another") as bridge:
        assert await bridge.position() == ""


async def test_what_was_said_long_ago_waits_behind_what_is_said_now(broker: Broker) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        old = msgspec.structs.replace(said("1"), old=True)
        assert bridge.lane_of(old) is Lane.BULK
        assert bridge.lane_of(msgspec.structs.replace(old, addressed=True)) is Lane.PEOPLE


async def test_what_is_not_understood_is_dropped_and_the_rest_goes_on(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.publish(subjects.out_subject(FLOW, NETWORK, "0"), b"\xc1 secret")
    await decide(broker, outcome("1"))
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        assert ids(await take(bridge, 1)) == {"1"}
    assert "not understood" in caplog.text
    assert "secret" not in caplog.text


async def test_a_transient_network_leaves_nothing_behind(broker: Broker) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK, transient=True) as bridge:
        await decide(broker, outcome("1"))
        await take(bridge, 1)
    assert await broker.js.consumers_info(subjects.out_stream(FLOW)) == []
