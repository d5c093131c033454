"""The compiled flow: which value goes where. Pure, and shared by all contexts of a flow.

A `Plan` maps each origin to the (step, parameter) slots that it feeds. A context keeps, for each
slot, the values that arrived; when new ones come, `permutations` joins them with the others'
(semi-naive evaluation), so that each permutation comes up exactly once and nothing needs a
redundancy hash. What matches what is as in DFFML's `gather_inputs` (`dffml/df/memory.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dffml.df.exceptions import MultipleAncestorsFoundError
from dffml.df.types import _NO_DEFAULT as NO_DEFAULT
from dffml.df.types import DataFlow, Definition, Input, Operation, Stage

from chatbot.orchestrator.values import Origin


@dataclass(frozen=True, slots=True)
class Source:
    """One place that a parameter or a condition takes values from.

    `names` are the definitions that count there; `path` the origins that a value's parents
    must have, one generation after the other.
    """

    origin: Origin
    names: frozenset[str]
    path: tuple[Origin, ...] = ()

    def accepts(self, item: Input, where: str) -> bool:
        """Whether `item`, which has this origin, counts.

        Raises `MultipleAncestorsFoundError` if its ancestry is ambiguous, as DFFML does.
        """
        if item.definition.name not in self.names:
            return False
        for origin in self.path:
            matching = [parent for parent in item.parents if parent.origin == origin]
            if not matching:
                return False
            if len(matching) > 1:
                raise MultipleAncestorsFoundError((where, origin))
            item = matching[0]
        return True


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of a step. `default` is a one-item tuple, empty where there is none."""

    name: str
    sources: tuple[Source, ...]
    default: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a step: its definition, and whether each item is a value of its own."""

    definition: Definition
    origin: Origin
    expand: bool
    plain: bool
    """Neither `spec` nor `validate`: the value is taken as it is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation instance of the flow."""

    index: int
    operation: Operation
    parameters: tuple[Parameter, ...]
    conditions: tuple[tuple[Source, ...], ...]
    outputs: dict[str, Output]
    first_slot: int
    """Where its parameters' slots begin in a context's list of them."""
    first_condition: int
    """Where its conditions' states begin in a context's list of them."""

    @property
    def name(self) -> str:
        return str(self.operation.instance_name)


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter of a step that an origin feeds."""

    step: Step
    number: int
    """Its place in a context's list of slots."""
    source: Source


