"""A flow on DFFML's memory orchestrator, in this process, and what of it was run.

The rule: each operation is entered once, however many messages and however deep in subflows, so
that a model is loaded once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from dffml import Input, MemoryOrchestrator
from dffml.df.types import NO_DEFAULT

from chatbot.commands.coverage import Coverage, coverage_of
from chatbot.commands.playing import outcome_or_error
from chatbot.flowfile.flow import Flow, dataflows
from chatbot.messages import ChatMessage, Outcome
from chatbot.orchestrator.given import Given
from chatbot.orchestrator.keeping import Imagined

LIMIT = 60.0
"""Seconds that one message may take."""


class Bench:
    """A flow that takes one message after the other."""

    def __init__(self, octx: Any, flow: Flow, ran: set[str], coverage: Coverage) -> None:
        self._octx = octx
        self._given = Given(flow.dataflow)
        self._ran = ran
        self._count = 0
        self.coverage = coverage
        self._flow = flow
        self._state = Imagined(flow.dataflow, flow.state)

    def forget(self) -> None:
        """Have the flow's state as it is at the start."""
        self._state = Imagined(self._flow.dataflow, self._flow.state)

    async def decide(self, message: ChatMessage) -> Outcome:
        """Return what the flow decides for `message`; an operation's error is in the outcome.

        So it is where the flow does not end: DFFML's orchestrator would go round for ever.
        """
        self._count += 1
        self._ran.clear()
        inputs = [
            Input(value=each.value, definition=each.definition)
            for each in (*self._given.of(message), *self._state.recall(message))
        ]
        results, failure, late = None, None, ""
        try:
            async with asyncio.timeout(LIMIT):
                async for _, found in self._octx.run({str(self._count): inputs}):
                    results = found
        except TimeoutError:
            late = f"it went on for {LIMIT:g} s: does it go round a circle?"
        except Exception as error:  # noqa: BLE001 - whatever an operation raised
            failure = error
        self.coverage.count(self._ran)
        if late:
            return Outcome(message.id, message.network, message.room, message.sender, error=late)
        outcome = outcome_or_error(message, results, failure)
        self._state.keep(message, outcome)
        return outcome


@asynccontextmanager
async def bench(flow: Flow) -> AsyncIterator[Bench]:
    """Yield the flow, ready to take messages. Its dataflow must be used for nothing else."""
    ran: set[str] = set()
    async with AsyncExitStack() as stack:
        for path, dataflow in dataflows(flow):
            prefix = f"{path}/" if path else ""
            _name_seeds(dataflow)
            entered: dict[str, Any] = {}
            dataflow.implementations.update(
                {
                    name: _shared(implementation, prefix, entered, ran, stack)
                    for name, implementation in dataflow.implementations.items()
                }
            )
        orchestrator = await stack.enter_async_context(MemoryOrchestrator.withconfig({}))
        octx = await stack.enter_async_context(orchestrator(flow.dataflow))
        yield Bench(octx, flow, ran, coverage_of(flow))


class _SeedName(str):
    """The name of a seed that an input may be: where none comes, DFFML asks for its default."""

    __slots__ = ()
    default = NO_DEFAULT


def _name_seeds(dataflow: Any) -> None:
    """Have DFFML's orchestrator bear a seed that does not come, as of a message's when none is."""
    for flow in dataflow.flow.values():
        for sources in flow.inputs.values():
            for source in sources:
                first = source[0] if isinstance(source, list) else source
                if isinstance(first, dict) and isinstance(first.get("seed"), list):
                    first["seed"] = [_SeedName(name) for name in first["seed"]]


def _shared(
    implementation: Any, prefix: str, entered: dict[str, Any], ran: set[str], stack: AsyncExitStack
) -> Any:
    """Return a class whose instances of one instance's name are all the first that was entered."""

    class Shared(implementation):  # type: ignore[misc]
        op: Any

        async def __aenter__(self) -> Any:
            name = self.op.instance_name
            if name not in entered:
                entered[name] = await super().__aenter__()
                stack.push_async_exit(super().__aexit__)
            return entered[name]

        async def __aexit__(self, *error: object) -> None:
            return None  # the first one leaves with the bench

        def __call__(self, ctx: Any, octx: Any) -> Any:
            ran.add(f"{prefix}{self.op.instance_name}")
            return super().__call__(ctx, octx)

    Shared.__name__ = Shared.__qualname__ = implementation.__name__
    Shared.__module__ = implementation.__module__
    return Shared
