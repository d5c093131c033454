"""Sources to DFFML's terms: which definition, which origin. One scope is one flow file.

The rule: within a dataflow no two instances share a definition, so that what one of them gave
is never taken for what another gave. Outputs are called `<instance>.<output>`, inputs
`<instance>.inputs.<input>`, a subflow's `<instance>/<input>`; only what the bot is to say or do
is called `reply` and `action`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from chatbot.flowfile.configuration import Configuration
from chatbot.flowfile.problems import Report, nearest, suggest
from chatbot.flowfile.sections import INPUT, MESSAGE, PRIMITIVES, Literal, Section, Source

REPLY = "reply"
ACTION = "action"
DECISIONS = (REPLY, ACTION)
_MESSAGE_PRIMITIVES = {
    "time": "datetime",
    "addressed": "bool",
    "private": "bool",
    "old": "bool",
    "roles": "array",
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


def input_seeds(instance: str, inputs: dict[str, str]) -> dict[str, Any]:
    """Return the definitions of the inputs of the subflow `instance`, a string first.

    `inputs` maps names to types. DFFML names the subflow's context by the first of them.
    """
    from dffml import Definition

    ordered = sorted(inputs, key=lambda name: inputs[name] != "string")
    return {name: Definition(f"{instance}/{name}", PRIMITIVES[inputs[name]]) for name in ordered}


def renamed(part: Part, *, collected: bool) -> Part:
    """Return `part` with definitions of its own.

    Where decisions are `collected` (in the flow for a bot) they keep the name that they are
    collected by.
    """
    name, operation = part.section.name, part.operation
    given = {k: d.name for k, d in operation.outputs.items() if d.name in DECISIONS}
    decisions = {**given, **part.decisions}
    kept = decisions if collected else {}
    own = {k: kept.get(k, f"{name}.{k}") for k in operation.outputs}
    operation = operation._replace(
        instance_name=name,
        inputs={k: d._replace(name=f"{name}.inputs.{k}") for k, d in operation.inputs.items()}
        if part.section.run
        else operation.inputs,  # the subflow knows its inputs by these names
        outputs={k: hashable(d._replace(name=own[k])) for k, d in operation.outputs.items()},
        retry=part.section.retry,
    )
    return replace(part, operation=operation, decisions=decisions)


class Scope:
    """What the instances of one flow file may name.

    `seeds` are the message's fields or the subflow's inputs, as `kind` (`message`, `input`)
    says; `parts` are the instances.
    """

    def __init__(
        self, kind: str, seeds: dict[str, Any], parts: dict[str, Part], report: Report
    ) -> None:
        self._kind = kind
        self._seeds = seeds
        self._parts = parts
        self._report = report

    def definition(self, source: Source) -> Any:
        """Return the definition of what `source` names; `None` when there is none to be had."""
        if source.origin == self._kind:
            return self._seed(source)
        if source.origin in (MESSAGE, INPUT):
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
        inputs = {
            key: self._wire(part, key, definition, seeds)
            for key, definition in operation.inputs.items()
        }
        conditions = [(s, self.definition(s)) for s in section.when]
        known = [(s, d) for s, d in conditions if d is not None]
        return Wired(
            operation=operation._replace(
                inputs={k: hashable(d) for k, d in operation.inputs.items()},
                conditions=[definition for _, definition in known],
            ),
            implementation=part.implementation,
            config=part.configuration.value,
            flow=InputFlow(inputs=inputs, conditions=[_flow_source(s, d) for s, d in known]),
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

    def _seed(self, source: Source) -> Any:
        if source.key not in self._seeds:
            what = (
                "a message has no field" if self._kind == MESSAGE else "this subflow has no input"
            )
            hint = suggest(source.key, self._seeds, what="there are")
            self._report.add(source.mark, f"{what} `{source.key}`", hint)
        return self._seeds.get(source.key)

    def _wrong_kind(self, source: Source) -> None:
        if source.origin == MESSAGE:
            message, hint = "a subflow does not see the message", "give it what it needs as inputs"
        else:
            message, hint = "only a subflow has inputs", "write message.<field>"
        self._report.add(source.mark, message, hint)

    def _output(self, source: Source, outputs: dict[str, Any]) -> Any:
        if source.key not in outputs:
            hint = suggest(source.key, outputs, what="outputs") or "it gives nothing"
            message = f"`{source.origin}` has no output `{source.key}`"
            self._report.add(source.mark, message, hint)
        return outputs.get(source.key)

    def _check_names(self, section: Section, operation: Any) -> None:
        for key, wire in section.inputs.items():
            if key not in operation.inputs:
                hint = suggest(key, operation.inputs, what="inputs")
                self._report.add(wire.mark, f"`{section.name}` has no input `{key}`", hint)
                self._check(wire.sources)

    def _wire(self, part: Part, key: str, definition: Any, seeds: list[Any]) -> list[Any]:
        section = part.section
        if key not in section.inputs:
            return self._default(part, key, definition, seeds)
        sources = []
        for source in section.inputs[key].sources:
            if isinstance(source, Literal):
                own = hashable(definition._replace(name=f"{section.name}.inputs.{key}"))
                seeds += self._given(source, own)
                sources.append({"seed": [own.name]})
            elif (found := self.definition(source)) is not None:
                sources.append(_flow_source(source, found))
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


def _flow_source(source: Source, definition: Any) -> dict[str, Any]:
    if source.origin in (MESSAGE, INPUT):
        return {"seed": [definition.name]}
    return {source.origin: source.key}


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
