"""Calls that yield: their parts are taken in order, each output set once, as they come.

The rule that it guards: an output set is known by its index, so that what a rerun yields again is
dropped, and a part that overtook another waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from chatbot.broker import Broker
from chatbot.errors import BrokerError, EncodingError
from chatbot.messages import Part, Partial
from chatbot.nodes.partial import preview, show
from chatbot.orchestrator.call import Call
from chatbot.orchestrator.inputs import handle_of
from chatbot.orchestrator.large import HeldValues, Spawn, unpack_outputs
from chatbot.orchestrator.raised import exception

AHEAD = 256
"""Calls that a context may have outstanding before what yields on the primary waits."""


class Parts:
    """The parts of one call. `put` takes them as they arrive, `ready` gives them in order."""

    def __init__(self) -> None:
        self.taking = False
        self._next = 0
        self._held: list[Part] = []

    def put(self, part: Part) -> None:
        if part.last or part.first + len(part.outputs) > self._next:
            self._held.append(part)

    def ready(self) -> Part | None:
        """Return the next part, less what was taken; `None` while it has not come."""
        for part in self._held:
            if part.first <= self._next:
                self._held.remove(part)
                new = part.outputs[self._next - part.first :]
                first, self._next = self._next, self._next + len(new)
                return Part(part.context, part.number, first, new, part.last, part.error)
        return None


class Preview:
    """Shows what a call yields to those who listen, and when its context has ended."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._name = ""

    async def show(self, outputs: dict[str, Any]) -> None:
        """Publish one output set, best effort."""
        context = self._call.context
        if context.octx is None:
            return
        if not self._name:
            self._name = await handle_of(context.ctx)
            context.when_over(lambda: context.octx.parent.dispatcher.spawn(self._end()))
        await show(*self._to, preview(self._call.step.name, outputs))

    async def _end(self) -> None:
        await show(*self._to, Partial("", ended=True))

    @property
    def _to(self) -> tuple[Broker, str, str]:
        orchestrator = self._call.context.octx.parent
        return orchestrator.dispatcher.broker, orchestrator.flow, self._name


class Yielding:
    """The calls that yield on nodes. `end` is told when a call has ended (again does nothing).

    A part is the context's as soon as it has come, in order; `spawn` runs what waits for NATS.
    """

    def __init__(
        self, values: HeldValues, spawn: Spawn, end: Callable[[Call, Exception | None], None]
    ) -> None:
        self._values = values
        self._spawn = spawn
        self._end = end
        self._parts: dict[tuple[int, int], tuple[Parts, Preview]] = {}

    def take(self, call: Call, part: Part) -> None:
        """Take a part of a call that is outstanding."""
        key = call.context.number, call.number
        if key not in self._parts:
            self._parts[key] = Parts(), Preview(call)
        parts, preview = self._parts[key]
        parts.put(part)
        if not parts.taking:
            parts.taking = True
            self._spawn(self._take(call, parts, preview))

    def forget(self, call: Call) -> None:
        """Drop what has come of a call that has ended."""
        self._parts.pop((call.context.number, call.number), None)

    async def _take(self, call: Call, parts: Parts, preview: Preview) -> None:
        """Add what is ready to the context, in order."""
        context = call.context
        try:
            while (part := parts.ready()) is not None and call.number in context.calls:
                names = self._values.references(part.outputs)
                contents = await self._values.fetch(context, names) if names else {}
                for outputs in unpack_outputs(call, part.outputs, contents):
                    await preview.show(outputs)
                    context.extend(call.number, [outputs])
                if part.last:
                    error = part.error
                    self._end(call, None if error is None else exception(call.step.name, error))
        except (EncodingError, BrokerError) as failure:
            self._end(call, failure)
        finally:
            parts.taking = False
        if call.number not in context.calls:
            self._end(call, None)


async def take_yields(call: Call, yields: AsyncIterator[Any]) -> None:
    """Add what a call yields on the primary to its context as it comes; raises what it raises.

    Where the context cannot keep up, the next one is not asked for. Under locks it is: what
    comes after may wait for the very lock that this call holds.
    """
    context = call.context
    shown = Preview(call)
    context.streaming |= {call.number}
    try:
        async for outputs in yields:
            if call.number not in context.calls:
                return
            await shown.show(outputs)
            context.extend(call.number, [outputs])
            await asyncio.sleep(0)  # what yields without waiting would keep the loop to itself
            while not context.plan.locks and (oldest := context.backlog(AHEAD)) is not None:
                await asyncio.wait([context.completion(oldest)])
    finally:
        context.streaming -= {call.number}
