"""The compiled flow: which value goes where. Pure, and shared by all contexts of a flow.

A `Plan` maps each origin and definition to its `Targets`: the steps that are called with such a
value by itself, and the slots (of a step's parameter) that it fills. A context keeps, for each
slot, the values that arrived; when new ones come, `permutations` joins them with the others'
(semi-naive evaluation), so that each permutation comes up exactly once and nothing needs a
redundancy hash. What matches what is as in DFFML's `gather_inputs` (`dffml/df/memory.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operation instance of the flow."""

    index: int
    name: str
    operation: Operation
    parameters: tuple[Parameter, ...]
    conditions: tuple[tuple[Source, ...], ...]
    outputs: dict[str, Output]
    first_slot: int
    """Where its parameters' slots begin in a context's list of them."""
    first_condition: int
    """Where its conditions' states begin in a context's list of them."""
    names: tuple[str, ...]
    """Of its parameters."""
    defaults: tuple[tuple[Any, ...], ...]
    """Of its parameters."""
    has_defaults: bool
    runs: bool
    """It is called as values come: neither a validator, nor of another stage."""
    alone: bool
    """Each value is a parameter set by itself: one parameter, no condition, no default."""
    direct: bool
    """It runs, and with each value by itself: values for it need no slot."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where values of one origin and one definition go.

    Sources beside a place are those of which one must accept the value's ancestors; none: it
    counts in any case.
    """

    direct: tuple[tuple[Step, tuple[Source, ...]], ...] = ()
    """Steps that are called with the value by itself."""
    slots: tuple[tuple[Step, int, tuple[Source, ...]], ...] = ()
    """Places in a context's list of slots."""
    conditions: tuple[tuple[Step, int, Source | None, bool], ...] = ()
    """Places in a context's list of states, and whether the value counts there. One that does
    not (it is another definition) still says that something came from its origin."""
    touched: tuple[Step, ...] = ()
    """Steps that may be ready now."""


NOWHERE = Targets()


@dataclass(slots=True)
class Output:
    """One output of a step: its definition, and whether each item is a value of its own."""

    definition: Definition
    origin: Origin
    expand: bool
    plain: bool
    """Neither `spec` nor `validate`: the value is taken as it is."""
    targets: Targets
    """Where its values go; known when all steps are."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What an origin feeds, by definition; `others` where no step asks for the definition."""

    by_name: dict[str, Targets]
    others: Targets


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
    forwards: bool
    """Whether any definition is forwarded to a subflow."""
    optional: frozenset[str] = frozenset()
    """The steps that a context goes on without where they fail."""

    def targets(self, origin: Origin, name: str) -> Targets:
        """Return where a value of this origin and of the definition `name` goes."""
        return _lookup(self.feeds, origin, name)


