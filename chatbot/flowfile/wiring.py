"""Sources to DFFML's terms: which definition, which origin. One scope is one flow file.

The rule: within a dataflow no two instances share a definition, so that what one of them gave
is never taken for what another gave. Outputs are called `<instance>.<output>`, inputs
`<instance>.inputs.<input>`, a subflow's `<instance>/<input>`; only what the bot is to say or do
is called `reply` and `action`, and what is to be kept `state.change`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chatbot.flowfile.configuration import Configuration
from chatbot.flowfile.keys import PRIMITIVES
from chatbot.flowfile.problems import Report, nearest, suggest
from chatbot.flowfile.sections import (
    INPUT,
    MESSAGE,
    SCHEDULE,
    SEEDS,
    STATE,
    Literal,
    Section,
    Seed,
    Source,
)

REPLY = "reply"
ACTION = "action"
CHANGE = "state.change"
DECISIONS = (REPLY, ACTION, CHANGE)
_MESSAGE_PRIMITIVES = {
    "time": "datetime",
    "addressed": "bool",
    "private": "bool",
    "old": "bool",
    "roles": "array",
}


_WITHOUT_OPERATIONS = (MESSAGE, INPUT, STATE, SCHEDULE, SEEDS)
_NONE = {
    MESSAGE: "a message has no field",
    INPUT: "this subflow has no input",
    STATE: "this flow declares no state",
    SCHEDULE: "this flow has no schedule",
    SEEDS: "this file has no seed",
}


@dataclass(frozen=True, slots=True)
class Part:
    """An instance on its way into a dataflow: its operation has its own definitions.

    `operation` is `None` where it could not be had, which was reported; then nothing is known
    of its inputs and outputs, and nothing more is reported of them. `decisions` are the outputs
    in which the operation gives what the bot is to say or do, as `reply` or `action`.
    """

    section: Section
    operation: Any = None
    implementation: Any = None
    configuration: Configuration = field(default_factory=Configuration)
    decisions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wired:
    """An instance in a dataflow: operation, DFFML's input flow, and the seeds for it alone."""

    operation: Any
    implementation: Any
    flow: Any
    seeds: list[Any]
    config: Any = None


def message_seeds() -> dict[str, Any]:
    """Return the definitions of a message's fields: `message.<field>` for each of them."""
    from dffml import Definition

    from chatbot.messages import ChatMessage

    return {
        name: Definition(f"{MESSAGE}.{name}", _MESSAGE_PRIMITIVES.get(name, "string"))
        for name in ChatMessage.__struct_fields__
    }


def declared_seeds(seeds: Mapping[str, Seed]) -> dict[str, Any]:
    """Return the definitions of the values that a file has in every context."""
    from dffml import Definition

    return {
        name: Definition(f"{SEEDS}.{name}", PRIMITIVES[seed.type], lock=seed.lock)
        for name, seed in seeds.items()
    }


