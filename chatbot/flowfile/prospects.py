"""Refuses what can never come true: conditions, and values that a configuration counts on.

An operation that knows all values of an output says so, and one whose configuration counts on
values of an input says which; each is a static method of its implementation:

    values_of(config) -> {output: values}
    expects(config) -> (input, path in the configuration, value), …

Between which two numbers an output always is, says the implementation's map `bounds`:
output -> (least, most).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from chatbot.flowfile.agreement import kind_of
from chatbot.flowfile.comparisons import compared, outcomes, regions, texts_of
from chatbot.flowfile.entries import EXPRESSION
from chatbot.flowfile.problems import Mark, Report, nearest, suggest
from chatbot.flowfile.sections import INPUT, MESSAGE, Literal, Source
from chatbot.flowfile.templated import place
from chatbot.flowfile.tracing import Frame, Given, Nothing, Origin, Unknown, origins
from chatbot.flowfile.wiring import Part

_ALWAYS = ("id", "network", "room", "sender", "time", "nick", "kind")
"""Fields of a message that are never empty."""

_FIELD = re.compile(r"(?<!\{)(\$?\{(sender|label|name|\w+\.\w+)\}|<%=? *([\w.]+) *%>)(?!\})")
_MEANT = {"sender": "message.name", "name": "message.name"}
"""What in single braces was meant as a value of a template."""

_KINDS = ("message", "action", "reaction", "unreaction")
"""What a message can be."""


def check(frame: Frame, report: Report, wrong: Collection[str] = ()) -> None:
    """Report what can never come true in this file; what always is, is a warning.

    Of the instances `wrong` it was told already why.
    """
    told = set(wrong)
    for name, part in frame.parts.items():
        if part.operation is not None and part.section.config is not None:
            before = len(report)
            _check_expected(frame, part, report)
            _check_compared(frame, part, report)
            told |= {name} if len(report) > before else set()
    for part in frame.parts.values():
        for condition in part.section.when:
            if condition.origin not in told:
                _check_condition(frame, part, condition, report)


def _check_condition(frame: Frame, part: Part, condition: Source, report: Report) -> None:
    found = list(origins(frame, condition))
    values = _values(found)
    name = f"`{_shown_source(frame, condition)}`"
    owner = part.section.name
    if values is not None and not any(values):
        message = f"`{owner}` can never start: {name} is never true"
        report.add(condition.mark, message, _why_never(found))
    elif found and all(_is_always(origin) for origin in found):
        why = "; ".join(_bounds_shown(found))
        report.warn(condition.mark, f"{name} is always true: the condition has no effect", why)


def _shown_source(frame: Frame, source: Source) -> str:
    part = frame.parts.get(source.origin)
    text = _expression(part) if part is not None else None
    if text is not None:
        return text
    return source.key if source.origin == INPUT else f"{source.origin}.{source.key}"


def _expression(part: Part) -> str | None:
    """Return the expression that an instance stands for, if it does."""
    if part.section.run != EXPRESSION or part.configuration.value is None:
        return None
    return str(part.configuration.plain.get("text", ""))


def _why_never(found: Iterable[Given]) -> str:
    for origin in found:
        if isinstance(origin, Literal):
            return f"line {origin.mark.line} gives it {_shown(origin.value)}"
        if isinstance(origin, Origin) and origin.source.key == "roles":
            return "the flow gives nobody a role: say who has one under `roles`"
    return "; ".join(_bounds_shown(found)) or "nothing makes it true"


def _bounds_shown(found: Iterable[Given]) -> list[str]:
    """Say of each number that an expression compares between which two it always is."""
    shown = []
    for origin in found:
        if not isinstance(origin, Origin) or origin.part is None or not _expression(origin.part):
            continue
        for name, wire in origin.part.section.inputs.items():
            least, most = _bounds([o for s in wire.sources for o in _from(origin.frame, s)])
            if least is not None and most is not None:
                shown.append(f"{name} is from {least:g} to {most:g}")
    return shown


def _shown(value: object) -> str:
    if value is False:
        return "false"
    return "an empty text" if value == "" else "nothing" if not isinstance(value, int) else "0"


def _is_always(origin: Given) -> bool:
    if not isinstance(origin, Origin):
        return False
    if origin.part is None:
        return origin.source.origin == MESSAGE and origin.source.key in _ALWAYS
    text = _expression(origin.part)
    values = _computed(origin.frame, origin.part, text) if text is not None else None
    return bool(values) and all(values or ())


def _check_expected(frame: Frame, part: Part, report: Report) -> None:
    expects = getattr(part.implementation, "expects", None)
    if expects is None or part.configuration.value is None or part.section.config is None:
        return
    for key, path, value in expects(part.configuration.value):
        mark = part.section.config.at(tuple(path)).key
        _check_value(frame, part, key, value, mark, report)


def _check_compared(frame: Frame, part: Part, report: Report) -> None:
    """Report each text that a template compares a value with, and which that never is."""
    templates = getattr(part.implementation, "templates", None)
    if templates is None or part.configuration.value is None or part.section.config is None:
        return
    for path, text in templates(part.configuration.value):
        mark = part.section.config.at(tuple(path)).mark
        _warn_of_text(text, mark, report)
        for name, value in compared(text):
            if name == f"{MESSAGE}.command":
                _warn_of_command(frame, value, place(mark, value), report)
            _check_value(frame, part, name, value, place(mark, value), report)


def _warn_of_command(frame: Frame, value: str, mark: Mark, report: Report) -> None:
    """Warn of a command that nearly is one of those that the flow has said are its own."""
    node = frame.file.commands.at(("flow",)) if frame.file.commands is not None else None
    listed = node.value if node is not None and isinstance(node.value, list) else []
    own = [each.value for each in listed if isinstance(each.value, str)]
    if value and value not in own and (near := nearest(value, own)):
        message = f"`{value}` is none of the flow's own commands"
        report.warn(mark, message, f"did you mean {near}? They stand in `commands: {{flow: […]}}`")


def _warn_of_text(text: str, mark: Mark, report: Report) -> None:
    """Warn of what a template says as it stands, and was meant to be filled in."""
    for whole, single, other in _FIELD.findall(text):
        field = single or other
        hint = f"a value is filled in with two braces: {{{{ {_MEANT.get(field, field)} }}}}"
        report.warn(place(mark, whole), f"{whole} is said as it stands", hint)
    if any("}}" in said for said in texts_of(text)):
        hint = "take them out, or open them with {{"
        report.warn(mark, "}} is said as it stands: nothing opens these braces", hint)


def _check_value(
    frame: Frame, part: Part, key: str, value: str, mark: Mark, report: Report
) -> None:
    wire = part.section.inputs.get(key)
    if wire is None:
        return
    found = [o for source in wire.sources for o in _from(frame, source)]
    values = _values(found)
    if values is None or value in values or not found:
        return
    if all(isinstance(each, bool) for each in values):
        return  # `kinds` tells that
    given = " or ".join(dict.fromkeys(_place(e) for e in found if not isinstance(e, Nothing)))
    message = f"{key.rpartition('.')[2]} is never `{value}`: it comes from {given}"
    report.add(mark, message, _hint(value, values, found))


def _hint(value: str, values: Collection[Any], found: Iterable[Given]) -> str:
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


def _place(origin: Given) -> str:
    return f"line {origin.mark.line}" if isinstance(origin, Literal) else str(origin)


def _from(frame: Frame, source: Source | Literal) -> Iterator[Given]:
    if isinstance(source, Literal):
        yield source
    else:
        yield from origins(frame, source)


def _values(found: Iterable[Given]) -> Collection[Any] | None:
    """Return all values that may come, `None` where that is not known."""
    values: list[Any] = []
    for origin in found:
        if isinstance(origin, Literal):
            values.append(origin.value)
            continue
        if isinstance(origin, Nothing):
            values.append(None)
            continue
        known = _known(origin) if isinstance(origin, Origin) else None
        if known is None:
            return None
        values += known
    return values


def _known(origin: Origin) -> Collection[Any] | None:
    if origin.part is None:
        return _of_message(origin)
    text = _expression(origin.part)
    if text is not None:
        return _computed(origin.frame, origin.part, text)
    known: Collection[Any] | None = _values_of(origin.frame, origin.part).get(origin.source.key)
    if known is None and kind_of(origin.definition.primitive) == "bool":
        return [True, False]
    return known


def _values_of(frame: Frame, part: Part) -> Mapping[str, Any]:
    """Return the values that the outputs of an instance can have, of those that it knows."""
    name = part.section.name
    if name not in frame.values:
        values_of = getattr(part.implementation, "values_of", None)
        config = part.configuration.value
        frame.values[name] = values_of(config) if values_of and config is not None else {}
    return frame.values[name]


def _of_message(origin: Origin) -> Collection[Any] | None:
    key = origin.source.key
    if origin.source.origin != MESSAGE:
        return [True, False] if kind_of(origin.definition.primitive) == "bool" else None
    if key == "roles" and origin.frame.file.roles is None:
        return [[]]
    if key == "kind":
        return _KINDS
    return [True, False] if kind_of(origin.definition.primitive) == "bool" else None


def _computed(frame: Frame, part: Part, text: str) -> Collection[Any] | None:
    """Return all values that an expression can have, where those of its inputs are known.

    Of one that waits for itself nothing is known.
    """
    name = part.section.name
    if name not in frame.computed:
        frame.computed[name] = None
        frame.computed[name] = _outcomes(frame, part, text)
    return frame.computed[name]


def _outcomes(frame: Frame, part: Part, text: str) -> Collection[Any] | None:
    choices: dict[str, list[Any]] = {}
    for name, wire in part.section.inputs.items():
        found = [o for source in wire.sources for o in _from(frame, source)]
        if wire.default is not None:
            found.append(wire.default)
        known = _values(found)
        if known is None:
            known = _told_apart(text, name, found)
        if known is None:
            return None
        choices[name] = list(known)
    return outcomes(text, choices)


def _told_apart(text: str, name: str, found: list[Given]) -> list[Any] | None:
    """Return as many values of what may be anything as an expression tells apart."""
    if any(isinstance(each, Unknown | Literal) for each in found):
        return None
    kinds = {kind_of(each.definition.primitive) for each in found if isinstance(each, Origin)}
    values = regions(text, name.replace("-", "_"), *_bounds(found))
    if values is None or not kinds <= (
        {"string"} if isinstance(values[0], str) else {"int", "float"}
    ):
        return None
    return [*values, *([None] if any(isinstance(each, Nothing) for each in found) else [])]


def _bounds(found: Iterable[Given]) -> tuple[float | None, float | None]:
    """Return between which numbers all of what may come is; `None` where there is no end."""
    told = [_bounds_of(each) for each in found if not isinstance(each, Nothing)]
    least = [low for low, _ in told]
    most = [high for _, high in told]
    return (
        None if not told or None in least else min(each for each in least if each is not None),
        None if not told or None in most else max(each for each in most if each is not None),
    )


def _bounds_of(origin: Given) -> tuple[float | None, float | None]:
    if not isinstance(origin, Origin) or origin.part is None:
        return None, None
    bounds: dict[str, tuple[float, float]] = getattr(origin.part.implementation, "bounds", {})
    return bounds.get(origin.source.key, (None, None))
