"""Which values an expression or a template compares with which texts. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from itertools import product
from typing import Any

from chatbot.flowfile.template import Expression, TemplateError, faults, is_template

MOST = 4096
"""Combinations of values that are tried."""

_ORDERED = ("lt", "lteq", "gt", "gteq")
_OTHER = "\0"
"""A text that no flow file can name."""


def compared(text: str) -> Iterator[tuple[str, str]]:
    """Yield (value's name, text) wherever a template without faults compares a value with a text.

    The value's name is as `template.used` has it: `understand.label`.
    """
    from jinja2 import nodes

    tree = parsed(text)
    if tree is None:
        return
    for compare in tree.find_all(nodes.Compare):
        sides = [compare.expr, *(operand.expr for operand in compare.ops)]
        if not all(operand.op in ("eq", "ne", "in", "notin") for operand in compare.ops):
            continue
        names = [name for side in sides if (name := value_name(side))]
        for name in names if len(names) == 1 else ():
            for side in sides:
                for value in _texts(side):
                    yield name, value


def parsed(text: str) -> Any:
    """Return Jinja's tree of a template, to look at; `None` for a text that is none."""
    from jinja2 import Environment, TemplateSyntaxError

    if not is_template(text):
        return None
    try:
        return Environment(autoescape=True).parse(text)  # it is looked at, and never run
    except TemplateSyntaxError:
        return None


def texts_of(text: str) -> list[str]:
    """Return what a template says as it stands."""
    from jinja2 import nodes

    tree = parsed(text)
    return [] if tree is None else [each.data for each in tree.find_all(nodes.TemplateData)]


def value_name(node: Any) -> str:
    """Return the name of the value that a part of a template is: `a.b` or `a`; "" for another."""
    from jinja2 import nodes

    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        return f"{node.node.name}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else ""


def _texts(node: Any) -> Iterator[str]:
    from jinja2 import nodes

    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, nodes.List | nodes.Tuple):
        for item in node.items:
            yield from _texts(item)


def regions(text: str, name: str, least: float | None, most: float | None) -> list[Any] | None:
    """Return values of `name` between which an expression cannot tell any others apart.

    Of a number that is only compared with numbers: those, what lies between each two of them, and
    below and above all, within `least` and `most`; of a text likewise those, and another. `None`
    where the expression does more with it.
    """
    tree = parsed(text)
    if tree is None:
        return None
    found = _constants(tree, name)
    if not found:
        return None
    if all(isinstance(each, str) for each in found):
        return [*dict.fromkeys(found), _OTHER]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in found):
        return None
    return _points([float(each) for each in found], least, most)


def _points(constants: list[float], least: float | None, most: float | None) -> list[Any]:
    given = sorted({*constants, *(each for each in (least, most) if each is not None)})
    between = [(a + b) / 2 for a, b in itertools.pairwise(given)]
    points = [given[0] - 1, *given, *between, given[-1] + 1]
    return [
        each
        for each in sorted(points)
        if (least is None or each >= least) and (most is None or each <= most)
    ]


def _constants(tree: Any, name: str) -> list[Any] | None:
    """Return all that `name` is compared with; `None` where it is used in any other way."""
    from jinja2 import nodes

    found: list[Any] = []
    compared = 0
    for compare in tree.find_all(nodes.Compare):
        sides = [compare.expr, *(operand.expr for operand in compare.ops)]
        if not any(value_name(side) == name for side in sides):
            continue
        compared += sum(value_name(side) == name for side in sides)
        among = compare.ops[0].op in ("in", "notin")
        if among and (len(compare.ops) > 1 or value_name(compare.expr) != name):
            return None
        others = [side for side in sides if value_name(side) != name]
        if among:
            others = (
                list(others[0].items) if isinstance(others[0], nodes.List | nodes.Tuple) else [None]
            )
        ordered = any(operand.op in _ORDERED for operand in compare.ops)
        for side in others:
            value = _constant(side)
            if value is None or (ordered and isinstance(value, str)):
                return None
            found.append(value)
    uses = sum(value_name(node) == name for node in tree.find_all((nodes.Getattr, nodes.Name)))
    return found if uses == compared else None


def _constant(node: Any) -> Any:
    from jinja2 import nodes

    if isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const):
        return -node.node.value if isinstance(node.node.value, int | float) else None
    return node.value if isinstance(node, nodes.Const) else None


def outcomes(text: str, choices: dict[str, list[Any]]) -> list[Any] | None:
    """Return all values that an expression can have if its inputs have one of `choices` each.

    `None` where that is too much to try, or it cannot be told.
    """
    if faults(text):
        return None
    count = 1
    for values in choices.values():
        count *= max(len(values), 1)
    if count > MOST:
        return None
    expression = Expression(text)
    found = []
    for given in product(*choices.values()):
        try:
            found.append(expression.value(dict(zip(choices, given, strict=True))))
        except TemplateError:
            return None
    return found
