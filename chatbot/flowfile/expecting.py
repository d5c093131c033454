"""What people write in a test: the keys that they guess, actions, numbers; checked, with places."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from chatbot.flowfile.document import Node
from chatbot.flowfile.pattern import BOUND
from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.sections import keys
from chatbot.messages import ACTIONS

_ACTION = ("kind", "to", "text", "seconds", "on", "room", "tell")
_MEANT = re.compile(r"(?:[<>=]=?|=[<>]|<>) ?-?\d+(?:[.,]\d+)?")
"""What is meant as a bound, whatever it is."""

_KEYS = {
    **dict.fromkeys(("say", "says", "text", "message", "input", "question", "user"), "said"),
    **dict.fromkeys(("replies", "answer", "answers", "response", "responses", "bot"), "reply"),
    **dict.fromkeys(("sender", "from", "nickname", "author", "who"), "by"),
    **dict.fromkeys(("channel", "in", "where"), "room"),
    **dict.fromkeys(("silent", "no_reply", "quiet"), "silence"),
    **dict.fromkeys(("actions", "does", "do"), "action"),
    **dict.fromkeys(("intent", "labels", "class"), "label"),
    **dict.fromkeys(("time", "when", "date"), "at"),
    **dict.fromkeys(("wait", "delay", "later"), "after"),
    **dict.fromkeys(("due", "schedules"), "schedule"),
    **dict.fromkeys(("fails", "raises", "exception"), "error"),
    **dict.fromkeys(("title", "test", "id"), "name"),
}
"""Words that others have for the keys of a test."""

_SKIP = ("skip", "skipped", "disabled", "ignore", "todo", "only")
_SKIP_HINT = "no test is left out: xfail says why one fails, and -k TEXT runs some of them"


def with_meant_keys(node: Node, known: Collection[str], report: Report) -> Node:
    """Return a test with the keys that were meant, where that is clear; they are reported."""
    if not isinstance(node.value, dict):
        return node
    found: dict[str, Node] = {}
    for name, each in node.value.items():
        meant = _KEYS.get(name.lower(), "")
        if name in known or (name.lower() not in _SKIP and meant not in known):
            found[name] = each
            continue
        hint = f"did you mean {meant}?" if meant else _SKIP_HINT
        report.add(each.key, f"a test has no key `{name}`", hint)
        if meant and meant not in node.value:
            found[meant] = each
    return replace(node, value=found)


def read_actions(node: Node | None, report: Report) -> tuple[dict[str, Any], ...] | None:
    """Return what is expected of actions; `None` where that is not asked."""
    if node is None:
        return None
    items = node.value if isinstance(node.value, list) else [node]
    return tuple(_action(each, report) for each in items if each.value is not False)


def check_bound(node: Node, what: str, report: Report) -> None:
    """Report a text that is meant as a bound of a number, and is none."""
    text = node.value
    if isinstance(text, str) and _MEANT.fullmatch(text.strip()) and not BOUND.fullmatch(text):
        hint = 'write "> 0.5", ">= 0.5", "< 0.5" or "<= 0.5", or the number alone'
        report.add(node.mark, f"`{what}`: `{text}` is no bound", hint)


def _action(node: Node, report: Report) -> dict[str, Any]:
    kind: Node | None = node
    given: dict[str, Node] = {}
    if isinstance(node.value, dict):
        before = len(report)
        given = keys(node, _ACTION, "an action", report)
        kind = given.get("kind")
        if kind is None and len(report) > before:  # what was meant is said
            return {}
    if kind is None or kind.value not in ACTIONS:
        where = kind or node
        hint = suggest(str(where.value), ACTIONS) if kind is not None else ""
        report.add(where.mark, f"an action is one of {', '.join(ACTIONS)}", hint)
    if "seconds" in given:
        _check_seconds(given["seconds"], report)
    own = {name: each.plain() for name, each in given.items()}
    return {"kind": kind.value if kind else "", **own}


def _check_seconds(node: Node, report: Report) -> None:
    value = node.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return
    if not (isinstance(value, str) and BOUND.fullmatch(value)):
        message = "`seconds` must be a number, or a bound"
        report.add(node.mark, message, 'such as 1800, or "> 60"')
