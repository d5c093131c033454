"""A call: one step of a context, with one set of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dffml.df.types import Input

from chatbot.orchestrator.plan import Step

if TYPE_CHECKING:
    from chatbot.orchestrator.context import Context

_numbers = itertools.count(1)


def next_number() -> int:
    """Return a number that no context of this process has."""
    return next(_numbers)


class Call:
    """One parameter set of one step. `values` has DFFML's inputs, a default's own value."""

    __slots__ = ("context", "number", "step", "values")

    def __init__(self, context: Context, number: int, step: Step, values: tuple[Any, ...]) -> None:
        self.context = context
        self.number = number
        self.step = step
        self.values = values

    @property
    def inputs(self) -> dict[str, Any]:
        """What the operation is given: a new dict each time."""
        step = self.step
        if step.alone:
            return {step.names[0]: self.values[0].value}
        if not step.has_defaults:
            return {name: item.value for name, item in zip(step.names, self.values, strict=True)}
        return {
            name: item.value if isinstance(item, Input) else item
            for name, item in zip(step.names, self.values, strict=True)
        }

    @property
    def parents(self) -> Sequence[Input]:
        if not self.step.has_defaults:
            return self.values
        return [item for item in self.values if isinstance(item, Input)]
