"""The server's clock, as seen from this machine.

The rule that it guards: how old something is that the server stored is never found by comparing
the clocks of two machines.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from chatbot.broker.connection import Broker

TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that is `ahead` seconds of this machine's, give or take `within`."""

    ahead: float = 0.0
    within: float = 0.0

    def age(self, instant: datetime) -> float:
        """Return how many seconds ago it was `instant` by this clock; 0 for what is to come."""
        return max(0.0, time.time() + self.ahead - instant.timestamp())


class _Info(msgspec.Struct):
    """What we read of the server's answer; `ts` is when it gave it (NATS 2.10 and newer)."""

    ts: datetime | None = None


async def of_server(broker: Broker, stream: str) -> Clock:
    """Return the clock of the server that leads `stream`; our own where it does not say.

    Raises one of `broker.errors` where the server does not answer.
    """
    asked = time.time()
    answer = await broker.nc.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=TIMEOUT)
    half = (time.time() - asked) / 2
    said = msgspec.json.decode(answer.data, type=_Info).ts
    return Clock(said.timestamp() - asked - half, half) if said else Clock()
