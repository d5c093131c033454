"""How often the server is asked: its limit while it answers, ever more rarely while it fails."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext

from chatbot.listeners.gitter.faults import LimitedError, RefusedError, UnavailableError

log = logging.getLogger(__name__)

MINUTE = 60.0
BURST = 0.2
"""The part of a minute's requests that may leave at once; the rest leaves evenly, so that no
60 seconds, wherever the server begins to count them, have more than it allows."""

RESERVE = 0.25
"""The part of what may leave at once that is kept for replies."""


class Budget:
    """The requests that may leave: `rate` a minute, whoever sends them."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate = rate
        self._tokens = self._most
        self._filled = clock()
        self._paused = 0.0

    async def take(self, *, urgent: bool) -> None:
        """Wait until a request may leave; one that is not `urgent` leaves some for those."""
        while (wait := self.due(urgent=urgent)) > 0:  # noqa: ASYNC110 - time is the event
            await asyncio.sleep(wait)
        self.spend()

    def due(self, *, urgent: bool) -> float:
        """Return in how many seconds a request may leave; now, if that is not above 0."""
        self._fill()
        pause = self._paused - self._clock()
        if pause > 0:
            return pause
        kept = 0.0 if urgent else float(int(self._most * RESERVE))
        missing = 1 + kept - self._tokens - 1e-6
        return missing / self._per_second

    def spend(self) -> None:
        """Note that a request leaves."""
        self._tokens -= 1

    def told(self, limit: int | None, remaining: int | None, reset: float | None) -> None:
        """Believe what the server counts; `reset` is in how many seconds it counts anew."""
        self._fill()
        if limit is not None and 1 <= limit <= self._rate:
            self._rate = limit
        if remaining is not None:
            self._tokens = min(self._tokens, float(max(0, remaining)))
            if remaining <= 0 and reset is not None:
                self.pause(reset)

    def pause(self, seconds: float) -> None:
        """Let nothing leave for so long, two minutes at most."""
        self._paused = max(self._paused, self._clock() + min(max(seconds, 0.0), 2 * MINUTE))

    @property
    def _most(self) -> float:
        return max(1.0, self._rate * BURST)

    @property
    def _per_second(self) -> float:
        return max(1.0, self._rate - self._most) / MINUTE

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._filled) * self._per_second)
        self._filled = now


class Gate:
    """Lets attempts through while `name` answers; while it fails, one at a time and slowly.

    The pauses grow from `first` to `most` seconds, with jitter, and are never below 0.25 s.
    """

    def __init__(self, name: str, first: float, most: float) -> None:
        self._name = name
        self._first = first
        self._most = most
        self._next = first
        self._until = 0.0
        self._failing = False
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Wait for the turn of an attempt, which fails when it raises `UnavailableError`."""
        async with self._turn if self._failing else nullcontext():
            await self._pause()
            try:
                yield
            except UnavailableError as error:
                self.failed(str(error))
                raise
            except (LimitedError, RefusedError):
                self._worked()  # it answers, after all
                raise
            self._worked()

    def failed(self, reason: str) -> None:
        """Note a failure; those of attempts that began together count as one."""
        now = time.monotonic()
        if not self._failing:
            log.warning("%s does not answer as it should: %s; trying again", self._name, reason)
        self._failing = True
        if now < self._until:
            return
        pause = max(0.25, self._next * random.uniform(0.6, 1.0))  # noqa: S311 - jitter, no secret
        self._until = now + pause
        self._next = min(self._next * 2, self._most)

    def _worked(self) -> None:
        if self._failing:
            log.warning("%s answers again", self._name)
        self._failing = False
        self._next = self._first

    async def _pause(self) -> None:
        while self._failing and (left := self._until - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)
