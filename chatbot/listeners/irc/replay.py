"""What is said now, and what a server (or a bouncer) only replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from irc.client import Event

from chatbot.listeners.irc.commands import Commands
from chatbot.listeners.irc.memory import Memory
from chatbot.listeners.irc.wire import Wire

V = TypeVar("V")

BATCHES = 64
"""Batches of history that may be open at once; of more, those begun first are forgotten."""

CHANNELS = 256
"""Channels of which it is known when we joined."""

MISSED = 100
"""Messages of a channel's history that are asked for; see the IRCv3 specification chathistory."""

HISTORY = frozenset({"chathistory", "draft/chathistory", "znc.in/playback"})
SKEW = timedelta(seconds=5)
"""By how much the clocks of a network's servers may differ."""


class Replay:
    """Tells history from news on one connection, and asks for history where it can be had.

    History is what comes in a batch of it, and what was said before we joined, by the clock of
    the server: some replay without a batch. `enabled` are the capabilities that were granted.
    """

    def __init__(self, wire: Wire, memory: Memory, enabled: Set[str], commands: Commands) -> None:
        self._wire = wire
        self._memory = memory
        self._enabled = enabled
        self._commands = commands
        self._batches: dict[str, None] = {}
        self._since: dict[str, datetime] = {}

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event."""
        return {"batch": self._on_batch, "join": self._on_join}

    def is_history(self, target: str, tags: Mapping[str, str | None]) -> bool:
        """Whether what was said in `target` is not said now."""
        if tags.get("batch") in self._batches:
            return True
        said, since = instant(tags.get("time")), self._since.get(self._wire.fold(target))
        return said is not None and since is not None and said < since - SKEW

    def is_missed(self, target: str, tags: Mapping[str, str | None]) -> bool:
        """Whether we may have missed what is replayed: it was not said before our first visit."""
        room = self._wire.fold(target)
        if room == self._wire.fold(self._wire.nickname_now):
            return True  # it was said to us
        said, since = instant(tags.get("time")), self._memory.since(room)
        # InspIRCd 3.15 replays with whole seconds.
        return bool(said and since and said >= since.replace(microsecond=0))

    def _on_batch(self, event: Event) -> None:
        reference = event.target or ""
        if reference.startswith("+") and HISTORY.intersection(event.arguments[:1]):
            _remember(self._batches, reference[1:], None, BATCHES)
        elif reference.startswith("-"):
            self._batches.pop(reference[1:], None)

    def _on_join(self, event: Event) -> None:
        if event.source and self._wire.is_me(event.source.nick):
            room = self._wire.fold(event.target)
            given = next((tag["value"] for tag in event.tags or () if tag["key"] == "time"), None)
            joined = instant(given)
            self._visit(event.target, room, joined or datetime.now(UTC))
            if joined is not None:
                _remember(self._since, room, joined, CHANNELS)

    def _visit(self, channel: str, room: str, when: datetime) -> None:
        if self._memory.since(room) is None:
            self._memory.enter(room, when)
        elif "draft/chathistory" in self._enabled:
            self._commands.put(f"CHATHISTORY LATEST {channel} * {MISSED}")


def instant(given: str | None) -> datetime | None:
    """Return the time in a `time` tag, `None` where there is none."""
    try:
        said = datetime.fromisoformat(given or "")
        return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # as 0001-01-01T00:00+01:00
        return None


def _remember(table: dict[str, V], key: str, value: V, most: int) -> None:
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]
