"""Key-value buckets: state that outlives a context, each named here with its age limit.

| bucket | keys | kept |
|---|---|---|
| `chatbot-flows` | `<flow>.<primary>` → its `FlowRecord` | 60 s unless renewed |
| `chatbot-roster` | `node.<id>`, `primary.<id>` → what it announces | 10 s unless renewed |
| `chatbot-leases` | what only one process may do → who does it | 5 s unless renewed |
| `chatbot-locks` | `<flow>.<hash of a name>` → who holds it, or did | 5 s unless renewed |
| `chatbot-attempts` | hash of a call → the nodes that died at it | 1 h, as work |
| `chatbot-positions` | hashes of flow and network → how far a listener has heard | 90 d |
| `chatbot-state` | what people asked of the bot: see `chatbot.broker.state` | 7 d |
| `chatbot-memory` | what flows keep: see `chatbot.broker.memory` | 90 d |
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, RawStreamMsg, StorageType, StreamConfig
from nats.js.errors import (
    APIError,
    BucketNotFoundError,
    InvalidKeyError,
    KeyDeletedError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NotFoundError,
)
from nats.js.kv import KV_OP, KeyValue

from chatbot.broker import clock, migration, subjects
from chatbot.broker.connection import Broker

FLOW_KEPT = 60.0
ROSTER_KEPT = 10.0
LEASE_KEPT = 5.0
LOCK_KEPT = 5.0
ATTEMPTS_KEPT = 3600.0
POSITION_KEPT = 90 * 86400.0
STATE_KEPT = 7 * 86400.0
MEMORY_KEPT = 90 * 86400.0
LONGEST_WINDOW = 3600.0

_TTL = {
    subjects.FLOWS: FLOW_KEPT,
    subjects.ROSTER: ROSTER_KEPT,
    subjects.LEASES: LEASE_KEPT,
    subjects.LOCKS: LOCK_KEPT,
    subjects.ATTEMPTS: ATTEMPTS_KEPT,
    subjects.POSITIONS: POSITION_KEPT,
    subjects.STATE: STATE_KEPT,
    subjects.MEMORY: MEMORY_KEPT,
}

_ANOTHER_REVISION = {10071, 10164}
"""The server's error codes where a key is not at the revision that was named."""

Change = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's value and the revision to name when it is replaced."""

    value: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Dated:
    """A key's value, when it was `stored` by the server's clock, and its `age` in seconds."""

    value: bytes
    stored: datetime
    age: float


class Bucket:
    """One key-value bucket. Made by `open_bucket`."""

    def __init__(self, broker: Broker, name: str, kv: KeyValue) -> None:
        self._broker = broker
        self._kv = kv
        self._prefix = f"$KV.{name}."
        self._stream = f"KV_{name}"

    async def get(self, key: str) -> Entry | None:
        """Return what `key` holds, `None` where it holds nothing."""
        try:
            found = await self._kv.get(key)
        except (KeyNotFoundError, KeyDeletedError, InvalidKeyError):
            return None  # under a key that can be none, only a stranger puts anything
        return Entry(found.value or b"", found.revision or 0)

    async def put(self, key: str, value: bytes) -> None:
        """Set `key`, whatever it held; returns when it is stored."""
        await self._broker.publish(self._prefix + key, value)

    async def create(self, key: str, value: bytes) -> int | None:
        """Set `key` if it holds nothing: its revision, or `None` where it holds something."""
        while True:
            try:
                return int(await self._kv.create(key, value))
            except KeyWrongLastSequenceError:
                return None
            except KeyNotFoundError:
                continue  # what it held has expired in this moment

    async def update(self, key: str, value: bytes, revision: int) -> int | None:
        """Set `key` if it is still at `revision`: the next one, or `None` where it is not."""
        try:
            return int(await self._kv.update(key, value, last=revision))
        except KeyWrongLastSequenceError:
            return None

    async def delete(self, key: str, revision: int | None = None) -> None:
        """Have `key` hold nothing, if it is still at `revision` where one is given."""
        try:
            await self._kv.delete(key, last=revision)
        except APIError as error:
            if error.err_code not in _ANOTHER_REVISION:
                raise

    async def all(self, wanted: str = ">") -> dict[str, bytes]:
        """Return every key with its value; `wanted` may narrow it down, with NATS's wildcards."""
        keys = await self.keys(wanted)
        entries = await asyncio.gather(*(self.get(key) for key in keys))
        return {key: entry.value for key, entry in zip(keys, entries, strict=True) if entry}

    async def dated(self) -> dict[str, Dated]:
        """Return every key with its value and how old that is, whatever our clock says."""
        keys = await self.keys()
        servers = await clock.of_server(self._broker, self._stream)
        found = await asyncio.gather(*(self._stored(key) for key in keys))
        return {
            key: Dated(each.data or b"", each.time, servers.age(each.time))
            for key, each in zip(keys, found, strict=True)
            if each is not None and each.time is not None
        }

    async def keys(self, wanted: str = ">") -> list[str]:
        """Return the keys (NATS's wildcards allowed); what they held may have been deleted."""
        subject = self._prefix + wanted
        info = await self._broker.js.stream_info(self._stream, subjects_filter=subject)
        return [subject.removeprefix(self._prefix) for subject in info.state.subjects or {}]

    async def _stored(self, key: str) -> RawStreamMsg | None:
        try:
            found = await self._broker.js.get_last_msg(self._stream, self._prefix + key)
        except NotFoundError:  # it has expired in this moment
            return None
        return None if KV_OP in (found.headers or {}) else found

    @asynccontextmanager
    async def watch(self, change: Change, keys: str = ">") -> AsyncIterator[None]:
        """Call `change(key, value)` at each change; an empty value says that it was deleted.

        `keys` may narrow it down, with NATS's wildcards. A change made while the connection is
        down is not told: look with `all` now and then. One that the server refused is told, too.
        """

        async def receive(msg: Msg) -> None:
            change(msg.subject.removeprefix(self._prefix), msg.data)

        sub = await self._broker.nc.subscribe(self._prefix + keys, cb=receive)
        try:
            yield
        finally:
            with contextlib.suppress(nats.errors.Error):
                await sub.unsubscribe()


def stream(name: str) -> StreamConfig:
    """Return the stream that is behind one of the buckets above (NATS ADR-8)."""
    return StreamConfig(
        name=f"KV_{name}",
        subjects=[f"$KV.{name}.>"],
        max_age=_TTL[name],
        max_msgs_per_subject=1,
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        duplicate_window=min(_TTL[name], LONGEST_WINDOW),
        allow_rollup_hdrs=True,
        allow_msg_ttl=True,
        deny_delete=True,
    )


async def open_bucket(broker: Broker, name: str) -> Bucket:
    """Open one of the buckets above; it is made, or brought to its settings, if need be.

    Waits for a server that is away.
    """
    return await broker.insist(lambda: _opened(broker, name))


async def _opened(broker: Broker, name: str) -> Bucket:
    await migration.ensure(broker, [stream(name)])
    return Bucket(broker, name, await broker.js.key_value(name))


async def find_bucket(broker: Broker, name: str) -> Bucket | None:
    """Open one of the buckets above as it is; `None` where there is none."""
    try:
        return Bucket(broker, name, await broker.js.key_value(name))
    except BucketNotFoundError:
        return None
