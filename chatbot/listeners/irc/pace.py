"""How fast things may happen: lines to a server, and attempts to reach it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable


class Bucket:
    """A token bucket: `burst` lines at once, then `rate` a second, in the order of asking."""

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled = clock()
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a token and take it."""
        async with self._turn:
            while (missing := 1 - self._fill()) > 0:  # noqa: ASYNC110 - time is the event
                await asyncio.sleep(missing / self._rate)
            self._tokens -= 1

    def spend(self, tokens: int = 1) -> None:
        """Take tokens without waiting, for what cannot wait; those who do wait pay for it."""
        self._fill()
        self._tokens -= tokens

    def _fill(self) -> float:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        # A token that is missing by a rounding error would be slept for in vain.
        return self._tokens + 1e-6


class Backoff:
    """Growing, jittered delays between attempts: quick at first, never less than 0.25 s.

    They grow with each round of `places` attempts, one for each that is tried in turn.
    """

    def __init__(self, first: float, most: float, places: int = 1) -> None:
        self._first = first
        self._most = most
        self._places = places
        self._next = first
        self._count = 0

    def next(self) -> float:
        """Return the seconds to wait before the next attempt."""
        delay = self._next
        self._count += 1
        if self._count % self._places == 0:
            self._next = min(self._next * 2, self._most)
        return max(0.25, delay * random.uniform(0.6, 1.0))  # noqa: S311 - jitter, no secret

    def reset(self) -> None:
        """Begin again, as the last attempt led to a lasting connection."""
        self._next = self._first
        self._count = 0
