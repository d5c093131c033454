"""`dotted.path=value` from the command line, laid over a flow file's tree.

A path that leads into a subflow's operations goes to that subflow's tree, when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chatbot.flowfile.document import DEEPEST, Node, parse
from chatbot.flowfile.problems import COMMAND_LINE, Mark, Report

TEXT = ("@", "#", "%", "`")
"""What begins a text on a command line, such as a Matrix id or a channel; to YAML it means what
nobody means there."""


@dataclass(frozen=True, slots=True)
class Override:
    """One override: the steps of its path that are still to go, and its value."""

    path: tuple[str, ...]
    node: Node

    @property
    def instance(self) -> str:
        """Return the subflow's instance that the path leads into, `""` where it does not."""
        steps = self.path
        into = len(steps) > 2 and steps[0] == "operations" and steps[2] == "operations"
        return steps[1] if into else ""

    def inner(self) -> Override:
        """Return what is left of it inside that subflow."""
        return replace(self, path=self.path[2:])


def parse_all(texts: Sequence[str], report: Report) -> list[Override]:
    """Return the overrides in `texts`; what is not one is reported at its number."""
    found = (_parse(text, Mark(COMMAND_LINE, n), report) for n, text in enumerate(texts, 1))
    return [override for override in found if override is not None]


def apply(tree: Node, overrides: Iterable[Override], report: Report) -> Node:
    """Return `tree` with those overrides that do not lead into a subflow; maps are made."""
    for override in overrides:
        if not override.instance:
            tree = _replaced(tree, override.path, override.node, report)
    return tree


def _parse(text: str, mark: Mark, report: Report) -> Override | None:
    path, equals, value = text.partition("=")
    steps = tuple(path.strip().split("."))
    if not equals or not all(steps):
        report.add(mark, "is not an override", "write dotted.path=value")
        return None
    if len(steps) > DEEPEST:
        report.add(mark, f"its path has over {DEEPEST} steps")
        return None
    start = replace(mark, column=len(path) + 2)
    if value.startswith(TEXT):
        return Override(steps, Node(start, value, mark))
    before = len(report)
    node = parse(value, start, report)
    if len(report) > before:
        return None
    return Override(steps, replace(node or Node(start, None, start), key=mark))


def _replaced(tree: Node | None, path: tuple[str, ...], new: Node, report: Report) -> Node:
    if not path:
        return new
    tree = tree or Node(new.mark, None, new.key)
    entries = {} if tree.value is None else tree.value
    if not isinstance(entries, dict):
        report.add(new.key, f"`{path[0]}` cannot be set inside {tree.kind}", "set all of it")
        return tree
    child = _replaced(entries.get(path[0]), path[1:], new, report)
    return replace(tree, value={**entries, path[0]: child})
