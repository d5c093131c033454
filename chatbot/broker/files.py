"""Files that travel with a flow's configuration, in the object store under their hash."""

from __future__ import annotations

import asyncio
import contextlib

from nats.js.api import StreamConfig
from nats.js.errors import ObjectNotFoundError
from nats.js.object_store import ObjectStore

from chatbot.broker import migration, subjects
from chatbot.broker.connection import Broker
from chatbot.broker.objects import object_stream
from chatbot.errors import BrokerError
from chatbot.messages import digest

PATIENCE = 60.0
"""Seconds that fetching a file may take, before it is begun again."""


def name_of(content: bytes) -> str:
    """Return the name under which `content` is stored."""
    return digest(content, length=40)


async def put(broker: Broker, content: bytes) -> str:
    """Store `content` unless it is there; return its name. Waits for a server that is away."""
    name = name_of(content)
    await broker.insist(lambda: _put(broker, name, content))
    return name


async def get(broker: Broker, name: str) -> bytes:
    """Return what is stored under `name`; `BrokerError` where nothing is, or it is damaged.

    Waits for a server that is away.
    """
    return await broker.insist(lambda: _get(broker, name))


async def _put(broker: Broker, name: str, content: bytes) -> None:
    store = await _open(broker)
    with contextlib.suppress(ObjectNotFoundError):
        await store.get_info(name)
        return
    await store.put(name, content)


async def _get(broker: Broker, name: str) -> bytes:
    store = await _open(broker)
    try:
        async with asyncio.timeout(PATIENCE):  # nats-py waits for ever for a chunk that got lost
            found = await store.get(name)
    except ObjectNotFoundError as error:
        raise BrokerError(
            f"the file {name} that a flow names is not in the object store"
        ) from error
    content = found.data or b""
    if name_of(content) != name:
        raise BrokerError(f"the file {name} in the object store is damaged")
    return content


def stream() -> StreamConfig:
    """Return the stream that is behind the object store of files."""
    return object_stream(subjects.FILES)


async def _open(broker: Broker) -> ObjectStore:
    await migration.ensure(broker, [stream()])
    return await broker.js.object_store(subjects.FILES)
