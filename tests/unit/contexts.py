"""A context without a broker: what it calls is kept, and its results are given by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dffml import DataFlow, Definition, Input, Operation
from dffml.df.base import StringInputSetContext

from chatbot.orchestrator.context import Context
from chatbot.orchestrator.plan import compile_flow

A, B, C, D = (Definition(name=name, primitive="string") for name in "abcd")
FLAG = Definition(name="flag", primitive="bool")


def operation(name: str, takes: str = "", gives: str = "", **more: Any) -> Operation:
    """Return an operation whose parameters and outputs are definitions of the same names."""
    known = {each.name: each for each in (A, B, C, D, FLAG)}
    return Operation(
        name=name,
        inputs={key: known[key] for key in takes.split()},
        outputs={key: known[key] for key in gives.split()},
        **more,
    )


def given(definition: Definition, *values: Any, origin: Any = "seed") -> list[Input]:
    return [Input(value=value, definition=definition, origin=origin) for value in values]


class Running:
    """A context and all that it does. Not yet started."""

    def __init__(
        self,
        dataflow: DataFlow,
        *,
        strict: bool = True,
        inputs: Iterable[Input] = (),
        octx: Any = None,
    ) -> None:
        self.calls: list[Any] = []
        self.ended: list[Context] = []
        self.abandoned: list[Any] = []
        self.inputs = list(inputs)
        plan = compile_flow(dataflow)
        self.context = Context(
            plan,
            StringInputSetContext("x"),
            self.inputs,
            [self.calls.append] * len(plan.steps),
            self.ended.append,
            self.abandoned.append,
            strict=strict,
            octx=octx,
        )

    def called(self, name: str) -> list[dict[str, Any]]:
        """Return what an operation has been called with, in order."""
        return [call.inputs for call in self.calls if call.step.name == name]

    def complete(self, position: int, *outputs: dict[str, Any]) -> None:
        """Give the results of the call at this position."""
        self.context.complete(self.calls[position].number, outputs)

    def fail(self, position: int, error: BaseException) -> None:
        self.context.fail(self.calls[position].number, error)

    @property
    def values(self) -> dict[str, list[Any]]:
        """The values that the context holds, by definition, in order of arrival."""
        found: dict[str, list[Any]] = {}
        for item in self.inputs:
            found.setdefault(item.definition.name, []).append(item.value)
        return found
