"""A flow file's `state`, checked, with its places."""

from __future__ import annotations

from typing import Any

from chatbot import units
from chatbot.errors import UsageError
from chatbot.flowfile.document import Node
from chatbot.flowfile.keys import PRIMITIVES, names
from chatbot.flowfile.problems import Mark, Report, suggest
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
    for name, mark in _changed(file):
        if name not in entries:
            hint = suggest(name, entries, what="there are") or f"state: {{{name}: {{}}}}"
            report.add(mark, f"this flow declares no state `{name}`", hint)
    return tuple(found)


def _kept(name: str, node: Node, report: Report) -> Kept:
    given = keys(node, names("state"), f"`{name}`", report)
    kind = _choice(given, "type", tuple(PRIMITIVES), "any", report)
    start = given["start"].plain() if "start" in given else None
    wanted = _TYPES.get(kind)
    if start is not None and wanted is not None and not _is(start, wanted):
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


def _changed(file: FlowFile) -> list[tuple[str, Mark]]:
    """Return the names that `set` changes, with their places."""
    found = []
    for section in file.operations.values():
        if section.run == "set_state" and section.config is not None:
            changes = section.config.at(("changes",)).value
            if isinstance(changes, dict):
                found += [(name, node.key) for name, node in changes.items()]
    return found


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
        report.add(node.mark, f"`{key}` must be one of {', '.join(words)}", hint)
        return default
    return str(node.value)


def _word(node: Node, key: str, words: dict[str, str], default: str) -> str:
    found = node.at((key,)) if isinstance(node.value, dict) and key in node.value else None
    return str(found.value) if found is not None and found.value in words else default
