"""What the listener of an IRC network remembers over restarts: where it was, what it has set.

It is kept where other networks keep how far they were heard (`Bridge.position`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

import msgspec

from chatbot.listeners.bridge import Bridge
from chatbot.listeners.irc.sentences import Sentence, Sentences

log = logging.getLogger(__name__)

ROOMS = 500
"""Channels that are remembered; of more, those seen first are forgotten."""


class _Stored(msgspec.Struct, omit_defaults=True):
    sentences: list[Sentence] = []
    rooms: dict[str, datetime] = {}


class Memory:
    """`sentences`, and the channels in which the bot has been, with the time of the first visit."""

    def __init__(self, bridge: Bridge) -> None:
        self.sentences = Sentences(self._store)
        self._bridge = bridge
        self._rooms: dict[str, datetime] = {}
        self._news = asyncio.Event()
        self._storing = asyncio.Lock()

    async def load(self) -> None:
        """Read what was stored."""
        stored = await self._bridge.position()
        try:
            found = msgspec.json.decode(stored or "{}", type=_Stored)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.error("forgot the bans and mutes that were set: what was stored makes no sense")
            return
        self.sentences.put(found.sentences)
        self._rooms = found.rooms

    async def run(self) -> None:
        """Store for ever where the bot has been."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._store()

    def since(self, room: str) -> datetime | None:
        """Return when the bot came to `room` (as names are compared) for the first time."""
        return self._rooms.get(room)

    def enter(self, room: str, when: datetime) -> None:
        """Note that the bot is in `room`; it is stored soon."""
        if room not in self._rooms:
            self._rooms[room] = when
            if len(self._rooms) > ROOMS:
                del self._rooms[next(iter(self._rooms))]
            self._news.set()

    async def _store(self) -> None:
        async with self._storing:  # so that what is newer is stored later
            stored = _Stored(self.sentences.all, self._rooms)
            await self._bridge.advance(msgspec.json.encode(stored).decode())
