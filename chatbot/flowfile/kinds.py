"""Refuses templates that compare, add or go through values of kinds that do not go together.

What is of no known kind agrees with everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chatbot.flowfile.agreement import kind_of, words_of
from chatbot.flowfile.comparisons import parsed, value_name
from chatbot.flowfile.entries import SET
from chatbot.flowfile.problems import Mark, Report, suggest
from chatbot.flowfile.sections import SCHEDULE, Literal
from chatbot.flowfile.templated import place
from chatbot.flowfile.tracing import Frame, Nothing, Origin, origins
from chatbot.flowfile.wiring import Part
from chatbot.schedule import FIELDS

_NUMBERS = frozenset(("int", "float"))
_ALONE = re.compile(r"\{\{ *([\w.]+) *\}\}")
_CONSTANTS = {bool: "bool", int: "int", float: "float", str: "string"}


def check(frame: Frame, report: Report) -> set[str]:
    """Report each value in a template of this file that is used as what it is not.

    Returns the names of the instances whose templates they are.
    """
    wrong = set()
    for name, part in frame.parts.items():
        templates = getattr(part.implementation, "templates", None)
        config = part.section.config
        if templates is None or config is None or part.configuration.value is None:
            continue
        for path, text in templates(part.configuration.value):
            mark = config.at(tuple(path)).mark
            for value, message, hint in _faults(frame, part, text):
                report.add(place(mark, value), message, hint)
                wrong.add(name)
            if part.section.run == SET:
                _check_change(frame, part, tuple(path), text, mark, report)
    return wrong


def _faults(frame: Frame, part: Part, text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (where, what is wrong, what to do)."""
    from jinja2 import nodes

    tree = parsed(text)
    if tree is None:
        return
    for compare in tree.find_all(nodes.Compare):
        sides = [compare.expr, *(operand.expr for operand in compare.ops)]
        for left, right, operand in zip(sides, sides[1:], compare.ops, strict=False):
            if operand.op not in ("in", "notin"):
                yield from _of_pair(frame, part, left, right, "is compared with")
    for added in tree.find_all((nodes.Add, nodes.Sub)):
        yield from _of_pair(frame, part, added.left, added.right, "cannot be added to")
    for loop in tree.find_all(nodes.For):
        name = value_name(loop.iter)
        if (kind := _kind(frame, part, loop.iter)) in {*_NUMBERS, "bool"}:
            yield name, f"`{name}` is {words_of(kind)}, and not a list to go through", ""
    for inner in tree.find_all(nodes.Getattr):
        name = value_name(inner.node)
        if name.startswith(f"{SCHEDULE}.") and inner.attr not in FIELDS:
            message = f"a schedule has no field `{inner.attr}`"
            yield f"{name}.{inner.attr}", message, suggest(inner.attr, FIELDS, what="there are")


def _of_pair(
    frame: Frame, part: Part, left: Any, right: Any, how: str
) -> Iterator[tuple[str, str, str]]:
    for one, other in ((left, right), (right, left)):
        name = value_name(one)
        kinds = _kind(frame, part, one), _kind(frame, part, other)
        if name and all(kinds) and _clash(*kinds):
            message = f"`{name}` is {words_of(kinds[0])}, and {how} {words_of(kinds[1])}"
            yield name, message, _hint(kinds[0], other)
            return


def _clash(one: str, other: str) -> bool:
    pair = {one, other}
    return "string" in pair and len(pair) > 1 and bool(pair & {*_NUMBERS, "bool"})


def _hint(kind: str, other: Any) -> str:
    value = getattr(other, "value", None)
    if isinstance(value, str) and kind in {*_NUMBERS, "bool"}:
        return f"write {value}, without quotes" if _is_plain(value, kind) else ""
    return "`| int` and `| float` make a number of a text" if kind == "string" else ""


def _is_plain(text: str, kind: str) -> bool:
    if kind == "bool":
        return text in ("true", "false")
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def _kind(frame: Frame, part: Part, node: Any) -> str:
    """Return the kind of a constant, or of a value by its name; "" where it is not known."""
    from jinja2 import nodes

    if isinstance(node, nodes.Const):
        return _CONSTANTS.get(type(node.value), "")
    wire = part.section.inputs.get(value_name(node))
    if wire is None or wire.default is not None:
        return ""
    kinds = set()
    for source in wire.sources:
        for each in [source] if isinstance(source, Literal) else origins(frame, source):
            if not isinstance(each, Nothing):
                kinds.add(_kind_of(each))
    return kinds.pop() if len(kinds) == 1 else ""


def _kind_of(given: Any) -> str:
    if isinstance(given, Literal):
        return _CONSTANTS.get(type(given.value), "")
    if not isinstance(given, Origin):
        return ""
    if given.part is not None and given.source.key in given.part.operation.expand:
        return ""
    return kind_of(given.definition.primitive)


def _check_change(
    frame: Frame, part: Part, path: tuple[Any, ...], text: str, mark: Mark, report: Report
) -> None:
    """Report a state that is set to a value of another kind than it is of."""
    _, name, way = path
    alone = _ALONE.fullmatch(text)
    wire = part.section.inputs.get(alone[1]) if alone else None
    state = frame.seeds.get("state", {}).get(name)
    if wire is None or alone is None or state is None or way not in ("to", "add"):
        return
    tree = parsed(text)
    given = _kind(frame, part, tree.body[0].nodes[0]) if tree is not None else ""
    wanted = "float" if way == "add" else kind_of(state.primitive)
    if not given or not wanted or given == wanted or {given, wanted} <= _NUMBERS:
        return
    message = f"`{alone[1]}` is {words_of(given)}, and the state `{name}` is {words_of(wanted)}"
    report.add(mark, message, "take another value, or give the state another `type`")
