"""The rooms that the bot is in: found, joined, followed, and known by their names."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from chatbot.listeners.gitter import records
from chatbot.listeners.gitter.api import Api, insist
from chatbot.listeners.gitter.faults import RefusedError
from chatbot.listeners.gitter.hearing import Follower
from chatbot.listeners.gitter.pace import MINUTE
from chatbot.listeners.gitter.positions import Positions
from chatbot.listeners.gitter.records import Room, User
from chatbot.listeners.gitter.settings import GitterSettings, Timing

log = logging.getLogger(__name__)

SHARE = 0.5
"""The part of the requests that may go into asking the rooms for what is new."""

REJOINS = 6
"""How often we come back to a room that we were taken out of."""


class Rooms:
    """The rooms of one account. `follow` makes the follower of a room."""

    def __init__(
        self,
        me: User,
        api: Api,
        settings: GitterSettings,
        timing: Timing,
        positions: Positions,
        follow: Callable[[Room], Follower],
    ) -> None:
        self._me = me
        self._api = api
        self._settings = settings
        self._timing = timing
        self._positions = positions
        self._follow = follow
        self._named: dict[str, Room] = {}
        self._followers: dict[str, Follower] = {}
        self._lacking: set[str] = set()
        self._joined: dict[str, int] = {}

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Follow the rooms in tasks of `group`, and look for new ones now and then, for ever."""
        while True:
            try:
                await self._look(group)
            except RefusedError as error:
                log.warning("cannot list the rooms: %s; trying again", error)
                await asyncio.sleep(self._timing.refused)
            await asyncio.sleep(self._timing.rooms)

    async def _look(self, group: asyncio.TaskGroup) -> None:
        before = self._positions.looked
        listed = await insist(self._api.rooms)
        self._learn(listed)
        names = {room.name.casefold() for room in listed}
        for name in self._settings.rooms:
            if name.casefold() not in names:
                await self._join(name)
        for room in self._wanted():
            self._take(room, before, group)
        self._positions.look(self._api.now())

    async def named(self, name: str, *, private: bool) -> Room | None:
        """Return the room `name`, of a private one the person there; `None` if there is none.

        Raises the errors of `faults`.
        """
        if name.casefold() not in self._named:
            self._learn(await self._api.rooms(urgent=True))
        if name.casefold() not in self._named and private:
            self._learn([await self._api.find(name, urgent=True)])
        return self._named.get(name.casefold())

    def _learn(self, rooms: list[Room]) -> None:
        for room in rooms:
            self._named[room.name.casefold()] = room
            if room.id in self._followers:
                self._followers[room.id].room = room

    async def _join(self, name: str) -> None:
        """Join a room, also when we were taken out of it; but not for ever."""
        if self._joined.get(name, 0) > REJOINS:
            return
        try:
            room = await insist(lambda: self._api.find(name))
            await insist(lambda: self._api.join(self._me, room))
        except RefusedError as error:
            if name not in self._lacking:
                log.warning("cannot join %s: %s; trying again", name, error)
            self._lacking.add(name)
            return
        self._lacking.discard(name)
        self._joined[name] = self._joined.get(name, 0) + 1
        self._named[name.casefold()] = room
        self._learn([room])
        log.info("joined %s", name)
        if self._joined[name] > REJOINS:
            log.warning("was taken out of %s too often: not joining it again", name)

    def _wanted(self) -> list[Room]:
        named = (self._named.get(name.casefold()) for name in self._settings.rooms)
        found = {room.id: room for room in named if room is not None}
        if self._settings.private:
            found.update({room.id: room for room in self._named.values() if room.private})
        return list(found.values())

    def _take(self, room: Room, looked: float, group: asyncio.TaskGroup) -> None:
        if room.id in self._followers:
            return
        if room.private and looked and not self._positions.is_known(room.id):
            # It was made since: what was said there is for us.
            self._positions.advance(room.id, [records.id_at(looked - MINUTE)])
        follower = self._followers[room.id] = self._follow(room)
        group.create_task(follower.run())
        for each in self._followers.values():
            each.pace = len(self._followers) * MINUTE / (self._settings.rate * SHARE)
