"""How far each room was heard, as one text that outlives the process.

The rule that it guards: a message counts as heard only after the bridge has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from typing import Any

from chatbot.listeners.bridge import Bridge
from chatbot.listeners.gitter.records import floor

OVERLAP = 5.0
"""Seconds before the last message that are asked for again: ids made by two of the server's
processes within a second are in no certain order."""

REMEMBERED = 2000
"""Ids of a room that are known as heard, at the most."""

FARTHEST = 1e11
"""An instant that no clock tells, in seconds since 1970."""

STORED = 200
"""Ids of a room that are stored, at the most; what is heard again is stored once anyway."""


class Positions:
    """The rooms' positions; `run` stores them as they advance."""

    def __init__(self) -> None:
        self.looked = 0.0
        """When the rooms were last listed, by the server's clock; 0 for never."""
        self._heard: dict[str, dict[str, None]] = {}
        self._last: dict[str, str] = {}
        self._first: dict[str, str] = {}
        """Where we began: what was said before is nobody's to hear."""
        self._changed = asyncio.Event()

    def load(self, text: str) -> None:
        """Take up what `run` stored; what is not understood counts as nothing."""
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(text or "{}")
            rooms = found.get("rooms") if isinstance(found, dict) else None
            for room, keys in (rooms if isinstance(rooms, dict) else {}).items():
                self.advance(room, _texts(keys))
            looked = found.get("looked") if isinstance(found, dict) else None
            if isinstance(looked, int | float) and 0 <= looked < FARTHEST:
                self.looked = float(looked)
        self._changed.clear()

    def is_known(self, room: str) -> bool:
        """Whether we know how far the room was heard."""
        return room in self._last

    def start(self, room: str) -> str:
        """Return the id behind which to ask; some messages from there on were heard already."""
        return max(floor(self._last[room], OVERLAP), self._first.get(room, ""))

    def is_heard(self, room: str, key: str) -> bool:
        """Whether the message was heard already."""
        return key in self._heard.get(room, {})

    def advance(self, room: str, keys: Iterable[str]) -> None:
        """Note that messages were heard."""
        heard = self._heard.setdefault(room, {})
        for key in keys:
            heard[key] = None
            self._last[room] = max(self._last.get(room, ""), key)
        while len(heard) > REMEMBERED:
            del heard[next(iter(heard))]
        self._changed.set()

    def begin(self, room: str, keys: list[str]) -> None:
        """Hear a room from now on, where `keys` (one at least) are the newest."""
        self._first[room] = min(keys)
        self.advance(room, keys)

    def look(self, instant: float) -> None:
        """Note that the rooms were listed."""
        self.looked = instant
        self._changed.set()

    async def run(self, bridge: Bridge) -> None:
        """Store the positions whenever they have changed, for ever."""
        while True:
            await self._changed.wait()
            await self.store(bridge)

    async def store(self, bridge: Bridge) -> None:
        """Store the positions if they have changed since the last time."""
        if self._changed.is_set():
            self._changed.clear()
            await bridge.advance(self.text())

    def text(self) -> str:
        """Return what `load` takes up."""
        rooms: dict[str, Any] = {}
        for room, last in self._last.items():
            since = floor(last, OVERLAP)
            rooms[room] = sorted(key for key in self._heard[room] if key >= since)[-STORED:]
        return json.dumps({"rooms": rooms, "looked": int(self.looked)}, separators=(",", ":"))


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []
