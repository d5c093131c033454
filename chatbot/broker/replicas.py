"""On how many servers of a cluster a stream is kept.

The rule that it guards: what is kept on several servers is never moved to fewer by itself, as
one that is down for a moment is missed like one that is gone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from nats.js.errors import APIError

if TYPE_CHECKING:
    from chatbot.broker.connection import Broker

T = TypeVar("T")

ON_A_CLUSTER = 3
TOO_FEW_SERVERS = {10005, 10023, 10074}
"""The server's error codes: no suitable peers, insufficient resources, not in a cluster."""


def wanted(broker: Broker) -> int:
    """Return how many copies we would like: what is set, else three where there is a cluster."""
    return broker.replicas or (ON_A_CLUSTER if broker.clustered else 1)


async def placed(
    broker: Broker, make: Callable[[int], Awaitable[T]], *, exactly: int = 0, least: int = 1
) -> T:
    """Return what `make` gives for as many copies as we would like, or as there may be.

    `exactly` so many, where it is set. Otherwise, where the cluster has too few servers for what
    we would like, `least`.
    """
    count = exactly or max(least, wanted(broker))
    try:
        return await make(count)
    except APIError as error:
        if exactly or broker.replicas or count == least or not too_few_servers(error):
            raise
    return await make(least)


def too_few_servers(error: APIError) -> bool:
    """Whether the server refused because it has not the servers for so many copies."""
    return error.err_code in TOO_FEW_SERVERS
