"""The classic Gitter listener: who we are, and the tasks that hear and speak."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from chatbot.errors import ListenerError
from chatbot.listeners.bridge import Bridge
from chatbot.listeners.gitter.api import Api, insist
from chatbot.listeners.gitter.faults import RefusedError
from chatbot.listeners.gitter.hearing import Ear, Follower
from chatbot.listeners.gitter.pace import Budget
from chatbot.listeners.gitter.positions import Positions
from chatbot.listeners.gitter.records import Room
from chatbot.listeners.gitter.rooms import Rooms
from chatbot.listeners.gitter.settings import GitterSettings, Timing
from chatbot.listeners.gitter.speaking import Speaker
from chatbot.listeners.gitter.streams import Streams

log = logging.getLogger(__name__)


class GitterListener:
    """Hears and speaks on one classic Gitter server; see `Listener`.

    What is said in its rooms is heard once, in each room's order, also what was said while
    nobody listened, as far back as the server has it; the first time, from then on. A reply is
    said once: it is looked for in the room before it is said again.
    """

    settings_type = GitterSettings

    def __init__(
        self, network: str, settings: GitterSettings, timing: Timing | None = None
    ) -> None:
        self.network = network
        self._settings = settings
        self._timing = timing or Timing()

    def describe(self) -> str:
        """Return where this is, for a status line: `gitter.example.org org/a,org/b`."""
        return f"{urlsplit(self._settings.server).netloc} {','.join(self._settings.rooms)}".strip()

    async def run(self, bridge: Bridge) -> None:
        """Hear and speak until cancelled; leaves within about a second then.

        Raises `ListenerError` when the server does not know the token, or its certificate
        cannot be verified.
        """
        if problems := self._settings.problems():
            key, wrong = problems[0]
            raise ListenerError(f"{self.network}: {key} {wrong}")
        token = await asyncio.to_thread(self._settings.secret)
        budget = Budget(self._settings.rate)
        api = Api(self._settings, token, self._timing, budget)
        try:
            async with self._streams(token, budget) as streams:
                await self._serve(api, streams, bridge)
        except* ListenerError as errors:
            error = _first(errors)
        raise error

    @asynccontextmanager
    async def _streams(self, token: str, budget: Budget) -> AsyncIterator[Streams | None]:
        if not self._settings.stream:
            yield None
            return
        async with Streams.opened(self._settings, token, self._timing, budget) as streams:
            yield streams

    async def _serve(self, api: Api, streams: Streams | None, bridge: Bridge) -> None:
        try:
            me = await insist(api.me)
        except RefusedError as error:
            raise ListenerError(
                f"{self._settings.server} is not the API of a Gitter server: {error}",
                hint="its address mostly ends in /v1",
            ) from None
        log.info("is %s on %s", me.username, self._settings.server)
        positions = Positions()
        positions.load(await bridge.position())
        ear = Ear(self.network, me, bridge)

        def follow(room: Room) -> Follower:
            return Follower(room, api, streams, ear, positions, self._timing)

        rooms = Rooms(me, api, self._settings, self._timing, positions, follow)
        most = self._settings.messages
        speaker = Speaker(self.network, me, api, rooms, self._timing, most=most)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(positions.run(bridge))
                group.create_task(rooms.run(group))
                group.create_task(speaker.run(bridge))
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.leave):
                    await positions.store(bridge)


def _first(errors: BaseExceptionGroup[ListenerError]) -> ListenerError:
    """Return one of the errors in a group, however deep."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, ListenerError)
    return found
