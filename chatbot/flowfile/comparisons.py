"""Which values an expression or a template compares with which texts. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from chatbot.flowfile.template import Expression, TemplateError, faults, is_template

MOST = 4096
"""Combinations of values that are tried."""


def compared(text: str) -> Iterator[tuple[str, str]]:
    """Yield (value's name, text) wherever a template without faults compares a value with a text.

    The value's name is as `template.used` has it: `understand.label`.
    """
    from jinja2 import Environment, TemplateSyntaxError, nodes

    if not is_template(text):
        return
    try:
        tree = Environment(autoescape=True).parse(text)  # it is looked at, and never run
    except TemplateSyntaxError:
        return
    for compare in tree.find_all(nodes.Compare):
        sides = [compare.expr, *(operand.expr for operand in compare.ops)]
        if not all(operand.op in ("eq", "ne", "in", "notin") for operand in compare.ops):
            continue
        names = [name for side in sides if (name := _name(side))]
        for name in names if len(names) == 1 else ():
            for side in sides:
                for value in _texts(side):
                    yield name, value


def _name(node: Any) -> str:
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
