"""Taking messages: bounded, renewed, settled once, and going on whatever is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig

from chatbot.broker import Broker, EmbeddedServer, Pull, Taken, connect
from chatbot.broker.connection import SOON
from chatbot.errors import BrokerError
from tests.servers.frozen import freeze
from tests.servers.processes import until

STREAM = "S"


class Hands:
    """What a pull delivered, in order; keeps it until the test settles it."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self._changed = asyncio.Event()

    def __call__(self, taken: Taken) -> None:
        self.taken.append(taken)
        self._changed.set()

    @property
    def texts(self) -> list[str]:
        return [each.data.decode() for each in self.taken]

    async def hold(self, count: int, timeout: float = 5.0) -> list[Taken]:
        """Wait until `count` messages have been delivered."""
        async with asyncio.timeout(timeout):
            while len(self.taken) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.taken


@pytest.fixture(autouse=True)
async def stream(broker: Broker) -> None:
    await broker.js.add_stream(
        StreamConfig(name=STREAM, subjects=["s.>"], retention=RetentionPolicy.WORK_QUEUE)
    )


def consumer(ack_wait: float = 30.0) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name="c", filter_subject="s.>", ack_policy=AckPolicy.EXPLICIT, ack_wait=ack_wait
    )


@asynccontextmanager
async def pulling(
    broker: Broker, *, limit: int = 10, ack_wait: float = 30.0
) -> AsyncIterator[tuple[Pull, Hands]]:
    hands = Hands()
    async with Pull.open(broker, STREAM, consumer(ack_wait), hands, limit) as pull:
        yield pull, hands


async def publish(broker: Broker, *texts: str) -> None:
    for text in texts:
        await broker.publish("s.x", text.encode())


async def waiting_for_acks(broker: Broker) -> int:
    return (await broker.js.consumer_info(STREAM, "c")).num_ack_pending or 0


async def left(broker: Broker) -> int:
    return (await broker.js.stream_info(STREAM)).state.messages


async def emptied(broker: Broker) -> None:
    """Wait until the stream has no message left."""
    async with asyncio.timeout(5):
        while await left(broker):
            await asyncio.sleep(0.01)  # acknowledgements are not answered


async def test_messages_arrive_in_order_with_subject_sequence_and_attempt(broker: Broker) -> None:
    async with pulling(broker) as (_, hands):
        await publish(broker, "a", "b", "c")
        await hands.hold(3)
        assert hands.texts == ["a", "b", "c"]
        assert [(t.subject, t.sequence, t.attempt) for t in hands.taken] == [
            ("s.x", number, 1) for number in (1, 2, 3)
        ]
        for taken in hands.taken:
            await taken.ack()
        await emptied(broker)


async def test_no_more_than_the_limit_is_unsettled(broker: Broker) -> None:
    names = [str(number) for number in range(20)]
    await publish(broker, *names)
    async with pulling(broker, limit=4) as (pull, hands):
        for number in range(20):
            await hands.hold(number + 1)
            assert pull.unsettled <= 4
            async with asyncio.timeout(5):
                while await waiting_for_acks(broker) > 4:
                    await asyncio.sleep(0.01)  # acknowledgements are not answered
            await hands.taken[number].ack()
    assert hands.texts == names


async def test_a_limit_can_be_raised_and_lowered(broker: Broker) -> None:
    async with pulling(broker, limit=1) as (pull, hands):
        await publish(broker, *"abcdefgh")
        await hands.hold(1)
        pull.resize(4)
        await hands.hold(4)
        assert pull.unsettled == 4
        pull.resize(2)
        for taken in list(hands.taken):
            await taken.ack()
        await hands.hold(6)
        assert pull.unsettled <= 2


