"""Which operations of a flow can never start, because what they need never comes. Pure.

An operation starts when each of its needs is met by something that comes: from outside (the
message, a given value, a default), or from an operation that can start itself. What is left is a
cycle that nothing starts, or stands after one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Need:
    """What an operation waits for: `what` names it; any of the operations `sources` meets it.

    `met`: it comes from outside, too. `place` is the caller's own, to find it again.
    """

    what: str
    sources: tuple[str, ...] = ()
    met: bool = False
    place: Any = None


@dataclass(frozen=True, slots=True)
class Stuck:
    """An operation that can never start: the first need that is never met, and why.

    `circular`: it waits for itself.
    """

    name: str
    need: Need
    why: str
    circular: bool

    def __str__(self) -> str:
        return f"`{self.name}` can never start: {self.why}"


def never_starting(needs: Mapping[str, Sequence[Need]]) -> list[Stuck]:
    """Return the operations that can never start; `needs` has all that each waits for."""
    blocked = dict.fromkeys(needs)
    while True:
        free = [name for name in blocked if all(_is_met(n, blocked) for n in needs[name])]
        if not free:
            break
        for name in free:
            del blocked[name]
    first = {
        name: next(need for need in needs[name] if not _is_met(need, blocked)) for name in blocked
    }
    return [
        Stuck(name, need, _why(name, first), bool(_circle(name, first)))
        for name, need in first.items()
    ]


def _is_met(need: Need, blocked: Mapping[str, object]) -> bool:
    return need.met or any(source not in blocked for source in need.sources)


def _why(name: str, first: Mapping[str, Need]) -> str:
    """Say why the first need of `name` is never met: a circle, or what stands before it."""
    need = first[name]
    if not need.sources:
        return f"{need.what} comes from nowhere"
    circle = _circle(name, first)
    if set(need.sources) == {name}:
        return f"{need.what} comes only from itself"
    if len(circle) > 1:
        return f"{need.what} waits for itself, round {' ← '.join([*circle, name])}"
    sources = " and ".join(f"`{source}`" for source in dict.fromkeys(need.sources))
    return f"{need.what} comes only from {sources}, which can never start"


def _circle(name: str, first: Mapping[str, Need]) -> list[str]:
    return way_round(name, {each: need.sources for each, need in first.items()})


def way_round(name: str, comes: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the shortest way from `name` along what it `comes` from back to it, or nothing."""
    ways = [[name]]
    seen = {name}
    for way in ways:  # it grows meanwhile
        for source in comes.get(way[-1], ()):
            if source == name:
                return way
            if source not in seen:
                seen.add(source)
                ways.append([*way, source])
    return []
