"""One context: one run of a flow, for one message. Lives in its primary's memory alone.

The rule that it guards: every permutation is called once, every result is taken once, and the
context has finished when nothing is outstanding.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dffml.df.base import BaseInputSetContext, OperationException
from dffml.df.exceptions import ValidatorMissing
from dffml.df.types import Input, Stage

from chatbot.orchestrator.plan import Plan, Step, permutations
from chatbot.orchestrator.values import Value, convert

log = logging.getLogger(__name__)

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
        return {
            parameter.name: item.value if isinstance(item, Input) else item
            for parameter, item in zip(self.step.parameters, self.values, strict=True)
        }

    @property
    def parents(self) -> list[Input]:
        return [item for item in self.values if isinstance(item, Input)]


Dispatch = Callable[[Call], None]
Finish = Callable[["Context"], None]


class Context:
    """A run of a plan.

    `start` takes the first values; results come with `complete` and `fail`. When nothing is
    outstanding, `finished` is called, once, in the event loop; then `error` says whether it
    failed. Calls that are outstanding when it ends early are given to `abandon`. After `cancel`
    nothing happens any more, and late results are ignored.
    """

    def __init__(
        self,
        plan: Plan,
        ctx: BaseInputSetContext,
        inputs: list[Input],
        dispatch: Dispatch,
        finished: Finish,
        abandon: Dispatch,
        *,
        strict: bool = True,
        octx: Any = None,
    ) -> None:
        self.number = next(_numbers)
        self.plan = plan
        self.ctx = ctx
        self.octx = octx
        self.inputs = inputs
        self.error: BaseException | None = None
        self.calls: dict[int, Call] = {}
        self.started = asyncio.get_running_loop().time()
        self._dispatch = dispatch
        self._finished = finished
        self._abandon = abandon
        self._strict = strict
        self._over = False
        self._busy = False
        self._call_numbers = itertools.count(1)
        self._slots: list[list[Any] | None] = [None] * plan.slot_count
        self._marks: list[list[int] | None] = [None] * len(plan.steps)
        self._completions: dict[int, asyncio.Future[None]] = {}
        self._called = [False] * len(plan.steps)
        self._conditions: list[bool | None] = [None] * plan.condition_count

    def start(self, values: Iterable[Input]) -> None:
        """Begin with `values` (and the inputs that were there); also with none."""
        self._busy = True
        try:
            self.add([*self.inputs, *values], known=len(self.inputs))
            for step in self.plan.starting:
                self._flush(step)
        except Exception as error:  # noqa: BLE001 - the flow does not fit what it was given
            self._end(error)
            return
        self._busy = False
        self._look_whether_finished()

    def add(self, values: Sequence[Input], *, known: int = 0) -> None:
        """Add values at once: all are there before any operation is called with them.

        Values for a context that has ended are passed over.
        """
        if self._over:
            return
        touched: dict[int, Step] = {}
        if self.octx is not None and self.plan.dataflow.forward.book:
            self.octx.forward(values)
        for position, item in enumerate(values):
            if not item.validated:
                self._validate(item)
                continue
            if position >= known:
                self.inputs.append(item)
            self._place(item, touched)
        for step in touched.values():
            if step.operation.stage is Stage.PROCESSING and not step.operation.validator:
                self._flush(step)

    def complete(self, number: int, outputs: Iterable[dict[str, Any]]) -> None:
        """Take a call's output sets. A call that is not outstanding is ignored: it was done."""
        call = self.calls.get(number)
        if call is None or self._over:
            return
        self._busy = True
        try:
            for each in outputs:
                self.add(self._values(call, each))
        except Exception as error:  # noqa: BLE001 - a wrong output is the operation's failure
            self._busy = False
            self.fail(number, error)
            return
        self._busy = False
        self.calls.pop(number, None)
        self._tell_completion(number)
        self._look_whether_finished()

    def fail(self, number: int, error: BaseException) -> None:
        """Take a call's exception: the end of a strict context, a log line in another."""
        call = self.calls.pop(number, None)
        if call is None or self._over:
            return
        self._tell_completion(number)
        if self._strict:
            raised = OperationException(f"{call.step.name} failed")
            raised.__cause__ = error
            self._end(raised)
            return
        log.error("%s failed: %s", call.step.name, type(error).__name__)
        log.debug("%s failed", call.step.name, exc_info=error)
        self._look_whether_finished()

    def completion(self, number: int) -> asyncio.Future[None]:
        """Return a future that is done when the call is: taken, failed or given up."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._completions[number] = future
        return future

    def cancel(self) -> None:
        """Forget it: its calls' results will be ignored, and `finished` is not called."""
        self._over = True
        self._give_up()

    def parameter_sets(self, steps: Iterable[Step]) -> Iterable[tuple[Step, dict[str, Any]]]:
        """Yield what is to be run of CLEANUP or OUTPUT, when nothing is outstanding."""
        for step in steps:
            if step.parameters and self._holds(step):
                for values in self._permutations(step):
                    yield step, Call(self, 0, step, values).inputs

    def _place(self, item: Input, touched: dict[int, Step]) -> None:
        feed = self.plan.feeds.get(item.origin)
        if feed is None:
            return
        for slot in feed.slots:
            step = slot.step
            touched[step.index] = step
            if slot.source.accepts(item, step.name):
                held = self._slots[slot.number]
                if held is None:
                    self._slots[slot.number] = [item]
                else:
                    held.append(item)
        for step, state, source in feed.conditions:
            touched[step.index] = step
            if source.accepts(item, step.name):
                self._conditions[state] = bool(item.value)
            elif self._conditions[state] is None:
                self._conditions[state] = False  # something came from there: not missing

    def _flush(self, step: Step) -> None:
        """Call a step with every permutation that it has not been called with."""
        if not self._holds(step):
            return
        for values in self._permutations(step):
            self._call(step, values)

    def _permutations(self, step: Step) -> Iterable[tuple[Any, ...]]:
        """Return the combinations that the step has not been called with."""
        called = self._called[step.index]
        if len(step.parameters) == 1 and not called:
            # By far the most frequent case: one parameter, and its first value.
            only = self._slots[step.first_slot]
            if only is not None and len(only) == 1:
                self._called[step.index] = True
                self._marks[step.index] = [1]
                return [(only[0],)]
        if not step.parameters and called:
            return []
        last = step.first_slot + len(step.parameters)
        slots = [held or () for held in self._slots[step.first_slot : last]]
        marks = self._marks[step.index]
        if marks is None:
            marks = self._marks[step.index] = [0] * len(slots)
        defaults = [parameter.default for parameter in step.parameters]
        found = list(permutations(slots, marks, defaults, not called))
        if found:
            self._called[step.index] = True
        return found

    def _holds(self, step: Step) -> bool:
        """Whether the conditions hold: the first true one is enough, a missing one blocks."""
        if not step.conditions:
            return True
        state = step.first_condition
        for sources in step.conditions:
            states = self._conditions[state : state + len(sources)]
            state += len(sources)
            if None in states:
                return False
            if any(states):
                return True
        return False

    def _call(self, step: Step, values: tuple[Any, ...]) -> None:
        call = Call(self, next(self._call_numbers), step, values)
        self.calls[call.number] = call
        self._dispatch(call)

    def _validate(self, item: Input) -> None:
        step = self.plan.validators.get(item.definition.validate)
        if step is None:
            raise ValidatorMissing(f"no validator {item.definition.validate!r} in the flow")
        self._call(step, (item,))

    def _values(self, call: Call, outputs: dict[str, Any]) -> list[Input]:
        step, parents = call.step, call.parents
        values: list[Input] = []
        for key, given in outputs.items():
            output = step.outputs.get(key)
            if output is None:
                raise KeyError(f"{step.name} gave {key!r}, and declares {', '.join(step.outputs)}")
            for value in given if output.expand else (given,):
                kept = value if output.plain else convert(value, output.definition)
                values.append(Value(kept, output.definition, parents, output.origin))
        return values

    def _look_whether_finished(self) -> None:
        if not self.calls and not self._over and not self._busy:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        self._over = True
        self._give_up()
        self.error = error
        self._finished(self)

    def _give_up(self) -> None:
        for call in self.calls.values():
            self._abandon(call)
        self.calls.clear()
        for number in list(self._completions):
            self._tell_completion(number)

    def _tell_completion(self, number: int) -> None:
        future = self._completions.pop(number, None)
        if future is not None and not future.done():
            future.set_result(None)