async def test_what_is_handed_back_comes_again_after_its_delay(broker: Broker) -> None:
    async with pulling(broker) as (_, hands):
        await publish(broker, "a")
        await hands.hold(1)
        started = time.monotonic()
        await hands.taken[0].nak(0.3)
        await hands.hold(2)
        assert 0.25 < time.monotonic() - started < 3.0
        assert hands.taken[1].attempt == 2
        assert hands.taken[1].sequence == hands.taken[0].sequence
        await hands.taken[1].nak()
        await hands.hold(3, timeout=1.0)
        await hands.taken[2].ack()
        await emptied(broker)


async def test_what_can_never_succeed_does_not_come_again(broker: Broker) -> None:
    async with pulling(broker, ack_wait=0.5) as (pull, hands):
        await publish(broker, "a", "b")
        await hands.hold(2)
        await hands.taken[0].term()
        await hands.taken[1].ack()
        await emptied(broker)
        assert pull.unsettled == 0
    assert hands.texts == ["a", "b"]


async def test_settling_twice_does_nothing(broker: Broker) -> None:
    async with pulling(broker) as (pull, hands):
        await publish(broker, "a")
        await hands.hold(1)
        await hands.taken[0].ack()
        await hands.taken[0].nak()
        await hands.taken[0].term()
        await emptied(broker)
        assert pull.unsettled == 0
        await publish(broker, "b")
        await hands.hold(2)
        assert hands.texts == ["a", "b"], "it was not handed back"


async def test_what_a_pull_holds_at_its_end_is_anothers_at_once(broker: Broker) -> None:
    names = [str(number) for number in range(50)]
    await publish(broker, *names)
    async with pulling(broker, limit=64) as (_, first):
        await first.hold(50)
    left_at = time.monotonic()
    async with pulling(broker, limit=64) as (_, second):
        await second.hold(50)
        assert time.monotonic() - left_at < 2.0
    assert sorted(second.texts) == sorted(names)


async def test_what_arrives_while_a_pull_ends_is_anothers_at_once(broker: Broker) -> None:
    names = {str(number) for number in range(200)}
    async with pulling(broker, limit=64) as (_, second):
        async with pulling(broker, limit=64) as (_, first):
            await asyncio.gather(*(publish(broker, name) for name in names))
        # What it had acknowledged none of is the other's, which settles as it comes.
        done: set[str] = set()
        async with asyncio.timeout(3.0):
            while done < names:
                for taken in second.taken[len(done) :]:
                    await taken.ack()
                    done.add(taken.data.decode())
                await asyncio.sleep(0)
    assert first.taken


