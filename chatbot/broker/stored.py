"""What streams keep: read where it lies, and erased.

The rule that it guards: what is read is never taken from anybody; what is erased is overwritten
on the server's disk, not only marked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from chatbot.broker import clock
from chatbot.broker.connection import Broker

AT_ONCE = 256
PATIENCE = 5.0
IDLE = 30.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of a stream, as it lies there."""

    sequence: int
    subject: str
    data: bytes


async def stored(
    broker: Broker, stream: str, subject: str, *, after: int = 0
) -> AsyncIterator[Stored]:
    """Yield what a stream has under `subject` (wildcards allowed) now, oldest first.

    Of what lies behind the sequence `after`, where one is given. There need not be such a
    stream. Raises one of `broker.errors` where the server does not answer.
    """
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=IDLE)
    if after:
        config.deliver_policy = DeliverPolicy.BY_START_SEQUENCE
        config.opt_start_seq = after + 1
    try:
        sub = await broker.js.pull_subscribe(subject, stream=stream, config=config)
    except NotFoundError:
        return
    try:
        left = (await sub.consumer_info()).num_pending or 0
        while left:
            try:
                taken = await sub.fetch(min(left, AT_ONCE), timeout=PATIENCE)
            except TimeoutError:  # erased by another in this moment, or the server is away
                left = (await sub.consumer_info()).num_pending or 0
                continue
            for msg in taken:
                yield Stored(msg.metadata.sequence.stream, msg.subject, msg.data)
            left -= len(taken)
    finally:
        await sub.unsubscribe()


async def count(broker: Broker, stream: str) -> int:
    """Return how many messages a stream has; none where there is no such stream."""
    try:
        return int((await broker.js.stream_info(stream)).state.messages)
    except NotFoundError:
        return 0


async def sequence_of(broker: Broker, stream: str, subject: str) -> int | None:
    """Return where the last message of a subject lies; `None` where there is none."""
    try:
        found = await broker.js.get_last_msg(stream, subject)
    except NotFoundError:
        return None
    return found.seq


async def age_of(broker: Broker, stream: str, subject: str) -> float | None:
    """Return how many seconds ago the last message of a subject was stored; `None` for none."""
    try:
        found = await broker.js.get_last_msg(stream, subject)
    except NotFoundError:
        return None
    servers = await clock.of_server(broker, stream)
    return servers.age(found.time) if found.time else 0.0


async def erase(broker: Broker, stream: str, sequences: Iterable[int]) -> int:
    """Delete messages and overwrite them on disk; return how many were there."""
    return sum(await asyncio.gather(*(_erase(broker, stream, each) for each in sequences)))


async def _erase(broker: Broker, stream: str, sequence: int) -> bool:
    # Without `no_erase` the server overwrites the message (JSApiMsgDeleteRequest).
    try:
        return bool(await broker.js.delete_msg(stream, sequence))
    except NotFoundError:
        return False
