"""When the server is tried: by all, or, while it does not answer as it should, by one at a time.

The rule that it guards: however many want something of a server that is in trouble, it gets one
request after each pause, and pauses grow.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

log = logging.getLogger(__name__)

LEAST = 0.25
STRIKES = 3
"""Failures of one request alone that are no accident."""
LONGEST = 60.0
PATIENT = 5.0
"""Seconds between attempts where the server goes on limiting us, whatever it says."""


class LostError(Exception):
    """The server could not be reached, or what it answered makes no sense; the text says which.

    `status` is that of the answer, 0 where there was none; `successes`, how many requests had
    been answered well by then.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.successes = 0


async def at_once() -> None:
    """Wait for nothing."""


class Strikes:
    """How often one request failed while others went well; it waits longer and longer then."""

    def __init__(self) -> None:
        self.count = 0
        self._limits = 0
        self._successes = -1

    async def wait(self, error: LostError) -> None:
        """Count `error`, and wait; where others fail, too, the breaker makes all of us wait."""
        is_alone = error.successes != self._successes
        self._successes = error.successes
        self.count += is_alone
        if is_alone and self.count >= STRIKES:
            await asyncio.sleep(min(0.5 * 2 ** (self.count - STRIKES), LONGEST))

    def limited(self, seconds: float) -> float:
        """Return for how long to wait where the server says `seconds`, again and again perhaps."""
        self._limits = min(self._limits + 1, 20)
        return max(seconds, min(0.025 * float(2**self._limits), PATIENT))


class Breaker:
    """One for all requests to a network. Closed means that all is well, and nothing waits."""

    def __init__(self, network: str, first: float, most: float) -> None:
        self._network = network
        self._first = first
        self._most = most
        self._failures = 0
        self._until = 0.0
        self._successes = 0
        self._turn = asyncio.Lock()

    @property
    def is_closed(self) -> bool:
        """Whether the last that was heard of the server was good."""
        return self._failures == 0

    @asynccontextmanager
    async def attempt(self, when: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Wait until the server may be tried and `when` has returned; learn from the block's end.

        `LostError` is a failure; anything else but a cancellation shows that the server is there.
        While it is in doubt, blocks run one at a time, each after a pause.
        """
        if self.is_closed:
            await when()
            async with self._observed():
                yield
            return
        await self._turn.acquire()
        held = True
        try:
            if self.is_closed:
                self._turn.release()
                held = False
            else:
                await asyncio.sleep(self._until - asyncio.get_running_loop().time())
            await when()
            async with self._observed():
                yield
        finally:
            if held:
                self._turn.release()

    @asynccontextmanager
    async def _observed(self) -> AsyncIterator[None]:
        known = self._failures
        try:
            yield
        except LostError as error:
            self._fail(known, error)
            raise
        except Exception:
            self._succeed()  # it was refused, so somebody is there
            raise
        self._succeed()

    def _fail(self, known: int, error: LostError) -> None:
        error.successes = self._successes
        if known != self._failures:
            return  # it was under way when another found out
        pause = min(self._first * 2**known, self._most)
        pause = max(LEAST, pause * random.uniform(0.6, 1.0))  # noqa: S311 - jitter, no secret
        self._failures = min(known + 1, 60)
        self._until = asyncio.get_running_loop().time() + pause
        log.warning("lost %s: %s; again in %.1f s", self._network, error, pause)

    def _succeed(self) -> None:
        self._successes += 1
        if self._failures:
            log.info("reached %s again", self._network)
        self._failures = 0