async def test_what_the_server_sends_before_it_knows_of_a_pulls_end_is_anothers_at_once(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    async with connect(nats_server.url, name="other") as other:
        for number in range(60):
            async with pulling(broker):
                await publish(broker, "asked for")
                await other.publish("s.x", str(number).encode())  # stored, and on its way
            async with pulling(broker) as (_, second), asyncio.timeout(3.0):
                for taken in await second.hold(2):
                    await taken.ack()
    await emptied(broker)


async def test_a_pull_ends_though_the_server_says_nothing(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    async with pulling(broker) as (pull, hands):
        await publish(broker, "a")
        await hands.hold(1)
        freeze(nats_server.pid)
        try:
            async with asyncio.timeout(SOON + 1.0):
                await pull.stop()
        finally:
            os.kill(nats_server.pid, signal.SIGCONT)
        await hands.taken[0].ack()
    await emptied(broker)


async def test_what_is_worked_on_is_kept_beyond_its_time(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    async with connect(nats_server.url, name="other") as other:
        async with pulling(broker, ack_wait=0.4) as (_, holding):
            await publish(broker, "a")
            await holding.hold(1)
            async with pulling(other, ack_wait=0.4) as (_, idle):
                with pytest.raises(TimeoutError):
                    await idle.hold(1, timeout=1.5)
                await holding.taken[0].ack()
        await emptied(broker)


async def test_what_a_dead_holder_had_is_anothers_after_its_time(broker: Broker) -> None:
    await publish(broker, "a", "b")
    await broker.js.add_consumer(STREAM, consumer(0.5))
    dead = await broker.js.pull_subscribe_bind(stream=STREAM, durable="c")
    assert len(await dead.fetch(2)) == 2, "and it never says a word of them again"
    async with pulling(broker, ack_wait=0.5) as (_, living):
        await living.hold(2, timeout=3.0)
        assert sorted(living.texts) == ["a", "b"]
        assert {taken.attempt for taken in living.taken} == {2}


async def test_two_pulls_share_what_there_is(broker: Broker) -> None:
    names = [str(number) for number in range(40)]
    async with pulling(broker, limit=4) as (_, one), pulling(broker, limit=4) as (_, two):
        await publish(broker, *names)
        settled: list[str] = []
        async with asyncio.timeout(5):
            while len(settled) < 40:
                for hands in (one, two):
                    while hands.taken:
                        taken = hands.taken.pop(0)
                        settled.append(taken.data.decode())
                        await taken.ack()
                await asyncio.sleep(0)
        assert sorted(settled) == sorted(names)


async def test_a_free_pull_takes_what_a_full_one_leaves(broker: Broker) -> None:
    async with pulling(broker, limit=2) as (_, full):
        await publish(broker, *"abcdef")
        await full.hold(2)
        async with pulling(broker, limit=10) as (_, free):
            await free.hold(4, timeout=2.0)
    assert sorted(full.texts + free.texts) == list("abcdef")


async def test_a_consumer_that_was_deleted_is_made_again(broker: Broker) -> None:
    async with pulling(broker) as (_, hands):
        await publish(broker, "a")
        await hands.hold(1)
        await hands.taken[0].ack()
        await emptied(broker)
        await broker.js.delete_consumer(STREAM, "c")
        await publish(broker, "b")
        await hands.hold(2, timeout=8.0)
    assert hands.texts == ["a", "b"]


async def test_what_was_settled_lately_is_not_delivered_when_it_comes_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot.broker.pull.REMEMBERED", 4)
    await broker.js.delete_stream(STREAM)
    await broker.js.add_stream(StreamConfig(name=STREAM, subjects=["s.>"]))
    async with pulling(broker) as (_, hands):
        await publish(broker, *"abcdefghij")
        for taken in await hands.hold(10):
            await taken.ack()
        hands.taken.clear()
        await broker.js.delete_consumer(STREAM, "c")  # nobody knows now that they are done
        await publish(broker, "k")
        async with asyncio.timeout(8):
            while "k" not in hands.texts:
                await hands.hold(len(hands.taken) + 1, timeout=8.0)
        assert not set(hands.texts) & set("ghij"), "the last four, at least, are known again"


async def test_it_goes_on_when_the_server_was_killed(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    async with pulling(broker, ack_wait=2.0) as (_, hands):
        await publish(broker, "a")
        await hands.hold(1)
        os.kill(nats_server.pid, signal.SIGKILL)
        await publish(broker, "b")
        await until(lambda: "b" in hands.texts, 5.0)
        for taken in list(hands.taken):
            await taken.ack()
        await emptied(broker)


async def test_a_stopped_pull_takes_nothing_more_and_keeps_what_it_has(broker: Broker) -> None:
    async with pulling(broker, ack_wait=0.4) as (pull, stopped):
        await publish(broker, "a")
        await stopped.hold(1)
        await pull.stop()
        await pull.stop()
        async with pulling(broker, ack_wait=0.4) as (_, other):
            await publish(broker, "b")
            await other.hold(1)
            assert (stopped.texts, other.texts) == (["a"], ["b"])
            await stopped.taken[0].ack()
            await other.taken[0].ack()
            await emptied(broker)


async def test_pulling_from_a_stream_that_is_not_there_is_an_error(broker: Broker) -> None:
    with pytest.raises(BrokerError):
        async with Pull.open(broker, "NONE", consumer(), Hands(), 1):
            pass
