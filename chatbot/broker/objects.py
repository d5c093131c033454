"""Large values, in the object store: too large for a message, which carries a reference.

The rule that it guards: a content is whole, and the one that its name is derived from, or it is
an error. Whoever owns the context frees its contents; what a dead process leaves behind expires
with the bucket's age limit, which is longer than work lies in WORK.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import nats.errors
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, ObjectNotFoundError

from chatbot.broker import chunks, migration, subjects
from chatbot.broker.connection import Broker
from chatbot.broker.streams import WORK_KEPT
from chatbot.errors import BrokerError
from chatbot.messages import digest

if TYPE_CHECKING:
    from nats.js.object_store import ObjectStore

log = logging.getLogger(__name__)

KEPT = 2 * WORK_KEPT
"""Seconds after which what nobody freed is gone."""

TRIES = 3
"""How often a content that is short or damaged is read: it may just be written anew."""

PASSING = {503, 500}
STREAM = f"OBJ_{subjects.VALUES}"

T = TypeVar("T")


class LargeValues:
    """Stores, gets and frees contents by name: `<primary>.<context>.<digest of the content>`.

    While the server is away each method tries again, until it is cancelled; what trying again
    would not mend is a `BrokerError`.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._store: ObjectStore | None = None

    async def put(self, contents: Mapping[str, bytes]) -> None:
        """Store each content under its name, unless it is there; return when all are stored."""
        for name, content in contents.items():
            await self._patiently(functools.partial(self._put, name, content))

    async def get(self, name: str) -> bytes:
        """Return a content. `BrokerError` where it is not there, or not what it should be."""
        for _ in range(TRIES):
            content: bytes = await self._patiently(functools.partial(self._get, name))
            if digest(content, length=40) == name.rpartition(".")[2]:
                return content
        raise BrokerError(f"the large value {name} in the object store is damaged")

    async def free(self, names: Iterable[str]) -> None:
        """Free the contents that are there."""
        for name in names:
            await self._patiently(functools.partial(self._free, name))

    async def _put(self, name: str, content: bytes) -> None:
        store = await self._open()
        try:
            await store.get_info(name)
        except ObjectNotFoundError:
            await store.put(name, content)

    async def _get(self, name: str) -> bytes:
        store = await self._open()
        try:
            info = await store.get_info(name)
        except ObjectNotFoundError:
            raise BrokerError(
                f"the large value {name} is no longer in the object store: its context has "
                f"ended, or it was not read for {KEPT / 3600:.0f} hours"
            ) from None
        found: list[bytes] = []
        await chunks.read(self._broker, subjects.VALUES, info, found.append)
        return b"".join(found)

    async def _free(self, name: str) -> None:
        store = await self._open()
        try:
            info = await store.get_info(name)
        except ObjectNotFoundError:
            return
        key = base64.urlsafe_b64encode(name.encode()).decode()
        # Not the store's own `delete`, which leaves a marker for each.
        for subject in (f"M.{key}", f"C.{info.nuid}"):
            await self._broker.js.purge_stream(STREAM, subject=f"$O.{subjects.VALUES}.{subject}")

    async def _open(self) -> ObjectStore:
        if self._store is None:
            self._store = await _open(self._broker)
        return self._store

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        pause = 0.05
        while True:
            try:
                return await attempt()
            except nats.errors.ConnectionClosedError as error:
                raise BrokerError("the connection to NATS is closed") from error
            except APIError as error:
                if error.code not in PASSING:
                    raise BrokerError(f"NATS refuses a large value: {error}") from error
                log.debug("trying a large value again: %r", error)
            except (nats.errors.Error, TimeoutError, OSError) as error:
                log.debug("trying a large value again: %r", error)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            pause = min(pause * 2, 2.0)


def object_stream(bucket: str, description: str = "", kept: float = 0.0) -> StreamConfig:
    """Return the stream that is behind an object store (NATS ADR-20)."""
    return StreamConfig(
        name=f"OBJ_{bucket}",
        description=description or None,
        subjects=[f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"],
        max_age=kept,
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        allow_rollup_hdrs=True,
        allow_direct=True,
    )


def stream() -> StreamConfig:
    """Return the stream that is behind the object store of large values."""
    return object_stream(subjects.VALUES, "large values of contexts that run", KEPT)


async def _open(broker: Broker) -> Any:
    await migration.ensure(broker, [stream()])
    return await broker.js.object_store(subjects.VALUES)
