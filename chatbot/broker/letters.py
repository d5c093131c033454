"""The dead-letter stream, read and cleared.

The rule that it guards: what is read is never taken from it; only `drop` does that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from chatbot.broker import subjects
from chatbot.broker.connection import Broker

AT_ONCE = 256
PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of the stream, as it lies there."""

    sequence: int
    data: bytes


async def stored(broker: Broker, flow: str | None = None) -> AsyncIterator[Stored]:
    """Yield what is in the stream now, oldest first; of one flow where one is named.

    There need not be a stream. Raises one of `broker.errors` where the server does not answer.
    """
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=30.0)
    subject = subjects.dead_subject(flow) if flow else "chatbot.dead.*"
    try:
        sub = await broker.js.pull_subscribe(subject, stream=subjects.DEAD, config=config)
    except NotFoundError:
        return
    try:
        left = (await sub.consumer_info()).num_pending or 0
        while left:
            try:
                taken = await sub.fetch(min(left, AT_ONCE), timeout=PATIENCE)
            except TimeoutError:  # deleted by another in this moment, or the server is away
                left = (await sub.consumer_info()).num_pending or 0
                continue
            for msg in taken:
                yield Stored(msg.metadata.sequence.stream, msg.data)
            left -= len(taken)
    finally:
        await sub.unsubscribe()


async def count(broker: Broker) -> int:
    """Return how many messages there are; one that was written twice counts twice."""
    try:
        return int((await broker.js.stream_info(subjects.DEAD)).state.messages)
    except NotFoundError:
        return 0


async def drop(broker: Broker, sequences: Iterable[int]) -> None:
    """Delete messages of the stream; those that have gone already are no error."""
    await asyncio.gather(*(_drop(broker, each) for each in sequences))


async def _drop(broker: Broker, sequence: int) -> None:
    try:
        await broker.js.delete_msg(subjects.DEAD, sequence)
    except NotFoundError:
        return


async def has_flow(broker: Broker, flow: str) -> bool:
    """Whether the stream that the messages of `flow` go to is there."""
    try:
        await broker.js.stream_info(subjects.in_stream(flow))
    except NotFoundError:
        return False
    return True
