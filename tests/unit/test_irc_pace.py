"""How fast things may happen."""

from __future__ import annotations

import asyncio
import time

from chatbot.listeners.irc.pace import Backoff, Bucket


async def test_a_burst_leaves_at_once_and_the_rest_at_the_rate() -> None:
    bucket = Bucket(rate=20, burst=10)
    begun = time.monotonic()
    for _ in range(10):
        await bucket.take()
    assert time.monotonic() - begun < 0.25  # at the rate it would take half a second
    for _ in range(6):
        await bucket.take()
    assert 0.29 < time.monotonic() - begun < 2.0


async def test_what_cannot_wait_is_paid_for_by_what_can() -> None:
    bucket = Bucket(rate=100, burst=1)
    bucket.spend(6)
    begun = time.monotonic()
    await bucket.take()
    assert time.monotonic() - begun > 0.05


async def test_tokens_are_given_in_the_order_of_asking() -> None:
    bucket, order = Bucket(rate=200, burst=1), []

    async def take(name: int) -> None:
        await bucket.take()
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for name in range(5):
            group.create_task(take(name))
    assert order == list(range(5))


async def test_a_cancelled_wait_takes_no_token() -> None:
    now = [0.0]
    bucket = Bucket(rate=0.001, burst=1, clock=lambda: now[0])
    await bucket.take()
    waiting = asyncio.create_task(bucket.take())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    now[0] = 1001.0
    async with asyncio.timeout(1):
        await bucket.take()


def test_attempts_come_quickly_at_first_and_never_often() -> None:
    backoff = Backoff(0.5, 60)
    delays = [backoff.next() for _ in range(20)]
    assert 0.25 <= delays[0] <= 0.5
    assert all(36 <= delay <= 60 for delay in delays[10:])
    backoff.reset()
    assert backoff.next() <= 0.5
