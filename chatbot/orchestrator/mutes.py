"""The rooms in which the bot is silent for now, as all primaries of a flow know them at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from chatbot.broker import Broker
from chatbot.broker.state import Mute, State, mute_key

MUTED = "muted"
"""What the outcome of a message says that is not answered for it."""


class Mutes:
    """A flow's mutes, up to date. Made by `follow`."""

    def __init__(self, state: State, flow: str) -> None:
        self._state = state
        self._flow = flow
        self._known: dict[str, Mute] = {}
        self._changed: set[str] = set()
        self._stale = asyncio.Event()
        self.rooms: dict[tuple[str, str], Mute] = {}
        """By network and room; those that are over may be among them."""

    @classmethod
    @asynccontextmanager
    async def follow(cls, broker: Broker, flow: str) -> AsyncIterator[Mutes]:
        """Follow them for the block's duration; whatever the connection does meanwhile."""
        mutes = cls(await State.open(broker, flow), flow)
        async with mutes._state.watch(mutes._change):
            await mutes._read()
            reading = asyncio.ensure_future(mutes._read_again())
            broker.on_reconnect.add(mutes._stale.set)
            try:
                yield mutes
            finally:
                broker.on_reconnect.discard(mutes._stale.set)
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def until(self, network: str, room: str) -> datetime | None:
        """Return until when the bot is silent in a room; `None` where it is not."""
        mute = self.rooms.get((network, room))
        if mute is None:
            return None
        if mute.until > datetime.now(UTC):
            return mute.until
        self._forget(mute_key(self._flow, network, room))
        return None

    async def mute(self, mute: Mute) -> None:
        """Be silent in a room; returns when it is stored."""
        await self._state.mute(mute)
        self._change(mute_key(self._flow, mute.network, mute.room), mute)

    async def unmute(self, network: str, room: str) -> None:
        """Be silent no more; returns when that is stored."""
        await self._state.unmute(network, room)
        self._change(mute_key(self._flow, network, room), None)

    def _change(self, key: str, mute: Mute | None) -> None:
        self._changed.add(key)
        if mute is None:
            self._forget(key)
        else:
            self._known[key] = mute
            self.rooms[mute.network, mute.room] = mute

    def _forget(self, key: str) -> None:
        mute = self._known.pop(key, None)
        if mute is not None:
            self.rooms.pop((mute.network, mute.room), None)

    async def _read(self) -> None:
        """Take over what is stored, but for what has changed while it was read."""
        self._changed.clear()
        found = await self._state.mutes()
        for key in {*self._known, *found} - self._changed:
            self._change(key, found.get(key))
        self._changed.clear()

    async def _read_again(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            await self._read()
