"""`${NAME}` and `${NAME:-default}` in a listener's settings; keeps the values out of messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from chatbot.flowfile.document import Node, parse
from chatbot.flowfile.problems import Mark, Report

Variable = Callable[[str], str | None]

_REFERENCE = re.compile(
    r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>:-(?P<default>[^}]{0,256}))?\}"
)


@dataclass(frozen=True, slots=True)
class Unset:
    """A variable that is not set, without a default, and where it is asked for."""

    name: str
    mark: Mark


def fill_in(node: Node, variable: Variable, unset: list[Unset]) -> Node:
    """Return `node` with every reference replaced; what is not set is appended to `unset`.

    What was replaced stays a text: see `as_scalar`.
    """
    if isinstance(node.value, dict):
        filled = {name: fill_in(n, variable, unset) for name, n in node.value.items()}
        return replace(node, value=filled)
    if isinstance(node.value, list):
        return replace(node, value=[fill_in(n, variable, unset) for n in node.value])
    if not isinstance(node.value, str) or not _REFERENCE.search(node.value):
        return node
    return replace(node, value=_filled(node.value, node.mark, variable, unset))


def is_reference(node: Node) -> bool:
    """Whether the node's value is one reference and nothing else."""
    return isinstance(node.value, str) and _REFERENCE.fullmatch(node.value) is not None


def has_reference(node: Node) -> bool:
    """Whether a value from the environment is anywhere in what the node becomes."""
    if isinstance(node.value, dict | list):
        children = node.value.values() if isinstance(node.value, dict) else node.value
        return any(has_reference(child) for child in children)
    return isinstance(node.value, str) and _REFERENCE.search(node.value) is not None


def defaults(text: str) -> list[str]:
    """Return what the references in `text` stand for where their variables are not set."""
    return [match["default"] or "" for match in _REFERENCE.finditer(text)]


def as_scalar(node: Node) -> Node:
    """Return a text that came from the environment as the number or word that YAML sees in it."""
    read = parse(str(node.value), node.mark, Report())
    if read is None or isinstance(read.value, list | dict):
        return node
    return replace(node, value=read.value)


def _filled(text: str, mark: Mark, variable: Variable, unset: list[Unset]) -> str:
    def value(match: re.Match[str]) -> str:
        found = variable(match["name"])
        if found or (found is not None and match["rest"] is None):
            return found
        if match["rest"] is None:
            unset.append(Unset(match["name"], mark))
            return ""
        return match["default"]

    return _REFERENCE.sub(value, text)
