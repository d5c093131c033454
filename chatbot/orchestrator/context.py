"""One context: one run of a flow, for one message. Lives in its primary's memory alone.

The rule that it guards: every permutation is called once, every result is taken once, and the
context has finished when nothing is outstanding.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dffml.df.base import BaseInputSetContext, OperationException
from dffml.df.exceptions import MultipleAncestorsFoundError, ValidatorMissing
from dffml.df.types import Input

from chatbot.orchestrator.call import Call, next_number
from chatbot.orchestrator.plan import NOWHERE, Plan, Source, Step, Targets, permutations
from chatbot.orchestrator.values import Value, convert

log = logging.getLogger(__name__)

NOTHING: frozenset[int] = frozenset()
_UNRELATED = "unrelated"
"""A condition for which its origin gave something, but no value: it is not missing."""


Dispatch = Callable[[Call], None]
Finish = Callable[["Context"], None]


class Context:
    """A run of a plan.

    `start` takes the first values; results come with `complete` and `fail`. When nothing is
    outstanding, `finished` is called, once, in the event loop; then `error` says whether it
    failed. Calls that are outstanding when it ends early are given to `abandon`. After `cancel`
    nothing happens any more, and late results are ignored. `routes` say by a step's index who
    is given its calls; they, `finished` and `abandon` are shared by all contexts of a plan.
    `ended` and `entry` belong to whoever made it.
    """

    __slots__ = (
        "_abandon",
        "_completions",
        "_conditions",
        "_finished",
        "_last",
        "_marks",
        "_over",
        "_routes",
        "_slots",
        "at_end",
        "calls",
        "ctx",
        "ended",
        "entry",
        "error",
        "inputs",
        "number",
        "octx",
        "plan",
        "streaming",
        "strict",
    )

    def __init__(
        self,
        plan: Plan,
        ctx: BaseInputSetContext,
        inputs: list[Input],
        routes: Sequence[Dispatch],
        finished: Finish,
        abandon: Dispatch,
        *,
        strict: bool = True,
        octx: Any = None,
    ) -> None:
        self.number = next_number()
        self.plan = plan
        self.ctx = ctx
        self.octx = octx
        self.inputs = inputs
        self.error: BaseException | None = None
        self.ended: Any = None
        self.entry: Any = None
        self.calls: dict[int, Call | None] = {}
        self.at_end: Sequence[Callable[[], None]] = ()
        """Called when it has ended, or was given up; see `when_over`."""
        self.streaming: frozenset[int] = NOTHING
        """Calls that yield here, on the primary."""
        self._routes = routes
        self._finished = finished
        self._abandon = abandon
        self.strict = strict
        self._over = False
        self._last = 0
        self._slots: list[list[Any] | None] = [None] * plan.slot_count
        self._marks: list[list[int] | None] = [None] * len(plan.steps)
        self._conditions: list[bool | str | None] = [None] * plan.condition_count
        self._completions: dict[int, asyncio.Future[None]] | None = None

    def start(self, values: Sequence[Input]) -> None:
        """Begin with `values` (and the inputs that were there); also with none."""
        self.calls[0] = None  # the start itself is outstanding, so that nothing ends before it
        try:
            if self.inputs:
                self.add([*self.inputs, *values], known=len(self.inputs))
            else:
                self.add(values)
            for step in self.plan.starting:
                self._flush(step)
        except Exception as error:  # noqa: BLE001 - the flow does not fit what it was given
            self._end(error)
            return
        self.calls.pop(0, None)
        if not self.calls and not self._over:
            self._end(None)

    def add(self, values: Sequence[Input], *, known: int = 0) -> None:
        """Add values at once: all are there before any operation is called with them.

        Values for a context that has ended are passed over. The first `known` ones are among
        its inputs already.
        """
        if self._over:
            return
        plan = self.plan
        if plan.forwards and self.octx is not None:
            self.octx.forward(values)
        touched: dict[int, Step] = {}
        feeds = plan.feeds
        for position, item in enumerate(values):
            if not item.validated:
                self._validate(item)
                continue
            if position >= known:
                self.inputs.append(item)
            feed = feeds.get(item.origin)
            if feed is not None:
                self._place(item, feed.by_name.get(item.definition.name, feed.others), touched)
        for step in touched.values():
            self._flush(step)

    def complete(self, number: int, outputs: Iterable[dict[str, Any]]) -> None:
        """Take a call's output sets. A call that is not outstanding is ignored: it was done."""
        call = self.calls.get(number)
        if call is None or self._over:
            return
        try:
            for each in outputs:
                self._take(call, each)
        except MultipleAncestorsFoundError as error:
            self._end(error)  # the flow's fault, not the operation's
            return
        except Exception as error:  # noqa: BLE001 - a wrong output is the operation's failure
            self.fail(number, error)
            return
        self.calls.pop(number, None)
        if self._completions is not None:
            self._tell_completion(number)
        if not self.calls and not self._over:
            self._end(None)

    def extend(self, number: int, outputs: Iterable[dict[str, Any]]) -> None:
        """Take some of a call's output sets; it goes on, until `complete` or `fail`."""
        call = self.calls.get(number)
        if call is None or self._over:
            return
        try:
            for each in outputs:
                self._take(call, each)
        except MultipleAncestorsFoundError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - a wrong output is the operation's failure
            self.fail(number, error)

    def backlog(self, most: int) -> int | None:
        """Return the oldest call that is not one of those that yield, if over `most` are
        outstanding."""
        if len(self.calls) - len(self.streaming) <= most:
            return None
        return next(number for number in self.calls if number not in self.streaming)

    def fail(self, number: int, error: BaseException) -> None:
        """Take a call's exception: the end of a strict context, a log line in another."""
        call = self.calls.get(number)
        if call is not None and call.step.name in self.plan.optional:
            log.warning("go on without %s: %s", call.step.name, type(error).__name__)
            log.debug("%s failed", call.step.name, exc_info=error)
            self.go_on_without(number)
            return
        self.calls.pop(number, None)
        if call is None or self._over:
            return
        self._tell_completion(number)
        if self.strict:
            raised = OperationException(f"{call.step.name} failed")
            raised.__cause__ = error
            self._end(raised)
            return
        log.error("%s failed: %s", call.step.name, type(error).__name__)
        log.debug("%s failed", call.step.name, exc_info=error)
        if not self.calls:
            self._end(None)

    def go_on_without(self, number: int) -> None:
        """End a call that gives nothing: what others ask of it is null."""
        call = self.calls.get(number)
        if call is None or self._over:
            return
        outputs = call.step.outputs.items()
        asked = {k: each for k, each in outputs if each.targets is not NOWHERE and each.plain}
        self.complete(number, ({k: () if v.expand else None for k, v in asked.items()},))

    def completion(self, number: int) -> asyncio.Future[None]:
        """Return a future that is done when the call is: taken, failed or given up."""
        if self._completions is None:
            self._completions = {}
        future = self._completions.get(number)
        if future is None:
            future = self._completions[number] = asyncio.get_running_loop().create_future()
        return future

    @property
    def over(self) -> bool:
        """Whether it has ended, or was given up: its operations' outputs are not taken."""
        return self._over

    def when_over(self, call: Callable[[], None]) -> None:
        """Have `call` made when it is over; at once if it is."""
        if self._over:
            call()
        else:
            self.at_end = (*self.at_end, call)

    def cancel(self) -> None:
        """Forget it: its calls' results will be ignored, and `finished` is not called."""
        self._over = True
        self._give_up()

    def parameter_sets(self, steps: Iterable[Step]) -> Iterable[tuple[Step, dict[str, Any]]]:
        """Yield what is to be run of CLEANUP or OUTPUT, once, when nothing is outstanding."""
        for step in steps:
            if step.alone:
                held, self._slots[step.first_slot] = self._slots[step.first_slot], None
                for item in held or ():
                    yield step, {step.names[0]: item.value}
            elif (step.parameters or step.conditions or not step.operation.inputs) and self._holds(
                step
            ):
                for values in self._permutations(step):
                    yield step, Call(self, 0, step, values).inputs

    def _take(self, call: Call, outputs: dict[str, Any]) -> None:
        """Add one output set of a call, as `add` does."""
        step, parents = call.step, call.parents
        values: list[Input] = []
        places: list[tuple[Input, Targets]] = []
        for key, given in outputs.items():
            output = step.outputs.get(key)
            if output is None:
                raise KeyError(f"{step.name} gave {key!r}, and declares {', '.join(step.outputs)}")
            for value in given if output.expand else (given,):
                kept = value if output.plain else convert(value, output.definition)
                item = Value(kept, output.definition, parents, output.origin)
                values.append(item)
                if output.targets is not NOWHERE:
                    places.append((item, output.targets))
        self.inputs += values
        if places:
            touched: dict[int, Step] = {}
            for item, targets in places:
                self._place(item, targets, touched)
            for step in touched.values():
                self._flush(step)
        if self.plan.forwards and self.octx is not None:
            self.octx.forward(values)

    def _place(self, item: Input, targets: Targets, touched: dict[int, Step]) -> None:
        for step, sources in targets.direct:
            if not sources or _accepted(item, step, sources):
                self._call(step, (item,))
        if targets.slots or targets.conditions:
            self._fill(item, targets)
        for step in targets.touched:
            touched[step.index] = step

    def _fill(self, item: Input, targets: Targets) -> None:
        for step, number, sources in targets.slots:
            if not sources or _accepted(item, step, sources):
                held = self._slots[number]
                if held is None:
                    self._slots[number] = [item]
                else:
                    held.append(item)
        for step, state, source, counts in targets.conditions:
            if counts and (source is None or source.accepts(item, step.name)):
                self._conditions[state] = bool(item.value)
            elif self._conditions[state] is None:
                self._conditions[state] = _UNRELATED

    def _flush(self, step: Step) -> None:
        """Call a step with every permutation that it has not been called with."""
        if not step.conditions or self._holds(step):
            for values in self._permutations(step):
                self._call(step, values)

    def _permutations(self, step: Step) -> Sequence[tuple[Any, ...]]:
        """Return the combinations that the step has not been called with."""
        marks = self._marks[step.index]
        if not step.parameters and marks is not None:
            return ()
        last = step.first_slot + len(step.parameters)
        slots = [held or () for held in self._slots[step.first_slot : last]]
        first = marks is None
        if marks is None:
            marks = [0] * len(slots)
        found = list(permutations(slots, marks, step.defaults, first))
        if first and found:
            self._marks[step.index] = marks
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
            # Of several origins of one condition, the last that gave a value for it decides.
            given = [each for each in states if each is not _UNRELATED]
            if given and given[-1]:
                return True
        return False

    def _call(self, step: Step, values: tuple[Any, ...]) -> None:
        number = self._last = self._last + 1
        call = self.calls[number] = Call(self, number, step, values)
        self._routes[step.index](call)

    def _validate(self, item: Input) -> None:
        step = self.plan.validators.get(item.definition.validate)
        if step is None:
            raise ValidatorMissing(f"no validator {item.definition.validate!r} in the flow")
        self._call(step, (item,))

    def _end(self, error: BaseException | None) -> None:
        self._over = True
        if self.calls or self.at_end:
            self._give_up()
        self.error = error
        self._finished(self)

    def _give_up(self) -> None:
        for tell in self.at_end:
            tell()
        self.at_end = ()
        for call in self.calls.values():
            if call is not None:
                self._abandon(call)
        self.calls.clear()
        for number in list(self._completions or ()):
            self._tell_completion(number)

    def _tell_completion(self, number: int) -> None:
        future = self._completions.pop(number, None) if self._completions else None
        if future is not None and not future.done():
            future.set_result(None)


def _accepted(item: Input, step: Step, sources: Iterable[Source]) -> bool:
    return any(source.accepts(item, step.name) for source in sources)
