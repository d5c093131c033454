"""A flow file's `state`, checked, with its places."""

from __future__ import annotations

from typing import Any

from chatbot import units
from chatbot.errors import UsageError
from chatbot.flowfile import slips
from chatbot.flowfile.document import Node
from chatbot.flowfile.keys import PRIMITIVES, names
from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.sections import FlowFile, keys, mapping
from chatbot.kept import KEEP, LONGEST, SCOPES, Kept

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
}


def read_types(node: Node | None) -> dict[str, str]:
    """Return the names of the values that are declared, with their types; reports nothing."""
    if node is not None and isinstance(node.value, list):  # which is told
        return {str(each.plain()): "any" for each in node.value}
    entries = node.value if node is not None and isinstance(node.value, dict) else {}
    return {name: _word(entry, "type", PRIMITIVES, "any") for name, entry in entries.items()}


def read_state(file: FlowFile, report: Report) -> tuple[Kept, ...]:
    """Return what a flow keeps; what is wrong is reported, with changes of what is not declared."""
    entries = {} if file.state is None else mapping(file.state, "`state`", report)
    found = []
    for name, entry in entries.items():
        if name.isidentifier():
            found.append(_kept(name, entry, report))
        else:
            report.add(entry.key, f"`{name}` cannot be a name here", "letters, digits and _")
    for name, node in _changed(file):
        if name not in entries:
            hint = suggest(name, entries, what="there are") or f"state: {{{name}: {{}}}}"
            report.add(node.key, f"this flow declares no state `{name}`", hint)
        else:
            _check_change(name, node, read_types(file.state).get(name, "any"), report)
    return tuple(found)


def _check_change(name: str, node: Node, kind: str, report: Report) -> None:
    """Report a change that no value of this kind can have."""
    given = node.value if isinstance(node.value, dict) else {}
    for way, kinds in (("add", ("number", "integer")), ("append", ("list",))):
        if way in given and kind not in (*kinds, "any"):
            what = "a number grows" if way == "add" else "a list takes more"
            hint = f"only {what}; write {{value: ...}}, or another `type`"
            report.add(given[way].key, f"`{name}` is of type {kind}: it has no `{way}`", hint)
    value = given.get("value")
    if value is not None and not is_of(kind, value.plain()):
        report.add(value.mark, f"`{name}` must be of type {kind}, not {value.kind}")


def _kept(name: str, node: Node, report: Report) -> Kept:
    if not isinstance(node.value, dict | None):
        hint = f"write {{start: {node.value}}}" if not isinstance(node.value, list) else ""
        report.add(node.mark, f"`{name}` must be a map, not {node.kind}", hint)
        return Kept(name=name)
    given = keys(node, names("state"), f"`{name}`", report)
    kind = _choice(given, "type", tuple(PRIMITIVES), "any", report)
    start = given["start"].plain() if "start" in given else None
    if not is_of(kind, start):
        report.add(
            given["start"].mark, f"`start` must be of type {kind}, not {given['start'].kind}"
        )
    return Kept(
        name=name,
        per=_choice(given, "per", SCOPES, SCOPES[0], report),
        start=start,
        keep=_keep(given.get("keep"), report),
        type=kind,
    )


def _keep(node: Node | None, report: Report) -> float:
    if node is None or node.value is None:
        return KEEP
    try:
        seconds = units.duration(str(node.value))
    except UsageError as error:
        report.add(node.mark, f"`keep`: {error.message}", error.hint)
        return KEEP
    if not 1.0 <= seconds <= LONGEST:
        most = units.shown_duration(LONGEST)
        report.add(node.mark, f"`keep` must be from 1s to {most}")
        return KEEP
    return seconds


def _changed(file: FlowFile) -> list[tuple[str, Node]]:
    """Return the names that `set` changes, and how it does."""
    found: list[tuple[str, Node]] = []
    for section in file.operations.values():
        if section.run == "set_state" and section.config is not None:
            changes = section.config.at(("changes",)).value
            if isinstance(changes, dict):
                found += changes.items()
    return found


def is_of(kind: str, value: Any) -> bool:
    """Whether a value, null among them, is of a declared type."""
    wanted = _TYPES.get(kind)
    return value is None or wanted is None or _is(value, wanted)


def uses_state(file: FlowFile) -> bool:
    """Whether what a person says depends on what they said before."""
    return bool(read_types(file.state))


def _is(value: Any, wanted: tuple[type, ...]) -> bool:
    return isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))


def _choice(
    given: dict[str, Node], key: str, words: tuple[str, ...], default: str, report: Report
) -> str:
    node = given.get(key)
    if node is None or node.value is None:
        return default
    if node.value not in words:
        hint = suggest(str(node.plain()), words, what="there are")
        if key == "type" and (meant := slips.meant_type(str(node.plain()), words)):
            hint = f"did you mean {meant}?"
        report.add(node.mark, f"`{key}` must be one of {', '.join(words)}", hint)
        return default
    return str(node.value)


def _word(node: Node, key: str, words: dict[str, str], default: str) -> str:
    found = node.at((key,)) if isinstance(node.value, dict) and key in node.value else None
    return str(found.value) if found is not None and found.value in words else default
