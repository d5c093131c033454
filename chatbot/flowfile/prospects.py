"""Refuses what can never come true: conditions, and values that a configuration counts on.

An operation that knows all values of an output says so, and one whose configuration counts on
values of an input says which; each is a static method of its implementation:

    values_of(config) -> {output: values}
    expects(config) -> (input, path in the configuration, value), …
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.sections import INPUT, MESSAGE, Literal, Source
from chatbot.flowfile.tracing import Frame, Origin, Unknown, origins
from chatbot.flowfile.wiring import Part

_ALWAYS = ("id", "network", "room", "sender", "time", "nick", "kind")
"""Fields of a message that are never empty."""

_OFFERED = 12


def check(frame: Frame, report: Report) -> None:
    """Report what can never come true in this file; what always is, is a warning."""
    for part in frame.parts.values():
        for condition in part.section.when:
            _check_condition(frame, part, condition, report)
        if part.operation is not None and part.section.config is not None:
            _check_expected(frame, part, report)


def _check_condition(frame: Frame, part: Part, condition: Source, report: Report) -> None:
    found = list(origins(frame, condition))
    values = _values(found)
    prefix = "" if condition.origin == INPUT else f"{condition.origin}."
    name = f"`{prefix}{condition.key}`"
    if values is not None and not any(values):
        message = f"`{part.section.name}` can never start: {name} is never true"
        report.add(condition.mark, message, _why_never(found))
    elif found and all(_is_always(origin) for origin in found):
        report.warn(condition.mark, f"{name} is always true: the condition has no effect")


def _why_never(found: Iterable[Origin | Literal | Unknown]) -> str:
    for origin in found:
        if isinstance(origin, Literal):
            return f"line {origin.mark.line} gives it {_shown(origin.value)}"
        if isinstance(origin, Origin) and origin.source.key == "roles":
            return "the flow gives nobody a role: say who has one under `roles`"
    return "nothing makes it true"


def _shown(value: object) -> str:
    if value is False:
        return "false"
    return "an empty text" if value == "" else "nothing" if not isinstance(value, int) else "0"


def _is_always(origin: Origin | Literal | Unknown) -> bool:
    return (
        isinstance(origin, Origin)
        and origin.source.origin == MESSAGE
        and origin.source.key in _ALWAYS
    )


def _check_expected(frame: Frame, part: Part, report: Report) -> None:
    expects = getattr(part.implementation, "expects", None)
    if expects is None or part.configuration.value is None or part.section.config is None:
        return
    for key, path, value in expects(part.configuration.value):
        wire = part.section.inputs.get(key)
        if wire is None:
            continue
        found = [o for source in wire.sources for o in _from(frame, source)]
        values = _values(found)
        if values is None or value in values:
            continue
        given = " or ".join(dict.fromkeys(_place(each) for each in found))
        message = f"{key} is never `{value}`: it comes from {given}"
        report.add(part.section.config.at(tuple(path)).key, message, _hint(value, values, found))


def _hint(value: str, values: Collection[Any], found: Iterable[Origin | Literal | Unknown]) -> str:
    known = [str(each) for each in values if each]
    near = suggest(value, known, what="it is one of")
    files = [
        str(path.name)
        for origin in found
        if isinstance(origin, Origin) and origin.part is not None
        for path in origin.part.configuration.files.values()
    ]
    more = f"no example in {' or '.join(dict.fromkeys(files))} has it" if files else ""
    return "; ".join(each for each in (near, more) if each)


def _place(origin: Origin | Literal | Unknown) -> str:
    return f"line {origin.mark.line}" if isinstance(origin, Literal) else str(origin)


def _from(frame: Frame, source: Source | Literal) -> Iterator[Origin | Literal | Unknown]:
    if isinstance(source, Literal):
        yield source
    else:
        yield from origins(frame, source)


def _values(found: Iterable[Origin | Literal | Unknown]) -> Collection[Any] | None:
    """Return all values that may come, `None` where that is not known."""
    values: list[Any] = []
    for origin in found:
        if isinstance(origin, Literal):
            values.append(origin.value)
            continue
        known = _known(origin) if isinstance(origin, Origin) else None
        if known is None:
            return None
        values += known
    return values


def _known(origin: Origin) -> Collection[Any] | None:
    if origin.part is None:
        is_roles = origin.source.origin == MESSAGE and origin.source.key == "roles"
        declared = origin.frame.file.roles is not None
        return [[]] if is_roles and not declared else None
    values_of = getattr(origin.part.implementation, "values_of", None)
    if values_of is None or origin.part.configuration.value is None:
        return None
    known: Collection[Any] | None = values_of(origin.part.configuration.value).get(
        origin.source.key
    )
    return known
