"""When an instance of a flow can start: with a message, or when a schedule is due. Pure.

What comes with a message alone never meets what comes with a schedule: an instance that needs both
can never start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chatbot.flowfile.problems import Report
from chatbot.flowfile.sections import MESSAGE, SCHEDULE, Literal, Source
from chatbot.flowfile.wiring import Part, has_usable_default

ALWAYS = ("id", "network", "room", "time", "kind", "private")
"""Fields of a message that a schedule has, too."""


def check(parts: Mapping[str, Part], schedules: Sequence[str], report: Report) -> None:
    """Report each of `parts`, the instances of a bot's flow, that waits for what never meets."""
    if not schedules:
        return
    every = frozenset((MESSAGE, *schedules))
    when = dict.fromkeys(parts, every)
    while True:
        found = {name: _of_part(part, when, every) for name, part in parts.items()}
        if found == when:
            break
        when = {name: found[name] & when[name] for name in parts}
    for name, part in parts.items():
        needs = [_of_need(need, when, every) for need in _needs(part)]
        if not when[name] and all(needs):
            report.add(part.section.mark, f"`{name}` can never start: {_why(part, when, every)}")


def _of_part(
    part: Part, when: Mapping[str, frozenset[str]], every: frozenset[str]
) -> frozenset[str]:
    return every.intersection(*(_of_need(need, when, every) for need in _needs(part)))


def _of_need(
    sources: Sequence[Source | Literal],
    when: Mapping[str, frozenset[str]],
    every: frozenset[str],
) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for source in sources:
        if isinstance(source, Literal):
            return every
        if source.origin == MESSAGE:
            found |= every if source.key in ALWAYS else {MESSAGE}
        elif source.origin == SCHEDULE:
            found |= {source.key} if source.key in every else every  # that is reported
        else:
            found |= when.get(source.origin, every)
    return found


def _needs(part: Part) -> Iterator[Sequence[Source | Literal]]:
    definitions = part.operation.inputs if part.operation is not None else {}
    for key, wire in part.section.inputs.items():
        default = key in definitions and has_usable_default(definitions[key])
        if wire.sources and wire.default is None and not default:
            yield wire.sources
    if part.section.when:
        yield part.section.when


def _why(part: Part, when: Mapping[str, frozenset[str]], every: frozenset[str]) -> str:
    """Name two of what it needs that never come together."""
    seen: list[tuple[str, frozenset[str]]] = []
    for need in _needs(part):
        source = need[0]
        name = f"{source.origin}.{source.key}" if isinstance(source, Source) else ""
        own = _of_need(need, when, every)
        for other, theirs in seen:
            if not own & theirs:
                return f"`{other}` and `{name}` never come together"
        seen.append((name, own))
    names = ", ".join(f"`{name}`" for name, own in seen if own != every)
    return f"{names} never come together"
