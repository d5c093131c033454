"""Short calls, run here in the turn of the event loop in which they became ready.

The rule that it guards: a call that does not wait costs no task; one that does gets its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import types
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from chatbot.broker.subjects import Lane
from chatbot.eager import rest_of
from chatbot.nodes.implementations import Begin
from chatbot.orchestrator.context import Call
from chatbot.orchestrator.parts import take_yields

caller_lane: ContextVar[Lane | None] = ContextVar("caller_lane", default=None)
"""The lane of the call that runs here: a subflow's contexts are of the lane of their caller."""

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Turn:
    """Runs calls one after the other; what they make ready runs in the same turn.

    Until an operation waits it must not ask for the current task (as `asyncio.timeout` does):
    there is none that is its own. `spawn` runs a coroutine beside.
    """

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._ready: deque[tuple[Begin, Call]] = deque()
        self._running = False
        self._scheduled = False

    def add(self, begin: Begin, call: Call) -> None:
        """Run `call` soon: when `run` is called, at the latest in the loop's next turn."""
        self._ready.append((begin, call))
        if not self._running and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run_scheduled)

    def beside(self, begin: Begin, lane: Lane, call: Call) -> None:
        """Run `call` in a task of its own: it may take its time."""
        self._spawn(_run(begin, lane, call))

    def run(self) -> None:
        """Run what is ready, and what that makes ready."""
        if self._running:
            return
        self._running = True
        ready = self._ready
        try:
            while ready:
                begin, call = ready.popleft()
                self._call(begin, call)
        finally:
            self._running = False

    def _run_scheduled(self) -> None:
        self._scheduled = False
        self.run()

    def _call(self, begin: Begin, call: Call) -> None:
        context = call.context
        try:
            given = begin(context.ctx, context.octx, call.inputs)
            if given.__class__ is types.CoroutineType:
                try:
                    waits_for = given.send(None)
                except StopIteration as stop:
                    given = stop.value
                else:
                    self._spawn(_complete(call, rest_of(given, waits_for)))
                    return
        except Exception as error:  # noqa: BLE001 - it is the result of this call
            context.fail(call.number, error)
            return
        if given.__class__ is dict:
            context.complete(call.number, (given,))
        elif given is None:
            context.complete(call.number, ())
        elif inspect.isasyncgen(given):
            self._spawn(_complete(call, given))
        else:
            context.complete(call.number, (given,))


async def _run(begin: Begin, lane: Lane, call: Call) -> None:
    context = call.context
    caller_lane.set(lane)
    try:
        given = begin(context.ctx, context.octx, call.inputs)
    except Exception as error:  # noqa: BLE001 - it is the result of this call
        context.fail(call.number, error)
    else:
        await _complete(call, given)


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
