"""Refuses what can never start in a flow file, at the source that never comes.

A problem that was reported already, and what merely follows from it, is not reported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chatbot.flowfile.problems import Mark, Report
from chatbot.flowfile.reachability import Need, Stuck, never_starting, way_round
from chatbot.flowfile.sections import Literal, Source
from chatbot.flowfile.wiring import Part, has_usable_default


def check(parts: Mapping[str, Part], report: Report) -> None:
    """Report each of `parts`, the instances of one file, that can never start."""
    found = never_starting({name: list(_needs(part, parts)) for name, part in parts.items()})
    told = {stuck.name for stuck in found}
    circles = [stuck for stuck in found if stuck.circular or not stuck.need.sources]
    for stuck in circles or found:  # what comes after a circle follows from it
        if parts[stuck.name].section.base not in told:  # a room's has the same reason
            report.add(stuck.need.place, str(stuck), _hint(stuck))
    _warn_of_rounds({name: part for name, part in parts.items() if name not in told}, report)


def _warn_of_rounds(parts: Mapping[str, Part], report: Report) -> None:
    """Warn of each circle that something starts, and no condition in it may end."""
    comes = {name: _sources(part, parts) for name, part in parts.items() if not part.section.when}
    seen: set[str] = set()
    for name in comes:
        way = [] if name in seen else way_round(name, comes)
        if way:
            mark = comes[name][way[1] if len(way) > 1 else name]
            shown = " ← ".join(f"`{each}`" for each in [*way, name])
            message = f"`{name}` comes after itself, and may never end: {shown}"
            report.warn(mark, message, "leave one of these out, or end it with a `when`")
            seen.update(way)


def _sources(part: Part, parts: Mapping[str, Part]) -> dict[str, Mark]:
    """Return the instances that give `part` an input, and where they are named."""
    wires = (source for wire in part.section.inputs.values() for source in wire.sources)
    return {s.origin: s.mark for s in wires if isinstance(s, Source) and s.origin in parts}


def _needs(part: Part, parts: Mapping[str, Part]) -> Iterator[Need]:
    if part.operation is None:
        return
    for key, definition in part.operation.inputs.items():
        wire = part.section.inputs.get(key)
        if (
            wire is not None
            and wire.sources
            and wire.default is None
            and not has_usable_default(definition)
        ):
            yield _need(f"its input `{key}`", wire.sources, parts)
    # The first condition is enough where it holds; where it never comes, it blocks the others.
    if part.section.when:
        yield _need("its condition", part.section.when[:1], parts)


def _need(what: str, sources: Sequence[Source | Literal], parts: Mapping[str, Part]) -> Need:
    inside = [s for s in sources if isinstance(s, Source) and s.origin in parts]
    place: Mark = sources[0].mark
    return Need(what, tuple(s.origin for s in inside), len(inside) < len(sources), place)


def _hint(stuck: Stuck) -> str:
    if not stuck.circular:
        return "mend that one, or take it from elsewhere"
    if stuck.need.what == "its condition":
        return "take a condition that comes before it"
    return "name a source that comes first, too: [message.text, ...], or {value: ...}"
