"""A task that stands by, and lends itself to operations for their first step.

Most operations on a primary end without waiting; a task for each costs more than they do. So the
first step of each runs as a step of one task that stands by. An operation that waits keeps that
task, which goes on with it, and another one stands by. Operations see no difference: they have
a current task, and context variables of their own. Python 3.12 has eager tasks; this is for 3.11,
too.
"""

from __future__ import annotations

import asyncio
import types
from asyncio.tasks import _enter_task, _leave_task  # as every event loop's own tasks use them
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any

from chatbot.eager import rest_of

WAITS: Any = object()
"""What an operation gives that has to be waited for."""


class Standby:
    """Lends a task, with the context variables `variables`, to one operation after the other.

    `adopt` is told of each task that stands by: it is to be cancelled at the end. Between `enter`
    and `leave` the task is the current one.
    """

    def __init__(self, variables: Context, adopt: Callable[[asyncio.Task[None]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._variables = variables
        self._adopt = adopt
        self._own: Context
        self._job: asyncio.Future[Coroutine[Any, Any, None]]
        self._task: asyncio.Task[None] | None = None

    def enter(self) -> None:
        """Begin: no task may be the current one."""
        _enter_task(self._loop, self._task or self._stand_by())

    def leave(self) -> None:
        """End: no task is the current one."""
        assert self._task is not None
        _leave_task(self._loop, self._task)

    def run(self, function: Callable[..., Any], *given: Any) -> Any:
        """Return what `function` gives, also where it is a coroutine; raises what it raises.

        If that has to be waited for, it is `WAITS`; then `go_on` has to be called.
        """
        found = self._own.run(_first_step, function, *given)
        if found.__class__ is _Waiting:
            self._waiting = found
            return WAITS
        if self._own != self._variables:
            self._job.cancel()  # what it set is not for the next one
            self._stand_by_anew()
        return found

    def go_on(self, rest: Callable[[Awaitable[Any]], Coroutine[Any, Any, None]]) -> None:
        """Have the task go on with `rest` of what waits; another one stands by."""
        waiting = self._waiting
        self._job.set_result(rest(rest_of(waiting.coroutine, waiting.waits_for)))
        self._stand_by_anew()

    def _stand_by_anew(self) -> None:
        self.leave()
        self._task = None
        self.enter()

    def _stand_by(self) -> asyncio.Task[None]:
        self._own = self._variables.copy()
        self._job = self._loop.create_future()
        self._task = self._loop.create_task(_run(self._job), context=self._own)
        self._adopt(self._task)
        return self._task


class _Waiting:
    __slots__ = ("coroutine", "waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self.coroutine = coroutine
        self.waits_for = waits_for


def _first_step(function: Callable[..., Any], *given: Any) -> Any:
    found = function(*given)
    if found.__class__ is not types.CoroutineType:
        return found
    try:
        waits_for = found.send(None)
    except StopIteration as stop:
        return stop.value
    return _Waiting(found, waits_for)


async def _run(job: asyncio.Future[Coroutine[Any, Any, None]]) -> None:
    try:
        rest = await job
    except asyncio.CancelledError:
        if job.cancelled() or not job.done():
            raise
        # Cancelled after the operation's first step, for example by its own time-out: that is
        # for the operation, where it waits.
        own = asyncio.current_task()
        assert own is not None
        own.uncancel()
        own.cancel()
        rest = job.result()
    await rest
