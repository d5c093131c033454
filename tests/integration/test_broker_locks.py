"""Locks over NATS: one holder at a time, in turns, while it is used; who lost it is told."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from chatbot.broker import Broker, EmbeddedServer, connect, locks, subjects
from chatbot.broker.buckets import LOCK_KEPT, open_bucket
from chatbot.broker.locks import SharedLocks
from chatbot.errors import LockLostError
from tests.servers.processes import until

NAME = "printer"


@asynccontextmanager
async def two_holders(url: str) -> AsyncIterator[list[SharedLocks]]:
    """The locks of one flow, over two connections."""
    async with AsyncExitStack() as stack:
        brokers = [await stack.enter_async_context(connect(url, name=n)) for n in "ab"]
        yield [await stack.enter_async_context(SharedLocks.open(each, "f")) for each in brokers]


class Inside:
    """Counts who is in a block, over all holders of a test's process."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.tokens: list[int] = []
        self.order: list[str] = []

    async def use(self, shared: SharedLocks, who: str, seconds: float = 0.003) -> None:
        async with shared.hold(NAME) as token:
            self.now += 1
            self.most = max(self.most, self.now)
            self.tokens.append(token)
            await asyncio.sleep(seconds)
            self.order.append(who)
            self.now -= 1


async def test_one_holds_it_at_a_time_and_they_take_turns(nats_server: EmbeddedServer) -> None:
    inside = Inside()
    async with two_holders(nats_server.url) as (one, two), asyncio.timeout(30):
        await asyncio.gather(
            *(inside.use(one, "1") for _ in range(60)), *(inside.use(two, "2") for _ in range(60))
        )
    assert inside.most == 1
    assert inside.tokens == sorted(inside.tokens), "the token only grows"
    order = "".join(inside.order)
    while_both_wait = order[: min(order.rindex("1"), order.rindex("2"))]
    assert len(while_both_wait) > 80, order
    assert max(len(same) for _, same in groups(while_both_wait)) < 10, order


def groups(order: str) -> list[tuple[str, str]]:
    return [(key, "".join(each)) for key, each in itertools.groupby(order)]


async def test_a_release_wakes_who_waits_without_a_look(
    nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_LOOK", 60.0)
    inside = Inside()
    async with two_holders(nats_server.url) as (one, two):
        held = asyncio.ensure_future(inside.use(one, "one", seconds=0.5))
        await until(lambda: inside.now)
        async with asyncio.timeout(5):
            await inside.use(two, "two")
        await held
    assert inside.most == 1


async def test_who_is_told_of_a_release_before_it_is_stored_looks_again(
    nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_LOOK", 60.0)
    inside = Inside()
    async with two_holders(nats_server.url) as (one, two):
        get, seen = two._bucket.get, []

        async def late(key: str) -> Any:
            """What was there before, once more, when it has been released."""
            seen.append(await get(key))
            return seen[-2] if inside.order and len(seen) == 2 else seen[-1]

        monkeypatch.setattr(two._bucket, "get", late)
        held = asyncio.ensure_future(inside.use(one, "one", seconds=0.5))
        await until(lambda: inside.now)
        async with asyncio.timeout(5):
            await inside.use(two, "two")
        await held
    assert len(seen) >= 3, "it was told, and found it held"


async def test_a_lock_that_nobody_wants_costs_little(nats_server: EmbeddedServer) -> None:
    took: list[float] = []
    async with two_holders(nats_server.url) as (one, _):
        for _ in range(200):
            began = time.perf_counter()
            async with one.hold(NAME):
                pass
            took.append(time.perf_counter() - began)
    median = sorted(took)[100]
    assert median < 0.02, f"{median * 1000:.2f} ms"


async def test_who_lost_a_lock_is_stopped_and_told(broker: Broker) -> None:
    bucket = await open_bucket(broker, subjects.LOCKS)

    async def lose_it_and_go_on() -> None:
        async with shared.hold(NAME):
            (key,) = await bucket.all()
            await bucket.put(key, b"+another")
            await asyncio.Event().wait()

    async with SharedLocks.open(broker, "f") as shared, asyncio.timeout(LOCK_KEPT):
        with pytest.raises(LockLostError):
            await lose_it_and_go_on()


async def test_who_had_lost_a_lock_before_the_end_is_told_at_the_end(broker: Broker) -> None:
    bucket = await open_bucket(broker, subjects.LOCKS)

    async def lose_it_at_the_last_moment() -> None:
        async with shared.hold(NAME):
            (key,) = await bucket.all()
            await bucket.put(key, b"+another")

    async with SharedLocks.open(broker, "f") as shared:
        with pytest.raises(LockLostError):
            await lose_it_at_the_last_moment()
    assert set((await bucket.all()).values()) == {b"+another"}, "the other's is left alone"


async def test_a_lock_is_held_for_as_long_as_it_is_used(nats_server: EmbeddedServer) -> None:
    inside = Inside()
    async with two_holders(nats_server.url) as (one, two):
        held = asyncio.ensure_future(inside.use(one, "one", seconds=LOCK_KEPT + 1.5))
        await until(lambda: inside.now)
        began = time.monotonic()
        await inside.use(two, "two")
        await held
        assert time.monotonic() - began > LOCK_KEPT
    assert inside.most == 1


async def test_a_lock_survives_that_the_answer_to_a_renewal_is_lost(broker: Broker) -> None:
    bucket = await open_bucket(broker, subjects.LOCKS)
    async with SharedLocks.open(broker, "f") as shared, shared.hold(NAME):
        (key,) = await bucket.all()
        held = await bucket.get(key)
        assert held is not None
        # What a renewal stores whose answer never came: ours, at a revision that we do not know.
        assert await bucket.update(key, held.value, held.revision)
