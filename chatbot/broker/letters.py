"""The dead-letter stream, read and cleared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from nats.js.errors import NotFoundError

from chatbot.broker import stored, subjects
from chatbot.broker.connection import Broker
from chatbot.broker.stored import Stored


def kept(broker: Broker, flow: str | None = None) -> AsyncIterator[Stored]:
    """Yield what is in the stream now, oldest first; of one flow where one is named.

    There need not be a stream. Raises one of `broker.errors` where the server does not answer.
    """
    subject = subjects.dead_subject(flow) if flow else subjects.DEAD_FILTER
    return stored.stored(broker, subjects.DEAD, subject)


async def count(broker: Broker) -> int:
    """Return how many messages there are; one that was written twice counts twice."""
    return await stored.count(broker, subjects.DEAD)


async def drop(broker: Broker, sequences: Iterable[int]) -> None:
    """Erase messages of the stream; those that have gone already are no error."""
    await stored.erase(broker, subjects.DEAD, sequences)


async def has_flow(broker: Broker, flow: str) -> bool:
    """Whether the stream that the messages of `flow` go to is there."""
    try:
        await broker.js.stream_info(subjects.in_stream(flow))
    except NotFoundError:
        return False
    return True
