"""Calls that run here, in the turn of the event loop in which they became ready.

The rule that it guards: a call that does not wait costs no task; one that does has its own; and
no chain of calls keeps the event loop to itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import math
import time
from asyncio.tasks import _enter_task, _leave_task
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, cast

from chatbot.broker.subjects import Lane
from chatbot.nodes.implementations import Begin
from chatbot.nodes.limits import GRACE, Sighting, look_later, over_time
from chatbot.orchestrator.call import Call
from chatbot.orchestrator.parts import take_yields
from chatbot.orchestrator.plan import Step
from chatbot.orchestrator.standby import WAITS, Standby

caller_lane: ContextVar[Lane | None] = ContextVar("caller_lane", default=None)
"""The lane of the call that runs here: a subflow's contexts are of the lane of their caller."""

MOST = 0.02
"""Seconds of a turn; then the event loop has its own."""

BLOCKING = 10.0
"""Seconds, at most, for which a call may keep the event loop to itself: all else waits for it."""

LOOK = 32
"""Calls between looks at the clock."""

Spawn = Callable[[Coroutine[Any, Any, None]], None]
Adopt = Callable[[asyncio.Task[None]], None]


class Turn:
    """Runs calls one after the other; what they make ready runs in the same turn.

    `spawn` runs a coroutine beside, `adopt` looks after a task that was made here.
    """

    def __init__(self, spawn: Spawn, adopt: Adopt) -> None:
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._ready: deque[tuple[Begin, Standby, Call]] = deque()
        self._standby = {lane: Standby(_variables(lane), adopt) for lane in Lane}
        self._running = False
        self._scheduled = False
        self.limits: dict[Step, float] = {}
        """Seconds that a call may take that waits, or that a yield may; of steps with a limit."""
        self._waiting: dict[Call, _Waiting] = {}
        self._at: Call | None = None
        self._blocking = Sighting()
        self._heedless = Sighting()
        self.on_expired: Callable[[], None] = lambda: None
        """Called when a call was cancelled; a thread that it waited for may go on."""

    def route(self, begin: Begin, lane: Lane) -> Callable[[Call], None]:
        """Return what has a call run soon: when `run` is called, at the latest in the next turn.

        What it gives, and what it yields as it comes, is its context's.
        """
        return functools.partial(self._add, begin, self._standby[lane])

    def run(self) -> None:
        """Run what is ready, and what that makes ready; what is left after `MOST`, later."""
        if self._running:
            return
        if not self._ready:
            return
        self._running = True
        caller = asyncio.current_task(self._loop)
        if caller is not None:
            _leave_task(self._loop, caller)
        try:
            self._run()
        finally:
            if caller is not None:
                _enter_task(self._loop, caller)
            self._running = False
            if self._ready:
                self._schedule()

    async def watch(self) -> None:
        """Fail and cancel the calls that wait for too long, until cancelled."""
        while True:
            stood = await look_later()
            for call, waiting in list(self._waiting.items()):
                waiting.since += stood
                if waiting.over(self.limits[call.step]):
                    waiting.since = math.inf
                    call.context.fail(call.number, over_time(self.limits[call.step]))
                    waiting.task.cancel()
                    self.on_expired()

    @property
    def longest(self) -> float:
        """0: one that was frozen is not to end; it has listeners, and maybe nobody starts it."""
        return 0.0

    def blocking(self) -> TimeoutError | None:
        """Return what to end the call with that keeps the event loop to itself for too long.

        Asked every `LOOK` seconds in the thread of the event loop, while that stands still.
        """
        return self._too_long(self._blocking, 0.0)

    def heedless(self) -> str | None:
        """Return the operation of a call that blocks though it was ended; every `LOOK` seconds."""
        call = self._blocking_call()
        return call.step.name if call and self._too_long(self._heedless, GRACE) else None

    def _too_long(self, sighting: Sighting, grace: float) -> TimeoutError | None:
        call = self._blocking_call()
        found = sighting.seconds(call)
        limit = min(self.limits[call.step], BLOCKING) if call else math.inf
        return over_time(limit) if found > limit + grace else None

    def _blocking_call(self) -> Call | None:
        """Return the call with a limit that the event loop is at; from any thread."""
        call = self._at
        if call is None:
            task = asyncio.current_task(self._loop)
            waiting = list(self._waiting.items())
            call = next((each for each, own in waiting if own.task is task), None)
        return call if call is not None and call.step in self.limits else None

    def _run(self) -> None:
        ready = self._ready
        left, until = LOOK, 0.0
        current: Standby | None = None
        try:
            while ready:
                begin, standby, call = ready.popleft()
                if standby is not current:
                    if current is not None:
                        current.leave()
                    current = standby
                    current.enter()
                self._at = call
                self._call(begin, standby, call)
                left -= 1
                if not left:
                    now = time.monotonic()
                    until = until or now + MOST
                    if now > until:
                        break
                    left = LOOK
        finally:
            self._at = None
            if current is not None:
                current.leave()

    def _add(self, begin: Begin, standby: Standby, call: Call) -> None:
        self._ready.append((begin, standby, call))
        if not self._running:
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run_scheduled)

    def _run_scheduled(self) -> None:
        self._scheduled = False
        self.run()

    def _call(self, begin: Begin, standby: Standby, call: Call) -> None:
        context = call.context
        try:
            given = standby.run(begin, context.ctx, context.octx, call.inputs)
        except Exception as error:  # noqa: BLE001 - it is the result of this call
            context.fail(call.number, error)
            return
        if given.__class__ is dict:
            context.complete(call.number, (given,))
        elif given is None:
            context.complete(call.number, ())
        elif given is WAITS:
            complete = self._complete_in_time if call.step in self.limits else _complete
            standby.go_on(functools.partial(complete, call))
        elif inspect.isawaitable(given) or inspect.isasyncgen(given):
            complete = self._complete_in_time if call.step in self.limits else _complete
            self._spawn(complete(call, given))
        else:
            context.complete(call.number, (given,))

    async def _complete_in_time(self, call: Call, given: Any) -> None:
        """Take what an operation that waits gave, or will give; `watch` looks after it."""
        task = asyncio.current_task()
        assert task is not None
        waiting = self._waiting[call] = _Waiting(task)
        try:
            await _complete(
                call, waiting.between(cast(Any, given)) if inspect.isasyncgen(given) else given
            )
        finally:
            del self._waiting[call]


class _Waiting:
    """A call that waits here, and since when."""

    __slots__ = ("since", "task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.since = time.monotonic()

    def over(self, seconds: float) -> bool:
        return time.monotonic() > self.since + seconds

    async def between(self, yields: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        """Yield what `yields` does; only that it waits from one to the next counts."""
        async with contextlib.aclosing(yields):
            async for each in yields:
                self.since = math.inf
                yield each
                self.since = time.monotonic()


def _variables(lane: Lane) -> Context:
    variables = copy_context()
    variables.run(caller_lane.set, lane)
    return variables


async def _complete(call: Call, given: Any) -> None:
    """Take what an operation gave, or will give; what it yields as it comes."""
    context = call.context
    try:
        if inspect.isawaitable(given):
            given = await given
        if inspect.isasyncgen(given):
            async with contextlib.aclosing(given):
                await take_yields(call, given)
            given = None
    except Exception as error:  # noqa: BLE001 - it is the result of this call
        context.fail(call.number, error)
    else:
        context.complete(call.number, () if given is None else (given,))
