"""What runs on a primary: in a task and with context variables of its own, and by turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from dffml import DataFlow
from dffml.df.base import StringInputSetContext

from chatbot.broker.subjects import Lane
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.plan import compile_flow
from chatbot.orchestrator.turn import Turn, caller_lane
from tests.unit.contexts import A, given, operation

HEARD: ContextVar[str] = ContextVar("heard", default="nothing")


class Bench:
    """A turn, and contexts of one operation that runs in it."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.turn = Turn(lambda coroutine: self.adopt(asyncio.ensure_future(coroutine)), self.adopt)

    def adopt(self, task: asyncio.Task[None]) -> None:
        self.tasks.add(task)

    async def run(self, function: Callable[[str], Any], *values: str, **more: Any) -> Any:
        """Return the values that `function` gave; raises what it raised."""
        ended: asyncio.Future[Context] = asyncio.get_running_loop().create_future()
        plan = compile_flow(DataFlow(operation("one", "a", "b", **more)))
        inputs: list[Any] = []

        def begin(ctx: Any, octx: Any, given: dict[str, Any]) -> Any:
            return function(given["a"])

        route = self.turn.route(begin, Lane.BULK)
        context = Context(
            plan, StringInputSetContext("x"), inputs, [route], ended.set_result, lambda _: None
        )
        context.start(given(A, *values))
        self.turn.run()
        async with asyncio.timeout(10):
            await ended
        if context.error is not None:
            assert context.error.__cause__ is not None
            raise context.error.__cause__
        return [item.value for item in inputs if item.definition.name == "b"]


@asynccontextmanager
async def benched() -> AsyncIterator[Bench]:
    bench = Bench()
    try:
        yield bench
    finally:
        for task in bench.tasks:
            task.cancel()
        await asyncio.gather(*bench.tasks, return_exceptions=True)


async def test_what_does_not_wait_costs_no_task() -> None:
    async def double(a: str) -> dict[str, str]:
        return {"b": a + a}

    async with benched() as bench:
        assert await bench.run(double, *"abc") == ["aa", "bb", "cc"]
        assert await bench.run(lambda a: {"b": a}, *"abc") == ["a", "b", "c"]
        assert len(bench.tasks) == 1, "the one that stands by"


async def test_each_that_waits_has_a_task_of_its_own_from_its_first_step() -> None:
    async def wait(a: str) -> dict[str, str]:
        first = asyncio.current_task()
        await asyncio.sleep(0)
        assert asyncio.current_task() is first
        return {"b": str(id(first))}

    async with benched() as bench:
        assert len(set(await bench.run(wait, *"abc"))) == 3


async def test_the_caller_s_task_is_the_current_one_again_afterwards() -> None:
    seen = []

    async def look(a: str) -> dict[str, str]:
        seen.append(asyncio.current_task())
        return {"b": a}

    async with benched() as bench:
        await bench.run(look, "a")
        assert seen[0] is not None
        assert seen[0] is not asyncio.current_task()
        assert asyncio.current_task() is not None


@pytest.mark.parametrize("seconds", [0, 0.01])
async def test_an_operation_may_set_itself_a_time_limit(seconds: float) -> None:
    async def hurry(a: str) -> dict[str, str]:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            await asyncio.sleep(0)  # its cancellation is over
            return {"b": "late"}
        raise AssertionError("it waited for nothing")

    async with benched() as bench:
        assert await bench.run(hurry, "a") == ["late"]


async def test_a_time_limit_that_is_not_needed_does_not_touch_the_next_one() -> None:
    async def hurry(a: str) -> dict[str, str]:
        async with asyncio.timeout(0.01):
            return {"b": a}

    async with benched() as bench:
        assert await bench.run(hurry, *"ab") == ["a", "b"]
        assert await bench.run(lambda a: asyncio.sleep(0.03, {"b": a}), "c") == ["c"]


async def test_tasks_may_be_grouped() -> None:
    async def group(a: str) -> dict[str, str]:
        async with asyncio.TaskGroup() as tasks:
            each = [tasks.create_task(asyncio.sleep(0, part)) for part in a]
        return {"b": "-".join(task.result() for task in each)}

    async with benched() as bench:
        assert await bench.run(group, "abc") == ["a-b-c"]


async def test_context_variables_are_an_operation_s_own() -> None:
    async def hear(a: str) -> dict[str, str]:
        before = HEARD.get()
        HEARD.set(a)
        if a.isupper():
            await asyncio.sleep(0)
        return {"b": f"{before} {HEARD.get()} {caller_lane.get()}"}

    async with benched() as bench:
        expected = [f"nothing {a} bulk" for a in "abCDe"]
        assert sorted(await bench.run(hear, *"abCDe")) == sorted(expected)
    assert HEARD.get() == "nothing"


async def test_what_an_operation_raises_is_its_failure() -> None:
    async def fail(a: str) -> dict[str, str]:
        raise LookupError(a)

    async def fail_late(a: str) -> dict[str, str]:
        await asyncio.sleep(0)
        raise LookupError(a)

    async with benched() as bench:
        for function in (fail, fail_late):
            with pytest.raises(LookupError):
                await bench.run(function, "a")


async def test_many_calls_leave_room_for_others() -> None:
    """A turn is short, however much is ready."""
    turns = 0
    looking = True

    def count() -> None:
        nonlocal turns
        turns += 1
        if looking:
            asyncio.get_running_loop().call_soon(count)

    async def work(a: str) -> dict[str, str]:
        until = asyncio.get_running_loop().time() + 0.001
        while asyncio.get_running_loop().time() < until:
            pass
        return {"b": a}

    async with benched() as bench:
        count()
        assert len(await bench.run(work, *map(str, range(300)))) == 300
        looking = False
    assert turns > 4
