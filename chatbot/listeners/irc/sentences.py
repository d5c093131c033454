"""Bans and mutes that the bot has set, so that they can be taken back: later, after a restart.

They are kept where other networks keep how far they were heard (`Bridge.position`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

import msgspec

from chatbot.listeners.bridge import Bridge

log = logging.getLogger(__name__)

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
    """The sentences of a network. `changed` is set when there is another one."""

    def __init__(self, bridge: Bridge) -> None:
        self.changed = asyncio.Event()
        self._bridge = bridge
        self._all: list[Sentence] = []
        self._attempts: dict[tuple[str, str, str], _Attempts] = {}

    async def load(self) -> None:
        """Read what was stored."""
        stored = await self._bridge.position()
        try:
            self._all = msgspec.json.decode(stored or "[]", type=list[Sentence])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.error("forgot the bans and mutes that were set: what was stored makes no sense")

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

    async def _store(self) -> None:
        await self._bridge.advance(msgspec.json.encode(self._all).decode())


def _key(sentence: Sentence) -> tuple[str, str, str]:
    return (sentence.kind, sentence.room, sentence.who)
