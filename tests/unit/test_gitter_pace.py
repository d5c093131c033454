"""How fast classic Gitter is asked, by a clock that the test moves; and while it fails."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from chatbot.listeners.gitter.faults import LimitedError, RefusedError, UnavailableError
from chatbot.listeners.gitter.pace import Budget, Gate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def sent(budget: Budget, clock: Clock, seconds: float, *, urgent: bool = True) -> list[float]:
    """Return when requests leave in the next `seconds`, if they leave as soon as they may."""
    found: list[float] = []
    end = clock.now + seconds
    while True:
        wait = budget.due(urgent=urgent)
        if clock.now + wait > end:
            clock.now = end
            return found
        clock.now += max(wait, 0.0)
        budget.spend()
        found.append(clock.now)


def busiest(times: list[float], window: float = 60.0) -> int:
    return max(sum(start <= t < start + window for t in times) for start in times)


@pytest.mark.parametrize("rate", [10, 60, 100])
def test_no_minute_has_more_requests_than_are_allowed(rate: int) -> None:
    clock = Clock()
    budget = Budget(rate, clock)
    times = sent(budget, clock, 400.0)
    assert rate * 0.75 <= busiest(times) <= rate
    clock.now += 300.0  # a silence in which they must not add up
    assert busiest(sent(budget, clock, 200.0)) <= rate


def test_some_requests_are_kept_for_replies() -> None:
    clock = Clock()
    budget = Budget(100, clock)
    assert len(sent(budget, clock, 0.0, urgent=False)) == 15
    assert len(sent(budget, clock, 0.0, urgent=True)) == 5
    assert sent(budget, clock, 3.0, urgent=False) == [], "a reply may leave at any moment"
    assert len(sent(budget, clock, 0.0, urgent=True)) == 4


def test_what_the_server_counts_is_believed() -> None:
    clock = Clock()
    budget = Budget(100, clock)
    budget.told(limit=50, remaining=2, reset=30.0)
    assert len(sent(budget, clock, 0.0)) == 2
    budget.told(limit=50, remaining=0, reset=30.0)
    [first, *_] = sent(budget, clock, 40.0)
    assert first == 1030.0
    assert busiest(sent(budget, clock, 300.0)) <= 50
    budget.told(limit=1000, remaining=900, reset=None)  # more than we were allowed to use
    assert busiest(sent(budget, clock, 300.0)) <= 50


def test_no_pause_is_for_ever() -> None:
    clock = Clock()
    budget = Budget(100, clock)
    budget.pause(1e12)
    budget.pause(-5.0)
    assert sent(budget, clock, 121.0)[0] == 1120.0


async def attempt(gate: Gate, error: Exception | None = None) -> None:
    async with gate.attempt():
        if error is not None:
            raise error


async def test_attempts_at_a_server_that_fails_are_few_and_one_at_a_time() -> None:
    gate = Gate("x", first=0.3, most=0.4)
    loop = asyncio.get_running_loop()
    began, running, times = loop.time(), 0, []

    async def fail() -> None:
        nonlocal running
        while True:
            try:
                async with gate.attempt():
                    times.append(loop.time() - began)
                    running += 1
                    assert running == 1 or len(times) <= 5
                    await asyncio.sleep(0.01)
                    running -= 1
                    raise UnavailableError("no")
            except UnavailableError:
                continue

    tasks = [asyncio.ensure_future(fail()) for _ in range(5)]
    await asyncio.sleep(1.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert 5 + 2 <= len(times) <= 5 + 6
    assert all(b - a > 0.2 for a, b in itertools.pairwise(times[4:]))


async def test_the_pauses_grow_up_to_the_most() -> None:
    gate = Gate("x", first=0.25, most=0.6)
    times = []
    for _ in range(5):
        with pytest.raises(UnavailableError):
            await attempt(gate, UnavailableError("no"))
        times.append(asyncio.get_running_loop().time())
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[0] > 0.2
    assert min(gaps[2:]) > 0.35


@pytest.mark.parametrize("error", [RefusedError(404), LimitedError(), None])
async def test_a_server_that_says_no_is_there(
    error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate("x", first=0.25, most=60.0)
    with pytest.raises(UnavailableError):
        await attempt(gate, UnavailableError("no"))
    if error is None:
        await attempt(gate)
    else:
        with pytest.raises(type(error)):
            await attempt(gate, error)
    assert "x does not answer as it should: no" in caplog.text
    assert "x answers again" in caplog.text
    async with asyncio.timeout(0.1):
        await attempt(gate)
