"""Bans and mutes that the bot has set, so that they can be taken back: later, after a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

MOST = 500
"""Sentences that are remembered; of more, the oldest are forgotten, first those without an end."""

TRIES = 6


class Sentence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was done to `who` (as nicks are compared) in `room`, and how to take it back.

    `kind` is `ban` or `mute`, `undo` are changes of mode (sign, letter, argument), and `until`
    is a time of the clock, 0 for as long as nobody takes it back.
    """

    kind: str
    room: str
    who: str
    undo: list[tuple[str, str, str]]
    until: float = 0.0


@dataclass(slots=True)
class _Attempts:
    count: int = 0
    due: float = 0.0


class Sentences:
    """The sentences of a network, which `store` stores. `changed` is set when there is another."""

    def __init__(self, store: Callable[[], Awaitable[None]]) -> None:
        self.changed = asyncio.Event()
        self._store = store
        self._all: list[Sentence] = []
        self._attempts: dict[tuple[str, str, str], _Attempts] = {}

    @property
    def all(self) -> list[Sentence]:
        """All that are remembered, the oldest first."""
        return list(self._all)

    def put(self, sentences: list[Sentence]) -> None:
        """Begin with those that were stored."""
        self._all = sentences

    async def add(self, sentence: Sentence) -> None:
        """Remember `sentence` instead of an earlier one of its kind; returns once it is stored."""
        self._attempts.pop(_key(sentence), None)
        self._all = [each for each in self._all if _key(each) != _key(sentence)] + [sentence]
        if len(self._all) > MOST:
            endless = (each for each in self._all[:-1] if not each.until)
            self._all.remove(next(endless, self._all[0]))
        await self._store()
        self.changed.set()

    def find(self, kind: str, room: str, who: str) -> Sentence | None:
        """Return the sentence on `who`, if one is remembered."""
        return next((each for each in self._all if _key(each) == (kind, room, who)), None)

    async def remove(self, sentence: Sentence) -> None:
        """Forget `sentence`; returns once that is stored."""
        self._attempts.pop(_key(sentence), None)
        if sentence in self._all:
            self._all.remove(sentence)
            await self._store()

    def due(self) -> list[Sentence]:
        """Return the sentences that have ended, and may be tried to be taken back now."""
        now = time.time()
        return [each for each in self._all if each.until and self._when(each) <= now]

    def next_due(self) -> float | None:
        """Return the seconds until one is due, `None` if none has an end."""
        ends = [self._when(each) for each in self._all if each.until]
        return max(0.0, min(ends) - time.time()) if ends else None

    def failed(self, sentence: Sentence, delay: float) -> bool:
        """Put `sentence` off by ever more than `delay` seconds; false if it is to be given up."""
        attempts = self._attempts.setdefault(_key(sentence), _Attempts())
        attempts.count += 1
        attempts.due = time.time() + delay * 4 ** (attempts.count - 1)
        return attempts.count < TRIES

    def _when(self, sentence: Sentence) -> float:
        attempts = self._attempts.get(_key(sentence))
        return max(sentence.until, attempts.due) if attempts else sentence.until


def _key(sentence: Sentence) -> tuple[str, str, str]:
    return (sentence.kind, sentence.room, sentence.who)
