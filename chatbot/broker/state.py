"""What people asked of the bot, and what it must know to answer them: bucket `chatbot-state`.

| key | value |
|---|---|
| `last.<flow>.<network>.<room>` | `LastHeard`: the last message there, for `!why` |
| `mute.<flow>.<network>.<room>` | `Mute`: until when the bot is silent there |

Flow, network and room are hashes of their names. All of it is kept for 7 days. The rule that it
guards: no word of what people said is in it, and whose message it was only to forget it by.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from chatbot.broker import subjects
from chatbot.broker.buckets import STATE_KEPT, Bucket, find_bucket, open_bucket
from chatbot.broker.connection import Broker
from chatbot.messages import Record, digest

LONGEST_MUTE = STATE_KEPT
"""Seconds; nothing is kept for longer."""

R = TypeVar("R", bound=Record)


class LastHeard(Record, frozen=True):
    """The last message of a room; `dropped` says why it is not answered, where that is so."""

    flow: str
    network: str
    room: str
    id: str
    sender: str
    dropped: str = ""


class Mute(Record, frozen=True):
    """That the bot is silent in a room until an instant, by the clock of who asked for it."""

    flow: str
    network: str
    room: str
    until: Annotated[datetime, Meta(tz=True)]
    by: str = ""


class State:
    """What is kept for one flow. Made by `open`.

    All of it waits for a server that is away.
    """

    def __init__(self, broker: Broker, bucket: Bucket, flow: str) -> None:
        self._broker = broker
        self._bucket = bucket
        self._flow = flow

    @classmethod
    async def open(cls, broker: Broker, flow: str) -> State:
        return cls(broker, await open_bucket(broker, subjects.STATE), flow)

    async def last(self, network: str, room: str) -> LastHeard | None:
        """Return the last message of a room, `None` where none is known."""
        key = _key("last", self._flow, network, room)
        found = await self._broker.insist(lambda: self._bucket.get(key))
        return _decoded(LastHeard, found.value) if found else None

    async def remember(self, heard: LastHeard) -> None:
        await self._bucket.put(_key("last", heard.flow, heard.network, heard.room), heard.encode())

    async def mute(self, mute: Mute) -> None:
        await self._bucket.put(_key("mute", mute.flow, mute.network, mute.room), mute.encode())

    async def unmute(self, network: str, room: str) -> None:
        key = _key("mute", self._flow, network, room)
        await self._broker.insist(lambda: self._bucket.delete(key))

    async def mutes(self) -> dict[str, Mute]:
        """Return the mutes by their keys, those that are over, too."""
        return await self._broker.insist(lambda: _all(self._bucket, Mute, self._mutes))

    @asynccontextmanager
    async def watch(self, change: Callable[[str, Mute | None], None]) -> AsyncIterator[None]:
        """Call `change(key, mute)` at each change; `None` says that it was taken back.

        What changes while the connection is down is not told: look with `mutes` then.
        """

        def changed(key: str, value: bytes) -> None:
            change(key, _decoded(Mute, value) if value else None)

        async with self._bucket.watch(changed, self._mutes):
            yield

    @property
    def _mutes(self) -> str:
        return f"mute.{digest(self._flow)}.>"


def mute_key(flow: str, network: str, room: str) -> str:
    """Return the key under which `watch` and `mutes` know the mute of a room."""
    return _key("mute", flow, network, room)


async def all_mutes(broker: Broker) -> list[Mute]:
    """Return the mutes of all flows, those that are over, too.

    Raises one of `broker.errors` where the server does not answer.
    """
    bucket = await find_bucket(broker, subjects.STATE)
    return [] if bucket is None else list((await _all(bucket, Mute, "mute.>")).values())


async def forget(
    broker: Broker, is_meant: Callable[[str, str], bool], flow: str | None = None
) -> int:
    """Erase what is kept of people; return of how many rooms something was.

    `is_meant` is asked with a network and a sender. A room stays muted; by whom is erased.
    Raises one of `broker.errors` where the server does not answer.
    """
    bucket = await find_bucket(broker, subjects.STATE)
    if bucket is None:
        return 0
    count = 0
    for key, heard in (await _all(bucket, LastHeard, "last.>")).items():
        if flow in (None, heard.flow) and is_meant(heard.network, heard.sender):
            await bucket.delete(key)
            count += 1
    for key, mute in (await _all(bucket, Mute, "mute.>")).items():
        if flow in (None, mute.flow) and mute.by and is_meant(mute.network, mute.by):
            await bucket.put(key, msgspec.structs.replace(mute, by="").encode())
            count += 1
    return count


async def _all(bucket: Bucket, kind: type[R], keys: str) -> dict[str, R]:
    found = {key: _decoded(kind, value) for key, value in (await bucket.all(keys)).items()}
    return {key: record for key, record in found.items() if record is not None}


def _decoded(kind: type[R], value: bytes) -> R | None:
    """Return the record; `None` for what another version put there and we do not understand."""
    try:
        return kind.decode(value)
    except msgspec.MsgspecError:
        return None


def _key(kind: str, flow: str, network: str, room: str) -> str:
    return f"{kind}.{digest(flow)}.{digest(network)}.{digest(room)}"
