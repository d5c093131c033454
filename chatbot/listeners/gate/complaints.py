"""A line a minute in the log about each who is not answered; no word of what they said.

A flood may come from many nicks, one after the other, so there are only so many lines in all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from chatbot.listeners.gate.recent import Recent

log = logging.getLogger(__name__)

EVERY = 60.0
LINES = 20
"""Lines in that time, whoever they are about."""

MOST = 1024


@dataclass(slots=True)
class _Told:
    at: float
    since: int = 0


class Complaints:
    """What was said in the log about whom, on one network."""

    def __init__(self, network: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._network = network
        self._clock = clock
        self._told: Recent[tuple[str, str], _Told] = Recent(MOST)
        self._begun = clock()
        self._lines = 0
        self._unsaid = 0

    def add(self, room: str, sender: str, why: str) -> None:
        """Say that somebody is not answered, unless that was said within the last minute."""
        now = self._clock()
        told = self._told.get((room, sender))
        if told is not None and now - told.at < EVERY:
            told.since += 1
        elif self._may_say(now):
            before = f", and {told.since} more before" if told is not None and told.since else ""
            self._told.set((room, sender), _Told(now))
            what = "dropped a message of %r in %r on %s: %s%s"
            log.warning(what, sender[:64], room[:64], self._network, why, before)

    def _may_say(self, now: float) -> bool:
        if now - self._begun >= EVERY:
            if self._unsaid:
                log.warning("dropped %d messages of others on %s", self._unsaid, self._network)
            self._begun, self._lines, self._unsaid = now, 0, 0
        self._lines += 1
        self._unsaid += self._lines > LINES
        return self._lines <= LINES
