"""The time limits of calls on a node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chatbot.nodes.limits import BLOCKED, GRACE, LOOK, Limit, Limits, Sighting


@asynccontextmanager
async def limited(seconds: float) -> AsyncIterator[tuple[Limits, Limit]]:
    """Watch a limit of this task."""
    task = asyncio.current_task()
    assert task is not None
    limits = Limits()
    watching = asyncio.ensure_future(limits.run())
    try:
        with limits.watch(Limit("it", seconds, task)) as limit:
            yield limits, limit
    finally:
        watching.cancel()


async def test_what_waits_for_too_long_ends_with_a_timeout_and_the_task_goes_on() -> None:
    async with limited(0.1) as (limits, limit):
        expired: list[bool] = []
        limits.on_expired = lambda: expired.append(True)
        for _ in range(2):
            with pytest.raises(TimeoutError, match=r"it took longer than 0\.1 s"):
                with limit:
                    await asyncio.Event().wait()
        assert expired == [True, True]
        assert limit.task.cancelling() == 0


async def test_without_a_limit_it_takes_as_long_as_it_likes() -> None:
    async with limited(0.0) as (limits, limit):
        with limit:
            await asyncio.sleep(2.5 * LOOK)
        assert limits.longest == 0.0


async def test_the_cancellation_of_somebody_else_goes_through() -> None:
    async with limited(0.01) as (_, limit):

        async def cancelled_twice() -> None:
            with limit:
                limit.task.cancel()
                time.sleep(0.02)
                assert limit.look()
                await asyncio.Event().wait()

        with pytest.raises(asyncio.CancelledError):
            await cancelled_twice()
        assert limit.task.uncancel() == 0


async def test_what_ends_in_spite_of_its_cancellation_has_its_result() -> None:
    async with limited(0.1) as (_, limit):
        with limit:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                given = "saved"
        assert given == "saved"
        assert limit.task.cancelling() == 0


async def test_time_in_which_the_loop_stood_still_is_not_counted() -> None:
    async with limited(2.0) as (_, limit):
        await asyncio.sleep(0)  # the watch begins
        with limit:
            time.sleep(2.5)  # as a frozen process
            await asyncio.sleep(2 * LOOK)


async def test_only_the_call_that_the_loop_is_at_is_ended_for_blocking_it() -> None:
    async with limited(0.01) as (limits, limit):

        async def other() -> list[TimeoutError | None]:
            return [limits.blocking() for _ in range(10)]

        with limit:
            time.sleep(0.02)
            looks = int(BLOCKED / LOOK)
            assert [limits.blocking() for _ in range(looks)] == [None] * looks
            assert isinstance(limits.blocking(), TimeoutError)
            assert await asyncio.ensure_future(other()) == [None] * 10


async def test_a_call_that_goes_on_after_its_end_is_told_after_a_while() -> None:
    async with limited(0.01) as (limits, limit):
        with limit:
            time.sleep(0.02)
            looks = int(GRACE / LOOK)
            assert [limits.heedless() for _ in range(looks)] == [None] * looks
            assert limits.heedless() == "it"
        assert limits.heedless() is None


def test_a_sighting_is_of_one_call_without_a_break() -> None:
    seen = Sighting()
    assert [seen.seconds(each) for each in (1, 1, 1, 2, 2, None, 2)] == [
        *(0.0, LOOK, 2 * LOOK),
        *(0.0, LOOK),
        0.0,
        0.0,
    ]
