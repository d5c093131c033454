"""When a server in trouble is tried, and by whom."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest

from chatbot.listeners.matrix.breaker import Breaker, LostError, Strikes, at_once


async def fail(breaker: Breaker, tried: list[float]) -> None:
    with contextlib.suppress(LostError):
        async with breaker.attempt(at_once):
            tried.append(asyncio.get_running_loop().time())
            raise LostError("gone", 502)


async def succeed(breaker: Breaker) -> None:
    async with breaker.attempt(at_once):
        pass


async def test_many_that_fail_are_tried_one_at_a_time_with_pauses() -> None:
    breaker, tried = Breaker("net", 0.25, 0.25), list[float]()
    await fail(breaker, tried)
    await asyncio.gather(*(fail(breaker, tried) for _ in range(3)))
    assert all(later - earlier > 0.2 for earlier, later in itertools.pairwise(tried))


async def test_all_go_on_as_soon_as_one_has_got_through() -> None:
    breaker = Breaker("net", 0.25, 60)
    await fail(breaker, [])
    begun = asyncio.get_running_loop().time()
    await asyncio.gather(*(succeed(breaker) for _ in range(50)))
    assert asyncio.get_running_loop().time() - begun < 1.0
    assert breaker.is_closed


async def test_who_waits_for_long_after_success_holds_up_nobody() -> None:
    breaker, answered = Breaker("net", 0.25, 60), asyncio.Event()

    async def poll() -> None:
        async with breaker.attempt(at_once):
            await answered.wait()

    await fail(breaker, [])
    await succeed(breaker)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(poll())
        await asyncio.sleep(0)
        await succeed(breaker)
        answered.set()


async def test_a_refusal_shows_that_the_server_is_there() -> None:
    breaker = Breaker("net", 0.25, 60)
    await fail(breaker, [])
    with pytest.raises(ValueError, match="refused"):
        async with breaker.attempt(at_once):
            raise ValueError("refused")
    assert breaker.is_closed


async def test_who_must_not_try_after_all_changes_nothing() -> None:
    breaker = Breaker("net", 0.25, 60)
    await fail(breaker, [])

    async def never() -> None:
        raise ValueError("taken back")

    with pytest.raises(ValueError, match="taken back"):
        async with breaker.attempt(never):
            pass
    assert not breaker.is_closed


@pytest.mark.parametrize(("others", "strikes"), [(True, 3), (False, 1)])
async def test_who_fails_while_others_do_not_is_told_from_who_fails_with_all(
    others: bool, strikes: int
) -> None:
    breaker, counted = Breaker("net", 0.25, 0.25), Strikes()
    for _ in range(3):
        try:
            async with breaker.attempt(at_once):
                raise LostError("gone")
        except LostError as error:
            await counted.wait(error)
        if others:
            await succeed(breaker)
    assert counted.count == strikes
