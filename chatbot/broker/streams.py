"""The streams and consumers, as data, and how they come to be.

No guarantee rests on a dedupe window. IN and OUT keep one message a subject and refuse a
second, and OUT keeps it for longer than IN keeps messages: whatever order, revision or restart
produced a second outcome, the server says no.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from chatbot.broker import migration, subjects
from chatbot.broker.subjects import Lane
from chatbot.storage import Storage
from chatbot.units import HOUR

if TYPE_CHECKING:
    from chatbot.broker.connection import Broker

log = logging.getLogger(__name__)

DEFAULT = Storage()
WORK_KEPT = 1 * HOUR
DONE_KEPT = 10 * 60.0

IN_ACK_WAIT = 8.0
"""Seconds until a killed primary's messages are another's; renewed while it lives."""

WORK_ACK_WAIT = 2.5
"""Seconds until a killed node's work is another's; renewed while it lives."""

OUT_ACK_WAIT = 10.0
DONE_ACK_WAIT = 5.0
IN_PENDING = {Lane.PEOPLE: 2048, Lane.BULK: 2048}
"""The most contexts in flight, over all primaries of a flow."""

AGAIN = 0.5
"""Seconds until the server is asked again, where it did not answer."""

MIB = 1024 * 1024
FLOW = "chatbot-flow"
STORAGE = "chatbot-storage"
"""What the streams of a flow say of themselves: whose they are, and what its file asked for."""


def account_streams(flow: str = "", storage: Storage = DEFAULT) -> list[StreamConfig]:
    """Return the streams that all flows of an account share.

    A `flow` says with its `storage` how long it wants dead letters kept. The longest that any
    flow wants is what all get, and so are the replicas the most.
    """
    asked = {dead_wish(flow): str(int(storage.dead))} if flow else None
    return [
        StreamConfig(
            name=subjects.WORK,
            subjects=["chatbot.work.>"],
            retention=RetentionPolicy.WORK_QUEUE,
            max_age=WORK_KEPT,
            storage=StorageType.FILE,
            num_replicas=storage.replicas or None,
        ),
        StreamConfig(
            name=subjects.DONE,
            subjects=["chatbot.done.*"],
            retention=RetentionPolicy.INTEREST,
            max_age=DONE_KEPT,
            storage=StorageType.FILE,
            num_replicas=storage.replicas or None,
        ),
        StreamConfig(
            name=subjects.DEAD,
            subjects=["chatbot.dead.*"],
            retention=RetentionPolicy.LIMITS,
            max_age=storage.dead,
            max_bytes=256 * MIB,
            storage=StorageType.FILE,
            metadata=asked,
            num_replicas=storage.replicas or None,
        ),
    ]


def flow_streams(flow: str, storage: Storage = DEFAULT) -> list[StreamConfig]:
    """Return the streams of one flow: what was heard, and what was decided."""
    heard, decided = subjects.in_stream(flow), subjects.out_stream(flow)
    return [
        _once_per_subject(heard, subjects.in_filter(flow), storage.keep, flow, storage),
        _once_per_subject(decided, subjects.out_filter(flow), storage.outcomes, flow, storage),
    ]


def dead_wish(flow: str) -> str:
    """Return under what the stream of dead letters says how many seconds `flow` wants them."""
    return f"{migration.WISH}{subjects.token(flow)}"


def _once_per_subject(
    name: str, subject: str, kept: float, flow: str, storage: Storage
) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=[subject],
        retention=RetentionPolicy.LIMITS,
        max_age=kept,
        max_bytes=storage.size or None,
        max_msgs_per_subject=1,
        discard=DiscardPolicy.NEW,
        discard_new_per_subject=True,
        storage=StorageType.FILE,
        allow_direct=True,
        num_replicas=storage.replicas or None,
        metadata={FLOW: flow, STORAGE: storage.encode()},
    )


def in_consumer(flow: str, lane: Lane) -> ConsumerConfig:
    """Return the consumer of IN that all primaries of a flow share."""
    return ConsumerConfig(
        durable_name=f"primaries-{lane}",
        filter_subject=subjects.in_filter(flow, lane),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=IN_ACK_WAIT,
        max_ack_pending=IN_PENDING[lane],
    )


def work_consumer(flow: str, lane: Lane, key: str) -> ConsumerConfig:
    """Return the consumer of WORK that all nodes which run the operation share."""
    return ConsumerConfig(
        durable_name=f"{subjects.token(flow)}-{lane}-{key}",
        filter_subject=subjects.work_subject(flow, lane, key),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=WORK_ACK_WAIT,
        max_ack_pending=4096,
        inactive_threshold=HOUR,
    )


def done_consumer(primary: str) -> ConsumerConfig:
    """Return the consumer of one primary's results; it goes when the primary has gone."""
    return ConsumerConfig(
        durable_name=f"primary-{primary}",
        filter_subject=subjects.done_subject(primary),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=DONE_ACK_WAIT,
        max_ack_pending=8192,
        inactive_threshold=60.0,
    )


def out_consumer(
    flow: str, network: str, lane: Lane = Lane.PEOPLE, *, transient: bool = False
) -> ConsumerConfig:
    """Return the consumer of one network's outcomes; `transient` ones go with their listener."""
    kind = "bulk" if lane is Lane.BULK else "listener"
    return ConsumerConfig(
        durable_name=f"{kind}-{subjects.token(network)}",
        filter_subject=subjects.out_filter(flow, network, lane),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=OUT_ACK_WAIT,
        max_ack_pending=4096,
        inactive_threshold=60.0 if transient else None,
    )


async def ensure(broker: Broker, streams: list[StreamConfig]) -> None:
    """Create the streams, or bring them to this configuration. Idempotent.

    What is stored stays, and an operator's other settings do. Waits for a server that is away;
    raises `StorageError` where the server cannot keep it so.
    """
    await broker.insist(lambda: migration.ensure(broker, streams))


async def last(broker: Broker, stream: str, subject: str) -> bytes | None:
    """Return what was last stored under `subject`; `None` for nothing.

    While the server is away it asks again, until it is cancelled.
    """
    while True:
        try:
            return (await broker.js.get_last_msg(stream, subject, direct=True)).data or b""
        except NotFoundError:
            return None
        except broker.errors as error:
            log.debug("asking again for the last of %s: %r", stream, error)
            await asyncio.sleep(AGAIN)


async def drop_queue(broker: Broker, flow: str, lane: Lane, key: str) -> None:
    """Delete the consumer of an operation's work, and what work is left."""
    consumer = str(work_consumer(flow, lane, key).durable_name)
    await drop_consumer(broker, subjects.WORK, consumer)
    await broker.js.purge_stream(subjects.WORK, subject=subjects.work_subject(flow, lane, key))


async def drop_consumer(broker: Broker, stream: str, consumer: str) -> None:
    """Delete a consumer that nobody else uses; one that has gone is no error."""
    try:
        await broker.js.delete_consumer(stream, consumer)
    except NotFoundError:
        return
