"""What a sync left out of a room's timeline, fetched page by page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chatbot.listeners.matrix import requests
from chatbot.listeners.matrix.events import sequence, string
from chatbot.listeners.matrix.wire import RefusedError, Wire

log = logging.getLogger(__name__)

EMPTY = 20
"""Pages in a row with nothing new: what is there may be hidden from us, or the server repeats."""
MOST = 20_000
"""Events of one gap that are fetched; it must lie in memory to be put in order."""

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """What is before `start` in a room, back to the position `since` (empty: to its beginning).

    With `until`, it ends with the last event for which that is true, and holds `most` at most.
    """

    room: str
    start: str
    since: str
    until: Callable[[Event], bool] = lambda _: False
    most: int = MOST


async def earlier_events(
    wire: Wire, gap: Gap, after: list[Event], learn: Callable[[Event], None]
) -> list[Event]:
    """Return the events of a gap, oldest first; `after` are those that follow, and not repeated.

    `learn` is given the members that speak there. What we are not let to see is not there.
    """
    seen = {string(event.get("event_id")) for event in after}
    found: list[Event] = []  # the newest first
    if any(map(gap.until, after)):
        return []
    empty, start, room = 0, gap.start, gap.room
    while start and len(found) < gap.most and empty < EMPTY:
        try:
            page = await wire.request(*requests.earlier(room, start, gap.since))
        except RefusedError as error:
            log.warning("cannot read what was said in %s meanwhile: %s", room, error)
            break
        for member in _objects(page.get("state")):
            learn(member)
        events = _objects(page.get("chunk"))
        new = [event for event in events if string(event.get("event_id")) not in seen]
        seen.update(string(event.get("event_id")) for event in new)
        found += new
        empty = 0 if new else empty + 1
        end = string(page.get("end"))
        start = end if end != start else ""
        if any(map(gap.until, new)):
            break
    if len(found) >= MOST:
        log.warning("left out what is before the last %d events in %s", len(found), room)
    return found[::-1]


def _objects(value: object) -> list[Event]:
    return [each for each in sequence(value) if isinstance(each, dict)]