def named_seeds(origin: str, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the definitions of what `origin` has, such as `state.<name>`: name → type."""
    from dffml import Definition

    return {name: Definition(f"{origin}.{name}", PRIMITIVES[t]) for name, t in names.items()}


def input_seeds(instance: str, inputs: dict[str, str]) -> dict[str, Any]:
    """Return the definitions of the inputs of the subflow `instance`, a string first.

    `inputs` maps names to types. DFFML names the subflow's context by the first of them.
    """
    from dffml import Definition

    ordered = sorted(inputs, key=lambda name: inputs[name] != "string")
    return {name: Definition(f"{instance}/{name}", PRIMITIVES[inputs[name]]) for name in ordered}


def renamed(part: Part, report: Report, *, collected: bool) -> Part:
    """Return `part` with definitions of its own.

    Where decisions are `collected` (in the flow for a bot) they keep the name that they are
    collected by.
    """
    from dffml import Stage

    name, operation = part.section.name, part.operation
    given = {k: d.name for k, d in operation.outputs.items() if d.name in DECISIONS}
    decisions = {**given, **part.decisions}
    kept = decisions if collected else {}
    own = {k: kept.get(k, f"{part.section.base or name}.{k}") for k in operation.outputs}
    _check_outputs(part, report)
    locked = {each.text for each in part.section.lock}
    operation = operation._replace(
        instance_name=name,
        inputs={k: d._replace(name=f"{name}.inputs.{k}") for k, d in operation.inputs.items()}
        if part.section.run
        else operation.inputs,  # the subflow knows its inputs by these names
        outputs={
            k: hashable(d._replace(name=own[k], lock=d.lock or k in locked))
            for k, d in operation.outputs.items()
        },
        retry=part.section.retry,
        expand=[*(operation.expand or []), *(each.text for each in part.section.expand)],
        stage=Stage.CLEANUP if part.section.cleanup else operation.stage,
    )
    return replace(part, operation=operation, decisions=decisions)


def _check_outputs(part: Part, report: Report) -> None:
    for each in (*part.section.expand, *part.section.lock):
        if each.text not in part.operation.outputs:
            hint = suggest(each.text, part.operation.outputs, what="outputs")
            message = f"`{part.section.name}` has no output `{each.text}`"
            report.add(each.mark, message, hint)


class Scope:
    """What the instances of one flow file may name.

    `seeds` are what is there without them, by origin: the message's fields or the subflow's
    inputs, as `kind` (`message`, `input`) says, state, schedules and seeds; `parts` are the
    instances. `checked` says which instance's output stands for a seed that it validates,
    `variants` which instances stand for one in some rooms.
    """

    def __init__(
        self,
        kind: str,
        seeds: dict[str, dict[str, Any]],
        parts: dict[str, Part],
        report: Report,
        checked: Mapping[str, Source] | None = None,
        variants: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._kind = kind
        self._seeds = seeds
        self._parts = parts
        self._report = report
        self._checked = checked or {}
        self._variants = variants or {}

    def definition(self, source: Source) -> Any:
        """Return the definition of what `source` names; `None` when there is none to be had."""
        source = self._valid(source)
        if source.origin in self._seeds:
            return self._seed(source)
        if source.origin in _WITHOUT_OPERATIONS:
            self._wrong_kind(source)
            return None
        part = self._parts.get(source.origin)
        if part is None:
            hint = suggest(source.origin, [*self._parts, self._kind], what="there are")
            self._report.add(source.mark, f"there is no `{source.origin}` in this flow", hint)
            return None
        if part.operation is None:
            return None
        return self._output(source, part.operation.outputs)

    def wire(self, part: Part) -> Wired:
        """Return the instance with its inputs and conditions; what is wrong is reported."""
        from dffml import InputFlow

        section, operation = part.section, part.operation
        self._check_names(section, operation)
        seeds: list[Any] = []
        given = {k: self._with_default(section, k, d) for k, d in operation.inputs.items()}
        # DFFML takes an input that has come for a default's origin: one must stand before it.
        inputs = {
            key: self._wire(part, key, operation.inputs[key], seeds)
            for key in sorted(given, key=lambda key: has_default(given[key]))
        }
        conditions = [(s, self.definition(s)) for s in section.when]
        known = [(s, d) for s, d in conditions if d is not None]
        return Wired(
            operation=operation._replace(
                inputs={k: hashable(d) for k, d in given.items()},
                conditions=[definition for _, definition in known],
            ),
            implementation=part.implementation,
            config=part.configuration.value,
            flow=InputFlow(inputs=inputs, conditions=[self._flow_source(s, d) for s, d in known]),
            seeds=seeds,
        )

    def check_sources(self, section: Section) -> None:
        """Report the wrong sources of an instance whose operation is not known."""
        for wire in section.inputs.values():
            self._check(wire.sources)
        self._check(section.when)

    def _check(self, sources: Iterable[Source | Literal]) -> None:
        for source in sources:
            if isinstance(source, Source):
                self.definition(source)

    def _valid(self, source: Source) -> Source:
        """Return what stands for `source`, where that is validated."""
        if source.origin != self._kind or source.key not in self._checked:
            return source
        found = self._checked[source.key]
        return Source(found.origin, found.key, source.mark, source.via)

    def _seed(self, source: Source) -> Any:
        seeds = self._seeds[source.origin]
        if source.key not in seeds:
            hint = suggest(source.key, seeds, what="there are")
            self._report.add(source.mark, f"{_NONE[source.origin]} `{source.key}`", hint)
        return seeds.get(source.key)

    def _wrong_kind(self, source: Source) -> None:
        if source.origin == INPUT:
            message, hint = "only a subflow has inputs", "write message.<field>"
        else:
            what = "message" if source.origin == MESSAGE else source.origin
            message, hint = f"a subflow does not see the {what}", "give it what it needs as inputs"
        self._report.add(source.mark, message, hint)

    def _with_default(self, section: Section, key: str, definition: Any) -> Any:
        wire = section.inputs.get(key)
        if wire is None or wire.default is None:
            return definition
        if not _is_hashable(wire.default.value):
            hint = "a text, a number, true or false, or null"
            self._report.add(wire.default.mark, "a default cannot be a list or a map", hint)
            return definition
        return definition._replace(default=wire.default.value)

    def _flow_source(self, source: Source, definition: Any) -> Any:
        """Return DFFML's words for where `source`, of that `definition`, comes from."""
        source = self._valid(source)
        if source.origin in self._seeds:
            own: dict[str, Any] = {"seed": [definition.name]}
        else:
            several = self._variants.get(source.origin, ())
            own = dict.fromkeys((source.origin, *several), source.key)
        if not source.via:
            return own
        path = [(each, self.definition(each)) for each in source.via]
        return [own, *(self._ancestor(each, d) for each, d in path if d is not None)]

    def _ancestor(self, source: Source, definition: Any) -> dict[str, Any]:
        found = self._flow_source(source, definition)
        assert isinstance(found, dict)
        if len(found) > 1:
            hint = "take what comes before it"
            self._report.add(source.mark, f"`{source.origin}` differs by room", hint)
        return found

    def _output(self, source: Source, outputs: dict[str, Any]) -> Any:
        if source.key not in outputs:
            hint = suggest(source.key, outputs, what="outputs") or "it gives nothing"
            message = f"`{source.origin}` has no output `{source.key}`"
            self._report.add(source.mark, message, hint)
        return outputs.get(source.key)

    def _check_names(self, section: Section, operation: Any) -> None:
        for key, wire in section.inputs.items():
            if key not in operation.inputs:
                known = [name for name in operation.inputs if name.isidentifier()]
                hint = suggest(key, known, what="inputs") or "it takes none"
                self._report.add(wire.mark, f"`{section.name}` has no input `{key}`", hint)
                self._check(wire.sources)

    def _wire(self, part: Part, key: str, definition: Any, seeds: list[Any]) -> list[Any]:
        section = part.section
        if key not in section.inputs and definition.validate:
            return ["seed"]  # it validates that
        if key not in section.inputs:
            return self._default(part, key, definition, seeds)
        sources = []
        for source in section.inputs[key].sources:
            if isinstance(source, Literal):
                own = hashable(definition._replace(name=f"{section.name}.inputs.{key}"))
                seeds += self._given(source, own)
                sources.append({"seed": [own.name]})
            elif (found := self.definition(source)) is not None:
                sources.append(self._flow_source(source, found))
        return sources

    def _given(self, literal: Literal, definition: Any) -> list[Any]:
        from dffml import Input
        from dffml.df.types import PrimitiveDoesNotMatchValue

        value = copy.deepcopy(literal.value)  # DFFML converts it in place, where there is a spec
        try:
            return [Input(value=value, definition=definition)]
        except (TypeError, ValueError, LookupError, PrimitiveDoesNotMatchValue) as error:
            self._report.add(literal.mark, f"the operation does not take this value: {error}")
            return []

    def _default(self, part: Part, key: str, definition: Any, seeds: list[Any]) -> list[Any]:
        from dffml import Input

        section, operation = part.section, part.operation
        if not section.complete or key in section.strays or key in _misspelt(section, operation):
            return ["seed"]  # it was given, though not as it should be, which was reported
        if not has_default(definition):
            message = f"`{section.name}` needs the input `{key}`, and nothing gives it"
            self._report.add(section.mark, message, f"inputs: {{{key}: ...}}")
        elif not _is_hashable(definition.default):
            seeds.append(Input(value=definition.default, definition=hashable(definition)))
        return ["seed"]


def _misspelt(section: Section, operation: Any) -> set[str]:
    """Return the inputs that were meant by those names of `inputs` that are none."""
    return {nearest(n, operation.inputs) for n in section.inputs if n not in operation.inputs}


def has_usable_default(definition: Any) -> bool:
    """Whether an input that is given in the file has a default where nothing comes."""
    return has_default(definition) and _is_hashable(definition.default)


def has_default(definition: Any) -> bool:
    """Whether an operation does without this input."""
    from dffml.df.types import NO_DEFAULT

    return not isinstance(definition.default, type(NO_DEFAULT))


def hashable(definition: Any) -> Any:
    """Drop a default that DFFML cannot hash; such a default becomes a seed instead."""
    from dffml.df.types import NO_DEFAULT

    if _is_hashable(definition.default):
        return definition
    return definition._replace(default=NO_DEFAULT)


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
