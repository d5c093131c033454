"""A flow on DFFML's memory orchestrator, in this process, and what of it was run.

The rule: each operation is entered once, however many messages and however deep in subflows, so
that a model is loaded once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dffml import Input, MemoryOrchestrator
from dffml.df.types import NO_DEFAULT

from chatbot.commands.playing import given, outcome_or_error
from chatbot.flowfile.flow import Flow, dataflows
from chatbot.flowfile.sections import SCHEDULE
from chatbot.messages import ChatMessage, Outcome
from chatbot.orchestrator.decision import fields_of
from chatbot.orchestrator.keeping import Imagined


@dataclass(slots=True)
class Coverage:
    """Which instances ran, by their paths, and which conditions held and did not.

    An instance with a condition that did not run for a message counts as one whose condition
    did not hold then.
    """

    instances: tuple[str, ...]
    conditional: tuple[str, ...]
    ran: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    """Conditional instances that a message passed by."""

    def count(self, ran: set[str]) -> None:
        """Count what ran for one message."""
        self.ran |= ran
        self.passed |= {path for path in self.conditional if path not in ran}

    @property
    def missing(self) -> list[str]:
        """Return the instances that never ran."""
        return [path for path in self.instances if path not in self.ran]

    @property
    def half(self) -> list[str]:
        """Return the conditional instances that ran for each message: never was it false."""
        return [path for path in self.conditional if path in self.ran - self.passed]

    def plain(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        whole = [p for p in self.conditional if p in self.ran and p in self.passed]
        return {
            "operations": {
                "run": len(self.instances) - len(self.missing),
                "all": len(self.instances),
                "missing": self.missing,
            },
            "conditions": {
                "both": len(whole),
                "all": len(self.conditional),
                "always": self.half,
                "never": [p for p in self.conditional if p not in self.ran],
            },
        }


class Bench:
    """A flow that takes one message after the other."""

    def __init__(self, octx: Any, flow: Flow, ran: set[str], coverage: Coverage) -> None:
        self._octx = octx
        self._fields = fields_of(flow.dataflow)
        self._due = fields_of(flow.dataflow, f"{SCHEDULE}.")
        self._ran = ran
        self._count = 0
        self.coverage = coverage
        self._flow = flow
        self._state = Imagined(flow.dataflow, flow.state)

    def forget(self) -> None:
        """Have the flow's state as it is at the start."""
        self._state = Imagined(self._flow.dataflow, self._flow.state)

    async def decide(self, message: ChatMessage) -> Outcome:
        """Return what the flow decides for `message`; an operation's error is in the outcome."""
        self._count += 1
        self._ran.clear()
        inputs = [
            Input(value=each.value, definition=each.definition)
            for each in (*given(message, self._fields, self._due), *self._state.recall(message))
        ]
        results, failure = None, None
        try:
            async for _, found in self._octx.run({str(self._count): inputs}):
                results = found
        except Exception as error:  # noqa: BLE001 - whatever an operation raised
            failure = error
        self.coverage.count(self._ran)
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
            entered: dict[str, Any] = {}
            _allow_for_none(dataflow)
            dataflow.implementations.update(
                {
                    name: _shared(implementation, prefix, entered, ran, stack)
                    for name, implementation in dataflow.implementations.items()
                }
            )
        orchestrator = await stack.enter_async_context(MemoryOrchestrator.withconfig({}))
        octx = await stack.enter_async_context(orchestrator(flow.dataflow))
        yield Bench(octx, flow, ran, _coverage(flow))


class _Seed(str):
    """The name of a seed that need not be there: DFFML looks for a default of it then."""

    __slots__ = ()
    default = NO_DEFAULT


def _allow_for_none(dataflow: Any) -> None:
    """Have the memory orchestrator wait for seeds that are not there, instead of raising."""
    for flow in dataflow.flow.values():
        for sources in flow.inputs.values():
            for source in sources:
                if isinstance(source, dict) and "seed" in source:
                    source["seed"] = [_Seed(name) for name in source["seed"]]


def _coverage(flow: Flow) -> Coverage:
    conditional = [
        f"{path}/{name}" if path else name
        for path, dataflow in dataflows(flow)
        for name, each in dataflow.flow.items()
        if each.conditions
    ]
    known = tuple(path for path in flow.instances if "~" not in path)  # no expressions
    return Coverage(known, tuple(path for path in known if path in conditional))


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
