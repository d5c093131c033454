"""Key-value buckets: state that outlives a context, each named here with its age limit.

| bucket | keys | kept |
|---|---|---|
| `chatbot-flows` | `<flow>.<primary>` → its `FlowRecord` | 60 s unless renewed |
| `chatbot-roster` | `node.<id>`, `primary.<id>` → what it announces | 10 s unless renewed |
| `chatbot-leases` | what only one process may do → who does it | 5 s unless renewed |
| `chatbot-locks` | `<flow>.<hash of a name>` → who holds it, or did | 5 s unless renewed |
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import KeyValueConfig
from nats.js.errors import (
    APIError,
    BucketNotFoundError,
    KeyDeletedError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
)
from nats.js.kv import KeyValue

from chatbot.broker import subjects
from chatbot.broker.connection import Broker

FLOW_KEPT = 60.0
ROSTER_KEPT = 10.0
LEASE_KEPT = 5.0
LOCK_KEPT = 5.0

_TTL = {
    subjects.FLOWS: FLOW_KEPT,
    subjects.ROSTER: ROSTER_KEPT,
    subjects.LEASES: LEASE_KEPT,
    subjects.LOCKS: LOCK_KEPT,
}

_ANOTHER_REVISION = {10071, 10164}
"""The server's error codes where a key is not at the revision that was named."""

Change = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's value and the revision to name when it is replaced."""

    value: bytes
    revision: int


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
        except (KeyNotFoundError, KeyDeletedError):
            return None
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

    async def all(self) -> dict[str, bytes]:
        """Return every key with its value."""
        info = await self._broker.js.stream_info(self._stream, subjects_filter=">")
        keys = [subject.removeprefix(self._prefix) for subject in info.state.subjects or {}]
        entries = await asyncio.gather(*(self.get(key) for key in keys))
        return {key: entry.value for key, entry in zip(keys, entries, strict=True) if entry}

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


async def open_bucket(broker: Broker, name: str) -> Bucket:
    """Open one of the buckets above, made if need be; waits for a server that is away."""
    return await broker.insist(lambda: _opened(broker, name))


async def _opened(broker: Broker, name: str) -> Bucket:
    try:
        kv = await broker.js.key_value(name)
    except BucketNotFoundError:
        try:
            kv = await broker.js.create_key_value(
                KeyValueConfig(bucket=name, history=1, ttl=_TTL[name], replicas=broker.replicas)
            )
        except APIError:  # made by another in this moment
            kv = await broker.js.key_value(name)
    return Bucket(broker, name, kv)
