"""What a sync left out of a room's timeline, fetched page by page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
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


async def earlier_events(
    wire: Wire,
    room: str,
    start: str,
    since: str,
    after: list[Event],
    stop: Callable[[Event], bool] | None,
) -> list[Event]:
    """Return the events from the position `since` to `start`, oldest first.

    `after` are those that follow; of those nothing is repeated. With `stop`, nothing is fetched
    that lies before an event for which it is true. What the server does not let us see is not
    there.
    """
    seen = {string(event.get("event_id")) for event in after}
    found: list[Event] = []  # the newest first
    if stop is not None and any(map(stop, after)):
        return []
    empty = 0
    while start and len(found) < MOST and empty < EMPTY:
        try:
            page = await wire.request(*requests.earlier(room, start, since))
        except RefusedError as error:
            log.warning("cannot read what was said in %s meanwhile: %s", room, error)
            break
        events = [event for event in sequence(page.get("chunk")) if isinstance(event, dict)]
        new = [event for event in events if string(event.get("event_id")) not in seen]
        seen.update(string(event.get("event_id")) for event in new)
        found += new
        empty = 0 if new else empty + 1
        end = string(page.get("end"))
        start = end if end != start else ""
        if stop is not None and any(map(stop, new)):
            break
    if len(found) >= MOST:
        log.warning("left out what is before the last %d events in %s", len(found), room)
    return found[::-1]
