"""Operations that are configured otherwise in some rooms: `listeners.<network>.rooms.<room>`.

Such an operation becomes several instances, of which `route` lets a message reach the one of its
room. The rule: what takes from it takes from any of them, and only one of them ever gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from chatbot.flowfile.document import Node
from chatbot.flowfile.entries import ACT, EXPRESSION, REPLY, SET
from chatbot.flowfile.including import merged
from chatbot.flowfile.keys import names
from chatbot.flowfile.overrides import Override
from chatbot.flowfile.problems import Mark, Report, suggest
from chatbot.flowfile.sections import (
    MESSAGE,
    FlowFile,
    Literal,
    Section,
    Source,
    Wire,
    keys,
    mapping,
)

ROUTE = "route"
VALUE, _GATE = "value", "_room"


@dataclass(frozen=True, slots=True)
class Varied:
    """A flow file in which operations differ by room.

    `variants` are the further instances of each, `overrides` what is different inside of those
    that are subflows.
    """

    file: FlowFile
    variants: dict[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: dict[str, list[Override]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Variant:
    network: str
    room: str
    node: Node


def varied(file: FlowFile, report: Report) -> Varied:
    """Return the flow with an instance for each room in which one of its operations differs."""
    found: dict[str, list[_Variant]] = {}
    for name, variant in _all(file, report):
        if name in file.operations and "~" not in name:
            found.setdefault(name, []).append(variant)
        else:
            hint = suggest(name, [n for n in file.operations if "~" not in n], what="there are")
            message = f"there is no operation `{name}` in this flow"
            report.add(variant.node.key, message, hint)
    if not found:
        return Varied(file)
    operations: dict[str, Section] = {}
    overrides: dict[str, list[Override]] = {}
    for name, section in file.operations.items():
        section = _with_merged_conditions(section, found, operations)
        if name not in found:
            operations[name] = section
            continue
        for made, over in _instances(section, found[name], report):
            operations[made.name] = made
            if over:
                overrides[made.name] = over
    variants = {
        name: tuple(_named(name, number) for number in range(1, len(each) + 1))
        for name, each in found.items()
    }
    return Varied(replace(file, operations=operations), variants, overrides)


def _all(file: FlowFile, report: Report) -> Iterator[tuple[str, _Variant]]:
    """Yield what the listeners say of operations: instance and variant."""
    for network, listener in file.listeners.items():
        rooms = listener.at(("rooms",))
        if rooms is listener or not isinstance(rooms.value, dict):
            continue
        for room, terms in rooms.value.items():
            given = terms.at(("operations",))
            if given is terms:
                continue
            for name, node in mapping(given, "`operations`", report).items():
                keys(node, names("variant"), f"`{name}`", report)
                yield name, _Variant(network, room, node)


def _instances(
    section: Section, variants: list[_Variant], report: Report
) -> Iterator[tuple[Section, list[Override]]]:
    """Yield the route, the instance for all other rooms, and one for each room."""
    route, gate = _route(section, variants)
    yield route, []
    yield _gated(section, gate, route.name, "rest"), []
    for number, variant in enumerate(variants, 1):
        made = _gated(section, gate, route.name, f"room{number}")
        made = replace(made, name=_named(section.name, number), base=section.name)
        config = variant.node.at(("config",))
        inner = variant.node.at(("operations",))
        if config is not variant.node and section.flow is not None:
            hint = "operations: {NAME: {config: …}}"
            report.add(config.key, f"`{section.name}` is a subflow: it has no `config`", hint)
        elif config is not variant.node:
            under = section.config or Node(config.mark, {}, config.key)
            made = replace(made, config=merged(under, config))
        if inner is not variant.node and section.flow is None:
            report.add(inner.key, f"`{section.name}` is not a subflow")
            continue
        within = inner is not variant.node
        yield made, list(_overrides(inner, ("operations",))) if within else []


def _route(section: Section, variants: list[_Variant]) -> tuple[Section, str]:
    """Return what lets a message reach the instance of its room, and by which input."""
    mark = section.mark
    gate = next(iter(section.inputs), _GATE)
    plain = section.run in (REPLY, ACT, SET, EXPRESSION)
    when = section.when if gate == _GATE and not plain else ()
    if plain or gate == _GATE:
        gate, wire = _GATE, Wire(mark, (Literal(True, mark),))
    else:
        wire = section.inputs[gate]
    fields = ("network", "room", "private")
    given = {name: Wire(mark, (Source(MESSAGE, name, mark),)) for name in fields}
    rooms = [_texts(mark, variant.network, variant.room) for variant in variants]
    config = Node(mark, {"rooms": Node(mark, rooms, mark)}, mark)
    name = route_of(section.name)
    inputs = {VALUE: wire, **given}
    return Section(name, mark, ROUTE, mark, inputs=inputs, when=when, config=config), gate


def _texts(mark: Mark, *texts: str) -> Node:
    listed: list[Node] = [Node(mark, text, mark) for text in texts]
    return Node(mark, listed, mark)


def _gated(section: Section, gate: str, route: str, output: str) -> Section:
    source = Source(route, output, section.mark)
    if gate == _GATE and section.run not in (REPLY, ACT, SET, EXPRESSION):
        return replace(section, when=(source,))  # the route has its conditions
    wire = section.inputs.get(gate)
    default = wire.default if wire else None
    return replace(section, inputs={**section.inputs, gate: Wire(section.mark, (source,), default)})


def _with_merged_conditions(
    section: Section, found: dict[str, list[_Variant]], operations: dict[str, Section]
) -> Section:
    """Have the conditions that one of several instances gives come from one place."""
    when = []
    for source in section.when:
        if source.origin not in found:
            when.append(source)
            continue
        name = f"{source.origin}~{source.key}"
        wire = Wire(source.mark, (source,))
        text = Node(source.mark, "{{ value }}", source.mark)
        config = Node(source.mark, {"text": text}, source.mark)
        operations[name] = Section(
            name, source.mark, EXPRESSION, source.mark, inputs={VALUE: wire}, config=config
        )
        when.append(Source(name, "value", source.mark))
    return replace(section, when=tuple(when))


def route_of(name: str) -> str:
    """Return what the instance is called that leads messages to `name` or one of its variants."""
    return f"{name}~room"


def _overrides(node: Node, path: tuple[str, ...]) -> Iterator[Override]:
    """Yield an override for each value in a map."""
    if isinstance(node.value, dict) and node.value:
        for name, each in node.value.items():
            yield from _overrides(each, (*path, name))
    else:
        yield Override(path, node)


def _named(name: str, number: int) -> str:
    return f"{name}~room{number}"
