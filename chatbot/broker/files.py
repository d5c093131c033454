"""Files that travel with a flow's configuration, in the object store under their hash."""

from __future__ import annotations

import contextlib

from nats.js.api import StreamConfig
from nats.js.errors import ObjectNotFoundError
from nats.js.object_store import ObjectStore

from chatbot.broker import migration, subjects
from chatbot.broker.connection import Broker
from chatbot.broker.objects import object_stream
from chatbot.errors import BrokerError
from chatbot.messages import digest


def name_of(content: bytes) -> str:
    """Return the name under which `content` is stored."""
    return digest(content, length=40)


async def put(broker: Broker, content: bytes) -> str:
    """Store `content` unless it is there; return its name."""
    store = await _open(broker)
    name = name_of(content)
    with contextlib.suppress(ObjectNotFoundError):
        await store.get_info(name)
        return name
    await store.put(name, content)
    return name


async def get(broker: Broker, name: str) -> bytes:
    """Return what is stored under `name`; `BrokerError` where nothing is, or it is damaged."""
    try:
        found = await (await _open(broker)).get(name)
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
