"""Refuses a value of one kind where an operation wants another, with where the value comes from.

DFFML has names for kinds, and everybody writes others (`str`, `List[str]`); a name that is not
known here agrees with everything.
"""

from __future__ import annotations

from typing import Any

from chatbot.flowfile.problems import Report
from chatbot.flowfile.sections import Literal, Source
from chatbot.flowfile.tracing import Frame, Origin, origins
from chatbot.flowfile.wiring import Part

_WORDS = {
    "string": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "map": "a map",
    "datetime": "a time",
    "bytes": "bytes",
}
_NAMES = {
    **{name: name for name in _WORDS},
    "str": "string",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "dict": "map",
}
_KINDS = {str: "string", int: "int", float: "float", bool: "bool", list: "array", dict: "map"}
_WIDER = {("int", "float")}


def kind_of(primitive: str) -> str:
    """Return the kind that DFFML's `primitive` is, "" for one that may be anything."""
    return _NAMES.get(primitive.partition("[")[0].strip().lower(), "")


def words_of(primitive: str) -> str:
    """Return `primitive` for people."""
    return _WORDS.get(kind_of(primitive), "anything")


def check(frame: Frame, report: Report) -> None:
    """Report each source of an input in this file that gives what the input cannot take."""
    for part in frame.parts.values():
        if part.operation is None:
            continue
        for key, definition in part.operation.inputs.items():
            wire = part.section.inputs.get(key)
            for source in wire.sources if wire else ():
                _check(frame, part, key, definition, source, report)


def _check(
    frame: Frame, part: Part, key: str, definition: Any, source: Source | Literal, report: Report
) -> None:
    wanted = kind_of(definition.primitive)
    name = f"{part.section.name}.{key}"
    if isinstance(source, Literal):
        given = _KINDS.get(type(source.value), "")
        if definition.spec is None and not _agree(given, wanted):
            hint = "put it in quotes" if wanted == "string" and given != "array" else ""
            report.add(source.mark, f"{name} wants {_WORDS[wanted]}, not {_WORDS[given]}", hint)
        return
    for origin in origins(frame, source, through_inputs=False):
        if isinstance(origin, Origin) and not _agree(given := _given(origin), wanted):
            message = (
                f"`{source.key}` is {_WORDS[given]} from {origin}, {name} wants {_WORDS[wanted]}"
            )
            report.add(source.mark, message, _others(frame, source, wanted))


def _given(origin: Origin) -> str:
    if origin.part is not None and origin.source.key in origin.part.operation.expand:
        return ""  # one by one, whatever they are
    return kind_of(origin.definition.primitive)


def _agree(given: str, wanted: str) -> bool:
    return not given or not wanted or given == wanted or (given, wanted) in _WIDER


def _others(frame: Frame, source: Source, wanted: str) -> str:
    """Return the hint that names what else the same instance gives, of the kind that is wanted."""
    part = frame.parts.get(source.origin)
    known = part.operation.outputs if part else frame.seeds.get(source.origin, {})
    fit = [key for key, each in known.items() if kind_of(each.primitive) == wanted]
    if not fit or len(fit) > 12:
        return ""
    return f"{_WORDS[wanted]}: {', '.join(f'{source.origin}.{key}' for key in fit[:6])}"
