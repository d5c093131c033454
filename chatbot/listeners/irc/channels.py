"""The channels of a connection: which we are in, and when to try again. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from chatbot.listeners.irc.settings import Timing

MOST = 100
"""Channels beside ours that the server may put us into; in more we do not speak."""


class Standing(Enum):
    """Whether something can be said in a room."""

    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


@dataclass(slots=True)
class Channel:
    """A channel we want to be in, or were put into; `tries` since the last stay that lasted."""

    name: str
    joined: bool = False
    tries: int = 0
    due: float = 0.0
    since: float = 0.0
    wanted: bool = True


class Channels:
    """The channels to be in. `fold` makes names comparable as the server compares them."""

    def __init__(self, names: Iterable[str], timing: Timing, fold: Callable[[str], str]) -> None:
        self._timing = timing
        self._fold = fold
        self._channels = [Channel(name) for name in dict.fromkeys(names)]
        self._most = len(self._channels) + MOST

    def find(self, name: str) -> Channel | None:
        """Return the channel called `name`, `None` if it is none of ours."""
        folded = self._fold(name)
        return next((c for c in self._channels if self._fold(c.name) == folded), None)

    def standing(self, name: str) -> Standing:
        """Return whether something can be said in the channel `name` now, later or never."""
        channel = self.find(name)
        if channel is None or self.given_up(channel):
            return Standing.CLOSED
        return Standing.OPEN if channel.joined else Standing.WAITING

    def given_up(self, channel: Channel) -> bool:
        """Whether the attempts at `channel` are used up."""
        return not channel.joined and channel.tries > self._timing.rejoin_attempts

    def due(self, now: float) -> list[Channel]:
        """Return the channels whose time has come, and count the attempt.

        Those that are `given_up` by that are among them, once.
        """
        ready = [c for c in self._outside() if c.due <= now]
        for channel in ready:
            channel.tries += 1
            channel.due = now + self._delay(channel)
        return ready

    def next_due(self) -> float | None:
        """Return when the next attempt is due, `None` if there is none."""
        return min((c.due for c in self._outside()), default=None)

    @property
    def has_room(self) -> bool:
        """Whether we may be in one more channel beside our own."""
        return len(self._channels) < self._most

    def joined(self, name: str, now: float) -> Channel:
        """Note that we are in `name` now; the server may have sent us elsewhere than we asked."""
        channel = self.find(name)
        if channel is None:
            channel = Channel(name, wanted=False)
            if len(self._channels) < self._most:
                self._channels.append(channel)
        channel.joined, channel.since = True, now
        return channel

    def left(self, name: str, now: float) -> Channel | None:
        """Note that we are out of `name`; the next attempt is due after a delay."""
        channel = self.find(name)
        if channel is None or not channel.joined:
            return None
        channel.joined = False
        if not channel.wanted:
            self._channels.remove(channel)
        if now - channel.since >= self._timing.stay:
            channel.tries = 0
        channel.due = now + self._delay(channel)
        return channel

    def invited(self, name: str) -> Channel | None:
        """Make one of our channels that we are not in due at once."""
        channel = self.find(name)
        if channel is not None and not channel.joined:
            channel.tries, channel.due = 0, 0.0
        return channel

    def _outside(self) -> list[Channel]:
        return [c for c in self._channels if not c.joined and not self.given_up(c)]

    def _delay(self, channel: Channel) -> float:
        return float(self._timing.rejoin * 2 ** max(0, channel.tries - 1))
