"""A context's journey through a flow, told as it happens: for who writes the flow.

The rule that it guards: nothing of it is in the way of contexts that nobody watches; those that
are watched are of another class.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from dffml.df.types import Stage

from chatbot.orchestrator.call import Call
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.plan import Step

WHEN = "`when` is not true"


@dataclass(frozen=True, slots=True)
class Leg:
    """One call of an operation, as it begins, gives something, or ends.

    `path` is the instance's with the subflows that it is in, `message` the id of the message.
    `outputs` are one set of what it gave, of several maybe; empty where it gave nothing.
    `seconds` are counted from when its inputs were there.
    """

    message: str
    path: str
    inputs: dict[str, Any]
    is_remote: bool
    outputs: dict[str, Any] | None = None
    error: BaseException | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Untaken:
    """An operation that was not called at all, when its context ended; `why`, for people."""

    message: str
    path: str
    why: str


@dataclass(slots=True)
class Journeys:
    """Who is told of each leg as it ends, and once for each context, when it ends, of all that was
    not called in it; `running` has the legs that have not ended."""

    leg: Callable[[Leg], None]
    untaken: Callable[[Sequence[Untaken]], None]
    running: dict[Call, float] = field(default_factory=dict)

    def contexts(self) -> type[Context]:
        """Return the class of contexts whose journeys these are."""
        return type("Watched", (Watched,), {"__slots__": (), "journeys": self})

    def waiting(self, seconds: float) -> list[Leg]:
        """Return the calls that have run for as long."""
        now = monotonic()
        late = [(call, now - since) for call, since in self.running.items()]
        return [_leg(call, seconds=took) for call, took in late if took >= seconds]


class Watched(Context):
    """A context that says what is called, and what that gives."""

    __slots__ = ("called",)
    journeys: Journeys

    def __init__(self, plan: Any, ctx: Any, inputs: Any, routes: Any, *rest: Any, **more: Any):
        self.called: set[int] = set()
        told = [functools.partial(self._begin, route) for route in routes]
        super().__init__(plan, ctx, inputs, told, *rest, **more)

    def complete(self, number: int, outputs: Iterable[dict[str, Any]]) -> None:
        given = list(outputs)
        call = self._outstanding(number)
        if call is not None:
            since = self.journeys.running.pop(call, monotonic())
            self._give(call, given, monotonic() - since)
        super().complete(number, given)

    def extend(self, number: int, outputs: Iterable[dict[str, Any]]) -> None:
        given = list(outputs)
        call = self._outstanding(number)
        if call is not None:
            self._give(call, given, monotonic() - self.journeys.running.get(call, monotonic()))
        super().extend(number, given)

    def fail(self, number: int, error: BaseException) -> None:
        call = self._outstanding(number)
        if call is not None:
            since = self.journeys.running.pop(call, monotonic())
            self.journeys.leg(_leg(call, error=error, seconds=monotonic() - since))
        super().fail(number, error)

    def _outstanding(self, number: int) -> Call | None:
        return None if self.over else self.calls.get(number)

    def _begin(self, route: Callable[[Call], None], call: Call) -> None:
        self.called.add(call.step.index)
        self.journeys.running[call] = monotonic()
        route(call)

    def _give(self, call: Call, given: Sequence[dict[str, Any]], seconds: float) -> None:
        for outputs in given or ({},):
            self.journeys.leg(_leg(call, outputs=outputs, seconds=seconds))

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            left = [s for s in self.plan.steps if s.runs and s.index not in self.called]
            untaken = [Untaken(*_where(self, s), self._why(s)) for s in left if _counts(s)]
            if untaken:
                self.journeys.untaken(untaken)
        super()._end(error)

    def _give_up(self) -> None:
        for call in self.calls.values():
            if call is not None:
                self.journeys.running.pop(call, None)
        super()._give_up()

    def _why(self, step: Step) -> str:
        if step.conditions and not self._holds(step):
            return WHEN
        slots = self._slots[step.first_slot : step.first_slot + len(step.parameters)]
        lacking = [
            parameter.name
            for parameter, held in zip(step.parameters, slots, strict=True)
            if not held and not parameter.default
        ]
        return f"nothing came for {' and '.join(lacking)}" if lacking else "nothing called it"


def _counts(step: Step) -> bool:
    return step.operation.stage is Stage.PROCESSING


def _leg(call: Call, **rest: Any) -> Leg:
    remote = getattr(getattr(call.context.octx, "nctx", None), "remote", ())
    is_remote = call.step.name in remote
    return Leg(*_where(call.context, call.step), call.inputs, is_remote, **rest)


def _where(context: Context, step: Step) -> tuple[str, str]:
    """Return the message's id, and the step's name with the subflows that it is in."""
    path = [step.name]
    while (call := getattr(context.ctx, "call", None)) is not None:
        path.insert(0, call.step.name)
        context = call.context
    return str(context.ctx), "/".join(path)
