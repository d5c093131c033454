"""A flow file's `backlog` and `storage`, checked, with their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from chatbot import backlog, units
from chatbot.backlog import Backlog
from chatbot.errors import UsageError
from chatbot.flowfile.document import Node
from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.sections import keys
from chatbot.storage import LEAST, MOST_REPLICAS, Storage

AUTO = "auto"

_AGES = ("keep", "outcomes", "dead")
_KEYS = (*_AGES, "size", "replicas")

T = TypeVar("T")


def read_backlog(node: Node | None, report: Report) -> Backlog:
    """Return what `backlog` says; what is wrong is reported."""
    if node is None or node.value is None:
        return Backlog()
    if not isinstance(node.value, str):
        hint = f"for example {Backlog()}"
        report.add(node.mark, f"`backlog` must be a text, not {node.kind}", hint)
        return Backlog()
    word = node.value.replace(backlog.ONLY_RECORD, backlog.RECORD, 1).partition(" ")[0]
    if word not in backlog.POLICIES:
        hint = suggest(word, backlog.POLICIES)
        if _is_time(node.value):
            hint = f"write `skip older than {node.value}`, or `record older than {node.value}`"
        report.add(node.mark, f"`backlog`: there is no `{word}`", hint)
        return Backlog()
    return _read(node, Backlog.parse, "backlog", report) or Backlog()


def _is_time(text: str) -> bool:
    try:
        units.duration(text)
    except UsageError:
        return False
    return True


def read_storage(node: Node | None, report: Report) -> Storage:
    """Return what `storage` says; what is wrong is reported."""
    if node is None:
        return Storage()
    before = len(report)
    given = keys(node, _KEYS, "`storage`", report)
    ages = {name: _age(given.get(name), name, report) for name in _AGES}
    size = _size(given.get("size"), report)
    replicas = _replicas(given.get("replicas"), report)
    if len(report) > before:
        return Storage()
    try:
        return Storage(**{k: v for k, v in ages.items() if v}, size=size, replicas=replicas)
    except UsageError as error:
        where = given.get("outcomes") or given.get("keep") or node
        report.add(where.mark, f"`storage`: {error.message}", error.hint)
        return Storage()


def _age(node: Node | None, name: str, report: Report) -> float:
    seconds = _read(node, units.duration, name, report)
    if node is not None and seconds is not None and seconds < LEAST:
        least = units.shown_duration(LEAST)
        report.add(node.mark, f"`{name}` must be {least} or longer")
    return seconds or 0.0


def _size(node: Node | None, report: Report) -> int:
    return _read(node, units.size, "size", report) or 0


def _replicas(node: Node | None, report: Report) -> int:
    if node is None or node.value in (None, AUTO):
        return 0
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_REPLICAS:
        message = f"`replicas` must be {AUTO}, or a whole number from 1 to {MOST_REPLICAS}"
        report.add(node.mark, message)
        return 0
    return value


def _read(node: Node | None, parse: Callable[[str], T], name: str, report: Report) -> T | None:
    if node is None or node.value is None:
        return None
    if isinstance(node.value, bool) or not isinstance(node.value, str | int | float):
        report.add(node.mark, f"`{name}` must be a figure with its unit, not {node.kind}")
        return None
    try:
        return parse(str(node.value))
    except UsageError as error:
        report.add(node.mark, f"`{name}`: {error.message}", error.hint)
        return None
