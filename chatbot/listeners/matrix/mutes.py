"""Who may not speak, and until when: by their power level in a room.

The rule that it guards: who is muted for a while speaks again afterwards, also when the bot was
restarted meanwhile; what was taken from them is noted before it is taken.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chatbot.listeners.matrix import requests
from chatbot.listeners.matrix.events import is_user, mapping, sequence, string
from chatbot.listeners.matrix.notes import Notes
from chatbot.listeners.matrix.wire import RefusedError, Wire

log = logging.getLogger(__name__)

NAME = "chatbot.mutes"
MOST = 1000
"""Mutes that are noted; with more, the oldest are not undone."""

FAR = 1e11
"""A time, in seconds since 1970, that nobody waits for."""

Call = Callable[..., Awaitable[Mapping[str, Any]]]
"""Makes a request (method, path, body) and returns its answer; raises `RefusedError`."""


@dataclass(frozen=True, slots=True)
class Mute:
    """`level` is what the user had before (`None`: the room's default); `until` 0 is for ever."""

    room: str
    user: str
    until: float
    level: int | None


class Mutes:
    """The mutes of one account. `load` comes first."""

    def __init__(self, network: str, wire: Wire, notes: Notes) -> None:
        self._network = network
        self._wire = wire
        self._notes = notes
        self._mutes: dict[tuple[str, str], Mute] = {}
        self._changed = asyncio.Event()

    async def load(self) -> None:
        """Read what was noted by whoever ran before."""
        noted = await self._notes.read(NAME)
        for each in sequence(noted.get("mutes"))[:MOST]:
            if (mute := _mute(mapping(each))) is not None:
                self._mutes[mute.room, mute.user] = mute

    async def run(self) -> None:
        """End mutes when their time has come, for ever."""
        while True:
            self._changed.clear()
            now = time.time()
            for mute in [m for m in self._mutes.values() if 0 < m.until <= now]:
                await self._end(mute)
            waiting = [m.until for m in self._mutes.values() if m.until]
            try:
                async with asyncio.timeout(min(waiting) - time.time() if waiting else None):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def mute(self, call: Call, room: str, user: str, seconds: float) -> None:
        """Take the right to speak from `user`; raises `RefusedError`."""
        levels = await _levels(call, room)
        users = mapping(levels.get("users"))
        quiet = min(-1, _level(levels.get("events_default"), 0) - 1)
        known = self._mutes.get((room, user))
        had = _level(users.get(user), None) if known is None else known.level
        until = time.time() + seconds if seconds else 0.0
        await self._note(Mute(room, user, until, had))
        try:
            await _put(call, room, {**levels, "users": {**users, user: quiet}})
        except RefusedError:
            await self._note(known or Mute(room, user, 0, None), gone=known is None)
            raise

    async def unmute(self, call: Call, room: str, user: str) -> None:
        """Give it back; raises `RefusedError`. No harm if it was never taken."""
        levels = await _levels(call, room)
        users = dict(mapping(levels.get("users")))
        mute = self._mutes.get((room, user), Mute(room, user, 0, None))
        now = _level(users.get(user), None)
        if now is not None and now < 0:  # else somebody has done it
            users.pop(user)
            if mute.level is not None:
                users[user] = mute.level
            await _put(call, room, {**levels, "users": users})
        if (room, user) in self._mutes:
            await self._note(mute, gone=True)

    async def _end(self, mute: Mute) -> None:
        try:
            await self.unmute(self._wire.request, mute.room, mute.user)
        except RefusedError as error:
            log.warning("cannot unmute in %s on %s: %s", mute.room, self._network, error)
            await self._note(mute, gone=True)

    async def _note(self, mute: Mute, *, gone: bool = False) -> None:
        self._mutes.pop((mute.room, mute.user), None)
        if not gone:
            self._mutes[mute.room, mute.user] = mute
        self._changed.set()
        kept = list(self._mutes.values())[-MOST:]
        await self._notes.write(NAME, {"mutes": [dataclasses.asdict(each) for each in kept]})


async def _levels(call: Call, room: str) -> Mapping[str, Any]:
    return await call(*requests.state(room, requests.LEVELS))


async def _put(call: Call, room: str, levels: Mapping[str, Any]) -> None:
    await call(*requests.put_state(room, requests.LEVELS, levels))


def _level(value: object, otherwise: Any) -> Any:
    """Return a power level; old rooms have some as text."""
    if isinstance(value, str):
        value = int(value) if value.strip().lstrip("-").isdecimal() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _mute(given: Mapping[str, Any]) -> Mute | None:
    room, user, until = string(given.get("room")), given.get("user"), given.get("until")
    if not room or not is_user(user) or not isinstance(until, int | float) or until > FAR:
        return None
    return Mute(room, str(user), float(until), _level(given.get("level"), None))
