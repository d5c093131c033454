"""Going into rooms: those that the flow names, and those that we are invited to."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from chatbot.listeners.matrix import requests
from chatbot.listeners.matrix.breaker import LostError
from chatbot.listeners.matrix.events import mapping, string
from chatbot.listeners.matrix.rooms import Rooms
from chatbot.listeners.matrix.settings import MatrixSettings, Timing
from chatbot.listeners.matrix.wire import LimitedError, RefusedError, Wire

log = logging.getLogger(__name__)

AT_ONCE = 3
"""Joins that are under way at the same time: one on a slow server takes minutes."""
ATTEMPTS = 6
WAITING = 1000
"""Rooms that wait to be joined; who invites us to more must do it again."""


class Joiner:
    """Joins rooms, one attempt after the other; a room that cannot be joined is told in the log."""

    def __init__(
        self, network: str, settings: MatrixSettings, timing: Timing, wire: Wire, rooms: Rooms
    ) -> None:
        self._network = network
        self._settings = settings
        self._timing = timing
        self._wire = wire
        self._rooms = rooms
        self._wanted: dict[str, str] = {}
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        """Join what the flow names, and then what we are invited to, for ever."""
        for room in self._settings.rooms:
            self._want(room, room.partition(":")[2])
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work())

    def invited(self, room: str, state: Sequence[Mapping[str, Any]]) -> None:
        """Take an invitation, if it is from somebody whose invitations are taken."""
        for event in state:
            ours = event.get("state_key") == self._rooms.user
            invites = mapping(event.get("content")).get("membership") == "invite"
            if event.get("type") == requests.MEMBER and ours and invites:
                inviter = string(event.get("sender"))
                if self._is_welcome(inviter):
                    self._want(room, inviter.partition(":")[2])
                else:
                    log.info("left an invitation on %s alone: not from whom we let", self._network)
                return

    def _is_welcome(self, inviter: str) -> bool:
        allowed = self._settings.invites
        if isinstance(allowed, bool):
            return allowed
        return any(fnmatch.fnmatchcase(inviter, pattern) for pattern in allowed)

    def _want(self, room: str, via: str) -> None:
        if room not in self._wanted and len(self._wanted) < WAITING:
            self._wanted[room] = via
            self._queue.put_nowait(room)

    async def _work(self) -> None:
        while True:
            room = await self._queue.get()
            try:
                await self._join(room, self._wanted[room])
            finally:
                del self._wanted[room]

    async def _join(self, room: str, via: str) -> None:
        if room in self._rooms or await self._is_joined(room):
            return
        pause, reason = self._timing.join_again, ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(pause)
                pause *= 2
            try:
                await self._try(room, via)
            except RefusedError as error:
                reason = str(error)
                if error.code in ("M_FORBIDDEN", "M_BAD_STATE"):
                    break
            except LostError as error:
                reason = str(error)
            else:
                log.info("joined %s on %s", room, self._network)
                return
        log.warning("cannot join %s on %s: %s", room, self._network, reason)

    async def _is_joined(self, room: str) -> bool:
        if not room.startswith("#"):
            return False
        try:
            found = await self._wire.apart(*requests.alias(room))
        except (RefusedError, LostError, LimitedError):
            return False
        return string(found.get("room_id")) in self._rooms

    async def _try(self, room: str, via: str) -> None:
        """Join; apart from the breaker, as a room may be on a server that is in trouble."""
        while True:
            try:
                await self._wire.apart(*requests.join(room, via), timeout=self._timing.join)
            except LimitedError as error:
                await asyncio.sleep(error.seconds)
            else:
                return
