"""The time limit of a call on a node, and the watchdog over calls that heed none.

The rule that it guards: no call keeps a node for longer than its operation's limit. One that
waits is cancelled; where the event loop does not come back, or the operation goes on all the
same, the process ends, so that whoever started it starts it again.

A call costs two readings of the clock: one look a second at all of them does the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

log = logging.getLogger(__name__)

LOOK = 0.5
"""Seconds between looks at what runs."""

GRACE = 5.0
"""Seconds beyond its limit that a call has to heed its cancellation."""

STUCK = 70
"""Exit code of a node that ended itself (EX_SOFTWARE of sysexits.h)."""


class Limit:
    """The limit of one call after the other, in one task: `with limit: await …`.

    When a call takes longer than `seconds` (0: as long as it likes), it is cancelled, and leaves
    the block with a `TimeoutError`. `name` is the operation's.
    """

    __slots__ = ("_expired", "_task", "began", "name", "seconds")

    def __init__(self, name: str, seconds: float, task: asyncio.Task[Any]) -> None:
        self.name = name
        self.seconds = seconds
        self.began = 0.0
        self._task = task
        self._expired = False

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.began = 0.0
        if self._expired:
            self._expired = False
            left = self._task.uncancel()
            if kind is asyncio.CancelledError and not left:  # else somebody else wants an end, too
                raise TimeoutError(f"it took longer than {self.seconds:g} s") from error

    def over(self, grace: float = 0.0) -> bool:
        """Whether a call runs for longer than it may, and for `grace` seconds more."""
        began = self.began
        return bool(began and self.seconds and time.monotonic() > began + self.seconds + grace)

    def look(self) -> None:
        """Cancel the call if its time is over; in the event loop."""
        if not self._expired and self.over():
            self._expired = True
            self._task.cancel()


class Limits:
    """The limits of all that runs on a node."""

    def __init__(self) -> None:
        self._limits: list[Limit] = []

    @contextlib.contextmanager
    def watch(self, limit: Limit) -> Iterator[Limit]:
        """Look after `limit` for the block's duration."""
        self._limits.append(limit)
        try:
            yield limit
        finally:
            self._limits.remove(limit)

    async def run(self) -> None:
        """Cancel what takes too long, until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            for limit in list(self._limits):
                limit.look()

    @property
    def stuck(self) -> Limit | None:
        """A call that has not ended though its time, and the grace, are over; from any thread."""
        return next((limit for limit in list(self._limits) if limit.over(GRACE)), None)

    @property
    def longest(self) -> float:
        """The longest limit in seconds; 0 where one may take as long as it likes."""
        seconds = [limit.seconds for limit in list(self._limits)]
        return max(seconds) if seconds and all(seconds) else 0.0


@asynccontextmanager
async def watchdog(limits: Limits) -> AsyncIterator[None]:
    """End this process when an operation is stuck, for the block's duration.

    It is for a process that is a node and nothing else. A thread looks; where an operation does
    not even let threads run (it holds Python's lock), the alarm of `faulthandler`, which the
    event loop puts off as long as it turns, ends the process, and shows where it stood.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_look, args=(limits, ended), name="watchdog", daemon=True)
    alarm = asyncio.ensure_future(_put_off(lambda: limits.longest))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        alarm.cancel()
        await asyncio.gather(alarm, return_exceptions=True)
        faulthandler.cancel_dump_traceback_later()


def _look(limits: Limits, ended: threading.Event) -> None:
    while not ended.wait(LOOK):
        limit = limits.stuck
        if limit is not None:
            log.critical(
                "end this node: a call of %s did not end in %g s, and cannot be cancelled; "
                "another node tries it, or this one when it was started again",
                limit.name,
                limit.seconds,
            )
            faulthandler.dump_traceback(all_threads=True)  # functions and lines, no values
            sys.stderr.flush()
            os._exit(STUCK)


async def _put_off(longest: Callable[[], float]) -> None:
    while True:
        seconds = longest()
        if seconds:
            faulthandler.dump_traceback_later(seconds + 2 * GRACE, exit=True)
        else:
            faulthandler.cancel_dump_traceback_later()
        await asyncio.sleep(1.0)
