"""Dataflows drawn at random, and a model of what must come of them.

All that is drawn has one right answer, whatever the order of arrival: flows are acyclic, an
origin gives one and the same verdict, and what has a default comes from the seed alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import Any

from dffml import DataFlow, Definition, Input, op
from dffml.df.types import InputFlow
from hypothesis import strategies as st

from tests.integration.orchestrators import FLAG, collecting

VALUES = [Definition(name=f"v{number}", primitive="string") for number in range(4)]
HINT = Definition(name="hint", primitive="string", default="default")
DEFINITIONS = {each.name: each for each in (*VALUES, HINT, FLAG)}
WAYS = ("one", "none at times", "list", "yields")

Origin = str | tuple[str, str]


@dataclass(frozen=True)
class Source:
    """An origin, with the definitions that count there, and the origin of what it was made of."""

    origin: Origin
    names: tuple[str, ...]
    alternates: bool = False
    parent: Origin | None = None

    def in_dffml_s_words(self) -> Any:
        own: Any = _words(self.origin)
        if self.alternates:
            own = {self.origin: list(self.names)}
        return own if self.parent is None else [own, _words(self.parent)]


@dataclass(frozen=True)
class Step:
    """An operation: what it takes from where, under which conditions, and how it gives."""

    name: str
    parameters: dict[str, tuple[Definition, tuple[Source, ...]]]
    conditions: tuple[tuple[Source, ...], ...]
    gives: Definition
    way: str
    verdict: bool
    cheap: bool


@dataclass(frozen=True)
class Drawn:
    """A flow, and the inputs of some contexts: (definition's name, value, origin)."""

    steps: tuple[Step, ...]
    inputs: dict[str, tuple[tuple[str, Any, str], ...]]


def _words(origin: Origin) -> Any:
    return origin if isinstance(origin, str) else {origin[0]: origin[1]}


def outputs_of(step: Step, inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a step gives: output sets, before any expansion."""
    text = f"{step.name}({','.join(f'{key}={inputs[key]}' for key in sorted(inputs))})"
    if step.way == "none at times" and len(text) % 3 == 0:
        return []
    if step.way == "list":
        return [{"out": [f"{text}/0", f"{text}/1"], "is": step.verdict}]
    if step.way == "yields":
        return [{"out": f"{text}/0"}, {"out": f"{text}/1", "is": step.verdict}]
    return [{"out": text, "is": step.verdict}]


# How they are drawn.


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 5))):
        steps.append(draw(_step(f"s{number}", tuple(steps))))
    names = draw(st.sampled_from(["x", "xy", "xyz"]))
    return Drawn(tuple(steps), {name: draw(_inputs()) for name in names})


@st.composite
def _step(draw: st.DrawFn, name: str, before: tuple[Step, ...]) -> Step:
    parameters: dict[str, Any] = {}
    for number in range(draw(st.sampled_from([0, 1, 1, 2, 2, 3]))):
        definition = draw(st.sampled_from(VALUES))
        found = st.lists(_source(definition, before), min_size=1, max_size=3)
        parameters[f"p{number}"] = (definition, tuple(draw(found)))
    if draw(st.sampled_from([False, False, False, True])):
        hint = (HINT, (Source("seed", ("hint",)),))
        parameters = (
            {"hint": hint, **parameters} if draw(st.booleans()) else {**parameters, "hint": hint}
        )
    return Step(
        name=name,
        parameters=parameters,
        conditions=tuple(draw(st.lists(_condition(before), max_size=2))),
        gives=draw(st.sampled_from(VALUES)),
        way=draw(st.sampled_from(WAYS)),
        verdict=draw(st.sampled_from([True, True, False])),
        cheap=draw(st.booleans()),
    )


@st.composite
def _source(draw: st.DrawFn, definition: Definition, before: tuple[Step, ...]) -> Source:
    own = (definition.name,)
    choices = [
        Source("seed", own),
        Source("client", own),
        Source(
            "seed",
            tuple(sorted(draw(st.sets(st.sampled_from(["v0", "v1", "v2", "hint"]), min_size=1)))),
            True,
        ),
    ]
    for step in before:
        if step.gives.name in own:
            origin = (step.name, "out")
            choices += [Source(origin, own)] * 3
            if len(step.parameters) == 1:  # with more, the ancestry could be ambiguous
                ((_, sources),) = step.parameters.values()
                choices += [Source(origin, own, parent=each.origin) for each in sources]
    return draw(st.sampled_from(choices))


def _condition(before: tuple[Step, ...]) -> st.SearchStrategy[tuple[Source, ...]]:
    own = (FLAG.name,)
    seeded = st.sampled_from([(Source("seed", own),), (Source("client", own),)])
    if not before:
        return seeded
    verdicts = st.sampled_from([Source((step.name, "is"), own) for step in before])
    given = st.lists(verdicts, min_size=1, max_size=2, unique=True).map(tuple)
    return st.one_of(given, given, seeded)


@st.composite
def _inputs(draw: st.DrawFn) -> tuple[tuple[str, Any, str], ...]:
    given: list[tuple[str, Any, str]] = []
    for name in ("v0", "v1", "v2"):
        for origin in ("seed", "seed", "client"):
            if draw(st.booleans()):
                given.append((name, f"{name}-{len(given)}", origin))
    if draw(st.booleans()):
        given.append((HINT.name, "hinted", "seed"))
    for origin in ("seed", "client"):
        if draw(st.booleans()):
            given.append((FLAG.name, draw(st.booleans()), origin))
    return tuple(draw(st.permutations(given)))


# As DFFML has it.


def dataflow(drawn: Drawn, calls: list[Any]) -> DataFlow:
    """Return the flow; its operations note in `calls` what they are called with."""
    made = collecting(*(_operation(step, calls) for step in drawn.steps), of=VALUES)
    for step in drawn.steps:
        made.flow[step.name] = InputFlow(
            inputs={
                key: [source.in_dffml_s_words() for source in sources]
                for key, (_, sources) in step.parameters.items()
            },
            conditions=[_condition_in_words(sources) for sources in step.conditions],
        )
    made.update()
    return made


def inputs(drawn: Drawn) -> dict[str, list[Input]]:
    return {
        name: [
            Input(value=value, definition=DEFINITIONS[definition], origin=origin)
            for definition, value, origin in given
        ]
        for name, given in drawn.inputs.items()
    }


def _condition_in_words(sources: tuple[Source, ...]) -> Any:
    if isinstance(sources[0].origin, str):
        return sources[0].origin
    return {source.origin[0]: source.origin[1] for source in sources}


def _operation(step: Step, calls: list[Any]) -> Any:
    declared: dict[str, Any] = {
        "name": step.name,
        "inputs": {key: definition for key, (definition, _) in step.parameters.items()},
        "outputs": {"out": step.gives, "is": FLAG},
        "conditions": [FLAG] * len(step.conditions),
        "expand": ["out"] if step.way == "list" else [],
    }

    async def run(**given: Any) -> Any:
        calls.append((step.name, *sorted(given.items())))
        found = outputs_of(step, given)
        return found[0] if found else None

    async def run_in_parts(**given: Any) -> Any:
        calls.append((step.name, *sorted(given.items())))
        for each in outputs_of(step, given):
            yield each

    made = op(**declared)(run_in_parts if step.way == "yields" else run)
    made.imp.cheap = step.cheap
    return made


# The model.


@dataclass(frozen=True, eq=False)
class Item:
    value: Any
    name: str
    origin: Origin
    parents: tuple[Item, ...] = ()


@dataclass
class Expected:
    """What must come of one context. `sound` says that DFFML's own gets it right, too."""

    calls: Counter[Any]
    values: dict[str, list[str]]
    sound: bool


def expected(drawn: Drawn, context: str, most: int) -> Expected | None:
    """Try every step with everything until nothing is new; `None` after `most` calls."""
    items = [Item(value, name, origin) for name, value, origin in drawn.inputs[context]]
    items.append(Item([], "asked", "seed"))  # what `collecting` adds
    called: dict[Any, Any] = {}
    sound = True
    news = True
    while news:
        news = False
        for step in drawn.steps:
            if not _holds(step, items):
                continue
            pools = {key: _pool(items, *each) for key, each in step.parameters.items()}
            sound = sound and _is_sound(step, pools)
            for chosen in product(*pools.values()):
                if (step.name, chosen) in called:
                    continue
                news = True
                if len(called) == most:
                    return None
                given = {key: item.value for key, item in zip(pools, chosen, strict=True)}
                called[step.name, chosen] = (step.name, *sorted(given.items()))
                items += _made(step, given, tuple(each for each in chosen if each is not DEFAULT))
    values = {
        each.name: sorted(item.value for item in items if item.name == each.name) for each in VALUES
    }
    return Expected(
        Counter(called.values()), {name: given for name, given in values.items() if given}, sound
    )


DEFAULT = Item(HINT.default, HINT.name, "default")


def _pool(items: list[Item], definition: Definition, sources: tuple[Source, ...]) -> list[Item]:
    found = [item for item in items if any(_accepts(source, item) for source in sources)]
    return found or ([DEFAULT] if definition is HINT else [])


def _accepts(source: Source, item: Item) -> bool:
    if item.origin != source.origin or item.name not in source.names:
        return False
    return source.parent is None or source.parent in [each.origin for each in item.parents]


def _holds(step: Step, items: list[Item]) -> bool:
    if not step.conditions:
        return True
    for sources in step.conditions:
        verdicts = []
        for source in sources:
            came = [item for item in items if item.origin == source.origin]
            if not came:
                return False
            verdicts += [item.value for item in came if item.name in source.names]
        if verdicts and verdicts[-1]:
            return True
    return False


def _made(step: Step, given: dict[str, Any], parents: tuple[Item, ...]) -> list[Item]:
    made: list[Item] = []
    for each in outputs_of(step, given):
        for key, value in each.items():
            name = step.gives.name if key == "out" else FLAG.name
            for one in value if isinstance(value, list) else [value]:
                made.append(Item(one, name, (step.name, key), parents))
    return made


def _is_sound(step: Step, pools: dict[str, list[Item]]) -> bool:
    """Whether DFFML's own runs the step rightly.

    Its redundancy key is wrong for a value that two parameters take, and for a default; an
    operation without inputs whose conditions hold at the start runs twice; alternate
    definitions of which nothing has come are an error.
    """
    for key, (_, sources) in step.parameters.items():
        if not pools[key] and any(source.alternates for source in sources):
            return False
    taken = [item for pool in pools.values() for item in pool]
    if len(set(taken)) < len(taken) or DEFAULT in taken:
        return False
    seeded = any(isinstance(s.origin, str) for sources in step.conditions for s in sources)
    return bool(step.parameters) or not seeded