@dataclass(slots=True)
class Feed:
    """All that an origin feeds: slots, and conditions by their place in the list of states."""

    slots: list[Slot] = field(default_factory=list)
    conditions: list[tuple[Step, int, Source]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """A dataflow, compiled. Made by `compile_flow`; never changes."""

    dataflow: DataFlow
    steps: tuple[Step, ...]
    feeds: dict[Origin, Feed]
    slot_count: int
    condition_count: int
    cleanup: tuple[Step, ...]
    output: tuple[Step, ...]
    starting: tuple[Step, ...]
    """Those that start by themselves: they have no inputs."""
    validators: dict[str, Step]
    locks: bool
    """Whether any definition is locked: if none is, no call looks for locks."""


def compile_flow(dataflow: DataFlow) -> Plan:
    """Compile `dataflow`; call again when it has changed."""
    steps: list[Step] = []
    slots = conditions = 0
    for index, (name, operation) in enumerate(dataflow.operations.items()):
        step = _compile_step(index, name, operation, dataflow, (slots, conditions))
        slots += len(step.parameters)
        conditions += sum(len(sources) for sources in step.conditions)
        steps.append(step)
    stages = {stage: tuple(s for s in steps if s.operation.stage is stage) for stage in Stage}
    definitions = itertools.chain(
        dataflow.definitions.values(), (item.definition for item in dataflow.seed)
    )
    return Plan(
        dataflow=dataflow,
        steps=tuple(steps),
        feeds=_feeds(steps),
        slot_count=slots,
        condition_count=conditions,
        cleanup=stages[Stage.CLEANUP],
        output=stages[Stage.OUTPUT],
        starting=tuple(s for s in stages[Stage.PROCESSING] if not s.operation.inputs),
        validators={step.name: step for step in steps if step.operation.validator},
        locks=any(definition.lock for definition in definitions),
    )


def _compile_step(
    index: int, name: str, operation: Operation, dataflow: DataFlow, first: tuple[int, int]
) -> Step:
    flow = dataflow.flow.get(name)
    given = flow.inputs if flow else {}
    # An input that the flow does not mention is not passed: Python's own default holds.
    parameters = tuple(
        _parameter(key, operation.inputs[key], sources, dataflow) for key, sources in given.items()
    )
    return Step(
        index=index,
        operation=operation,
        parameters=parameters,
        conditions=tuple(
            tuple(_sources(source, _condition_names(operation, number), dataflow))
            for number, source in enumerate(flow.conditions if flow else [])
        ),
        outputs={
            key: Output(
                definition,
                (name, key),
                key in (operation.expand or []),
                definition.spec is None and definition.validate is None,
            )
            for key, definition in operation.outputs.items()
        },
        first_slot=first[0],
        first_condition=first[1],
    )


def _parameter(
    key: str, definition: Definition, given: Sequence[Any], dataflow: DataFlow
) -> Parameter:
    sources = [s for each in given for s in _sources(each, definition.name, dataflow)]
    default = (definition.default,) if _has_default(definition) else ()
    return Parameter(key, tuple(sources), default)


def _has_default(definition: Definition) -> bool:
    return not isinstance(definition.default, NO_DEFAULT)


def _condition_names(operation: Operation, number: int) -> str:
    return operation.conditions[number].name if number < len(operation.conditions) else ""


def _sources(given: Any, own_name: str, dataflow: DataFlow) -> Iterator[Source]:
    """Yield what one entry of DFFML's `InputFlow` stands for.

    `"seed"`; `{"operation": "output"}`; `{"seed": ["definition", …]}` for other definitions;
    or a list of these, whose first is the origin and whose rest are the ancestors'.
    """
    path: tuple[Origin, ...] = ()
    if isinstance(given, list):
        path = tuple(_origin(each)[0] for each in given[1:])
        given = given[0]
    several = [{key: value} for key, value in given.items()] if isinstance(given, dict) else [given]
    for each in several:
        origin, alternates = _origin(each)
        if alternates:
            names = frozenset(alternates)
        elif isinstance(origin, tuple) and origin[0] in dataflow.operations:
            names = frozenset({dataflow.operations[origin[0]].outputs[origin[1]].name})
        else:
            names = frozenset({own_name})
        yield Source(origin, names, path)


def _origin(given: Any) -> tuple[Origin, list[str]]:
    if isinstance(given, str):
        return given, []
    ((key, value),) = given.items()
    if isinstance(value, list | tuple):
        return key, [str(getattr(name, "name", name)) for name in value]
    return (key, value), []


def _feeds(steps: Sequence[Step]) -> dict[Origin, Feed]:
    feeds: dict[Origin, Feed] = {}
    for step in steps:
        for number, parameter in enumerate(step.parameters):
            for source in parameter.sources:
                feed = feeds.setdefault(source.origin, Feed())
                feed.slots.append(Slot(step, step.first_slot + number, source))
        state = step.first_condition
        for sources in step.conditions:
            for source in sources:
                feed = feeds.setdefault(source.origin, Feed())
                feed.conditions.append((step, state, source))
                state += 1
    return feeds


def permutations(
    slots: Sequence[Sequence[Any]], marks: list[int], defaults: Sequence[Any], first: bool
) -> Iterator[tuple[Any, ...]]:
    """Yield each combination of one item a slot that has not been yielded before.

    `marks[i]` is how many of `slots[i]` were joined already; it is brought up to date. A slot
    without items stands for its default, a one-item sequence; without one nothing is yielded.
    `first` says that nothing was ever yielded.
    """
    everything = [slot or default for slot, default in zip(slots, defaults, strict=True)]
    if not all(everything):
        return
    counts = [len(slot) for slot in slots]
    if first:
        marks[:] = counts
        yield from itertools.product(*everything)
        return
    # New: at least one new item. The i-th term has its first new item in slot i.
    old = [
        slot[:mark] if slot else default
        for slot, mark, default in zip(slots, marks, defaults, strict=True)
    ]
    terms = [
        (*old[:i], slot[mark:], *everything[i + 1 :])
        for i, (slot, mark) in enumerate(zip(slots, marks, strict=True))
        if len(slot) > mark
    ]
    marks[:] = counts
    for term in terms:
        yield from itertools.product(*term)