def compile_flow(dataflow: DataFlow, optional: Iterable[str] = ()) -> Plan:
    """Compile `dataflow`; call again when it has changed."""
    steps: list[Step] = []
    slots = conditions = 0
    for index, (name, operation) in enumerate(dataflow.operations.items()):
        step = _compile_step(index, name, operation, dataflow, (slots, conditions))
        slots += len(step.parameters)
        conditions += sum(len(sources) for sources in step.conditions)
        steps.append(step)
    stages = {stage: tuple(s for s in steps if s.operation.stage is stage) for stage in Stage}
    feeds = _feeds(steps)
    for step in steps:
        for output in step.outputs.values():
            output.targets = _lookup(feeds, output.origin, output.definition.name)
    definitions = itertools.chain(
        dataflow.definitions.values(), (item.definition for item in dataflow.seed)
    )
    return Plan(
        dataflow=dataflow,
        steps=tuple(steps),
        feeds=feeds,
        slot_count=slots,
        condition_count=conditions,
        cleanup=stages[Stage.CLEANUP],
        output=stages[Stage.OUTPUT],
        starting=tuple(s for s in stages[Stage.PROCESSING] if not s.operation.inputs),
        validators={step.name: step for step in steps if step.operation.validator},
        locks=any(definition.lock for definition in definitions),
        forwards=bool(dataflow.forward.book),
        optional=frozenset(optional),
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
    conditions = tuple(
        tuple(_sources(source, _condition_names(operation, number), dataflow))
        for number, source in enumerate(flow.conditions if flow else [])
    )
    defaults = tuple(parameter.default for parameter in parameters)
    alone = len(parameters) == 1 and not conditions and not defaults[0]
    runs = operation.stage is Stage.PROCESSING and not operation.validator
    return Step(
        index=index,
        name=name,
        operation=operation,
        parameters=parameters,
        conditions=conditions,
        outputs={
            key: Output(
                definition,
                (name, key),
                key in (operation.expand or []),
                definition.spec is None and definition.validate is None,
                NOWHERE,
            )
            for key, definition in operation.outputs.items()
        },
        first_slot=first[0],
        first_condition=first[1],
        names=tuple(parameter.name for parameter in parameters),
        defaults=defaults,
        has_defaults=any(defaults),
        runs=runs,
        alone=alone,
        direct=runs and alone,
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
    asked: dict[Origin, dict[str, None]] = {}
    for source in _all_sources(steps):
        asked.setdefault(source.origin, {}).update(dict.fromkeys(source.names))
    return {
        origin: Feed(
            {name: _targets(steps, origin, name) for name in names}, _targets(steps, origin, None)
        )
        for origin, names in asked.items()
    }


def _lookup(feeds: dict[Origin, Feed], origin: Origin, name: str) -> Targets:
    feed = feeds.get(origin)
    return NOWHERE if feed is None else feed.by_name.get(name, feed.others)


def _all_sources(steps: Sequence[Step]) -> Iterator[Source]:
    for step in steps:
        for parameter in step.parameters:
            yield from parameter.sources
        for sources in step.conditions:
            yield from sources


def _targets(steps: Sequence[Step], origin: Origin, name: str | None) -> Targets:
    direct: list[tuple[Step, tuple[Source, ...]]] = []
    slots: list[tuple[Step, int, tuple[Source, ...]]] = []
    conditions: list[tuple[Step, int, Source | None, bool]] = []
    touched: dict[int, Step] = {}
    for step in steps:
        for number, parameter in enumerate(step.parameters):
            sources = [source for source in parameter.sources if source.origin == origin]
            if sources and step.runs and not step.direct:
                touched[step.index] = step
            accepting = tuple(source for source in sources if name in source.names)
            if not accepting:
                continue
            if not all(source.path for source in accepting):
                accepting = ()
            if step.direct:
                direct.append((step, accepting))
            else:
                slots.append((step, step.first_slot + number, accepting))
        for state, source in enumerate(_flattened(step.conditions), step.first_condition):
            if source.origin == origin:
                if step.runs:
                    touched[step.index] = step
                counts = name in source.names
                conditions.append((step, state, source if source.path else None, counts))
    return Targets(tuple(direct), tuple(slots), tuple(conditions), tuple(touched.values()))


def _flattened(conditions: Sequence[tuple[Source, ...]]) -> Iterator[Source]:
    for sources in conditions:
        yield from sources


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
    # New: at least one new item. The i-th term has its first new item in slot i. Only what a
    # term yields is copied, so that an item costs the same however many came before it.
    terms = [
        (*_old(slots[:i], marks, defaults), slot[mark:], *everything[i + 1 :])
        for i, (slot, mark) in enumerate(zip(slots, marks, strict=True))
        if len(slot) > mark
    ]
    marks[:] = counts
    for term in terms:
        yield from itertools.product(*term)


def _old(
    slots: Sequence[Sequence[Any]], marks: Sequence[int], defaults: Sequence[Any]
) -> Iterator[Sequence[Any]]:
    for slot, mark, default in zip(slots, marks, defaults, strict=False):
        yield slot[:mark] if slot else default
