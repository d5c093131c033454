"""Hearing one room: its stream, what was said before and meanwhile, and asking where it is mute.

The rule that it guards: what is said in the room is given to the bridge once, as long as the
server keeps it, whatever happens to the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re

from chatbot.listeners.bridge import Bridge
from chatbot.listeners.gitter import records
from chatbot.listeners.gitter.api import Api, insist
from chatbot.listeners.gitter.faults import LimitedError, RefusedError, UnavailableError
from chatbot.listeners.gitter.positions import OVERLAP, Positions
from chatbot.listeners.gitter.records import Event, Message, Room, User
from chatbot.listeners.gitter.settings import Timing
from chatbot.listeners.gitter.streams import Streams
from chatbot.listeners.tasks import race
from chatbot.messages import ChatMessage

log = logging.getLogger(__name__)

LATE = 60.0
"""Seconds after which what is found was said long ago."""


FULL = 25
"""Messages of an answer behind which there may be more: a server may give fewer than we ask for."""


FARTHEST = 4900
"""Messages that may be skipped; of more, the server gives none."""


class Ear:
    """Makes messages of the server's."""

    def __init__(self, network: str, me: User, bridge: Bridge) -> None:
        self._network = network
        self._me = me
        self._bridge = bridge
        self._spoken_to = re.compile(rf"@?{re.escape(me.username)}[:,]", re.IGNORECASE)

    async def hear(self, room: Room, message: Message, *, old: bool) -> None:
        """Give a message to the bridge, if it is not our own."""
        if message.text and message.sender.id != self._me.id:
            await self._bridge.hear(self._message(room, message, old))

    async def forget(self, key: str) -> None:
        """Have what was taken back erased."""
        await self._bridge.forget(key)

    def _message(self, room: Room, message: Message, old: bool) -> ChatMessage:
        return ChatMessage(
            id=message.id,
            network=self._network,
            room=room.name,
            sender=message.sender.username,
            text=message.text,
            time=message.sent,
            addressed=room.private or self._is_addressed(message),
            private=room.private,
            nick=self._me.username,
            name=message.sender.name,
            account=message.sender.id,
            kind="action" if message.is_action else "message",
            reply_to=message.thread,
            thread=message.thread,
            repository=room.repository,
            old=old,
        )

    def _is_addressed(self, message: Message) -> bool:
        ours = {self._me.id.casefold(), self._me.username.casefold()}
        return bool(ours & message.mentioned) or self._spoken_to.match(message.text) is not None


class Follower:
    """Follows one room for as long as we are in it."""

    def __init__(
        self,
        room: Room,
        api: Api,
        streams: Streams | None,
        ear: Ear,
        positions: Positions,
        timing: Timing,
    ) -> None:
        self.room = room
        self.pace = 0.0
        """The least seconds between two questions, so that all rooms' stay within the limit."""
        self._api = api
        self._streams = streams
        self._ear = ear
        self._positions = positions
        self._timing = timing
        self._order = asyncio.Lock()
        self._stream: asyncio.Timeout | None = None
        """While there is one that is heard."""
        self._connected = 0.0
        self._deaf = False
        self._change = asyncio.Event()

    async def run(self) -> None:
        """Hear the room for ever. Raises `ListenerError` where the server does not know us."""
        while True:
            try:
                await self._begin()
                await race(self._ask(), *([self._listen(self._streams)] if self._streams else []))
            except RefusedError as error:
                log.warning("cannot hear %s: %s; trying again", self.room.name, error)
                if error.status == 401:  # of a stream: does nobody know the token any more?
                    with contextlib.suppress(RefusedError):
                        await insist(self._api.me)
                await asyncio.sleep(self._timing.refused)

    async def _begin(self) -> None:
        """Hear what was said since somebody listened; where nobody has, begin now."""
        if self._positions.is_known(self.room.id):
            await self._catch_up(old=True)
            return
        newest = await insist(lambda: self._api.newest(self.room))
        keys = newest.keys or [records.id_at(self._api.now())]
        self._positions.begin(self.room.id, keys)

    async def _listen(self, streams: Streams) -> None:
        while True:
            try:
                async with (
                    streams.open(self.room) as events,
                    asyncio.timeout(None) as self._stream,
                ):
                    await self._catch_up()
                    self._connected = _clock()
                    async for event in events:
                        await self._on(event)
            except (LimitedError, UnavailableError, TimeoutError) as error:
                log.debug("lost the stream of %s: %s", self.room.name, error)
            finally:
                self._stream, self._connected = None, 0.0
                self._change.set()

    async def _on(self, event: Event) -> None:
        if event.operation == "remove":
            await self._ear.forget(event.id)
        elif event.operation == "create" and event.message is not None:
            self._deaf = self._deaf and self._positions.is_heard(self.room.id, event.id)
            await self._take([event.message], old=False)

    async def _ask(self) -> None:
        """Ask for what is new: often where there is no stream, rarely to see that there is one."""
        asked = _clock()
        while True:
            hears = self._connected > 0 and not self._deaf
            interval = max(self.pace, self._timing.check if hears else self._timing.poll)
            self._change.clear()
            try:
                async with asyncio.timeout(asked + interval - _clock()):
                    await self._change.wait()
            except TimeoutError:
                connected = self._connected
                missed = await self._catch_up()
                asked = _clock()
                if missed and connected and connected == self._connected:
                    self._reconnect()

    def _reconnect(self) -> None:
        """Give up a stream that is there and has not told of a message."""
        log.warning("the stream of %s is silent about messages: asking", self.room.name)
        self._deaf = True
        if self._stream is not None and _clock() - self._connected > self._timing.check:
            self._stream.reschedule(_clock())

    async def _catch_up(self, *, old: bool | None = None) -> bool:
        """Hear what was said since the last message; true if a stream should have told of some.

        Pages are told apart by their numbers, as ids within a second are in no certain order.
        """
        missed = False
        key, skip = self._positions.start(self.room.id), 0
        before: list[str] = []
        while True:
            page = await insist(functools.partial(self._api.after, self.room, key, skip))
            keys = {each for each in page.keys if each > key}
            new = [m for m in page.messages if m.id in keys and not self._is_heard(m.id)]
            missed |= any(self._api.now() - m.sent.timestamp() > self._timing.missed for m in new)
            await self._take(new, old=old)
            self._positions.advance(self.room.id, keys)
            skip += page.count
            if page.count < FULL or page.keys == before:
                return missed
            if skip > FARTHEST:
                key, skip = max(key, records.floor(max(page.keys), OVERLAP)), 0
            before = page.keys

    async def _take(self, messages: list[Message], *, old: bool | None) -> None:
        async with self._order:
            for message in messages:
                if self._is_heard(message.id):
                    continue
                late = self._api.now() - message.sent.timestamp() > LATE
                await self._ear.hear(self.room, message, old=late if old is None else old)
                self._positions.advance(self.room.id, [message.id])

    def _is_heard(self, key: str) -> bool:
        return self._positions.is_heard(self.room.id, key)


def _clock() -> float:
    return asyncio.get_running_loop().time()
