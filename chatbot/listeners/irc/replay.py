"""What is said now, and what a server (or a bouncer) only replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from irc.client import Event

V = TypeVar("V")

BATCHES = 64
"""Batches of history that may be open at once; of more, those begun first are forgotten."""

CHANNELS = 256
"""Channels of which it is known when we joined."""

HISTORY = frozenset({"chathistory", "draft/chathistory", "znc.in/playback"})
SKEW = timedelta(seconds=5)
"""By how much the clocks of a network's servers may differ."""


class Replay:
    """Tells history from news on one connection.

    History is what comes in a batch of it, and what was said before we joined, by the clock of
    the server: some replay without a batch.
    """

    def __init__(self, fold: Callable[[str], str], is_me: Callable[[str], bool]) -> None:
        self._fold = fold
        self._is_me = is_me
        self._batches: dict[str, None] = {}
        self._since: dict[str, datetime] = {}

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event."""
        return {"batch": self._on_batch, "join": self._on_join}

    def is_history(self, target: str, tags: Mapping[str, str | None]) -> bool:
        """Whether what was said in `target` is not said now."""
        if tags.get("batch") in self._batches:
            return True
        said, since = instant(tags.get("time")), self._since.get(self._fold(target))
        return said is not None and since is not None and said < since - SKEW

    def _on_batch(self, event: Event) -> None:
        reference = event.target or ""
        if reference.startswith("+") and HISTORY.intersection(event.arguments[:1]):
            _remember(self._batches, reference[1:], None, BATCHES)
        elif reference.startswith("-"):
            self._batches.pop(reference[1:], None)

    def _on_join(self, event: Event) -> None:
        if event.source and self._is_me(event.source.nick):
            given = next((tag["value"] for tag in event.tags or () if tag["key"] == "time"), None)
            if (joined := instant(given)) is not None:
                _remember(self._since, self._fold(event.target), joined, CHANNELS)


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
