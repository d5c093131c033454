"""The time limits of calls on a node.

The rule that it guards: no call keeps a node for longer than its operation's limit. One that
waits is cancelled here; one that keeps the event loop to itself is the `watchdog`'s.

A call costs two readings of the clock: one look a second at all of them does the rest. Time in
which the event loop stood still (it was blocked, or the process frozen) counts for nobody who
waited.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

LOOK = 0.5
"""Seconds between looks at what runs."""

GRACE = 5.0
"""Seconds beyond its limit that a call has to heed its end."""

BLOCKED = 1.0
"""Seconds for which a call that is over its limit is seen to keep the event loop to itself."""


def over_time(seconds: float) -> TimeoutError:
    """Return what a call that took longer than `seconds` ends with."""
    return TimeoutError(f"it took longer than {seconds:g} s")


class Limit:
    """The limit of one call after the other, in one task: `with limit: await …`.

    When a call takes longer than `seconds` (0: as long as it likes), it is cancelled, and leaves
    the block with a `TimeoutError`. `name` is the operation's.
    """

    __slots__ = ("_expired", "began", "name", "seconds", "task")

    def __init__(self, name: str, seconds: float, task: asyncio.Task[Any]) -> None:
        self.name = name
        self.seconds = seconds
        self.began = 0.0
        self.task = task
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
            left = self.task.uncancel()
            if kind is asyncio.CancelledError and not left:  # else somebody else wants an end, too
                raise over_time(self.seconds) from error

    @property
    def over(self) -> bool:
        """Whether a call runs for longer than it may."""
        began = self.began
        return bool(began and self.seconds and time.monotonic() > began + self.seconds)

    def look(self) -> bool:
        """Cancel the call if its time is over, and say so; in the event loop."""
        if self._expired or not self.over:
            return False
        self._expired = True
        self.task.cancel()
        return True


class Sighting:
    """For how long the same call was found at look after look, `LOOK` seconds apart.

    Looks are counted, not seconds: a process that was frozen has not looked meanwhile.
    """

    def __init__(self) -> None:
        self._call: object = None
        self._looks = 0

    def seconds(self, call: object | None) -> float:
        """Return for how long `call` was found by now, at least; `None`: there is none."""
        self._looks = self._looks + 1 if call is not None and call == self._call else 0
        self._call = call
        return self._looks * LOOK


class Limits:
    """The limits of all that runs on a node."""

    def __init__(self) -> None:
        self._limits: list[Limit] = []
        self._blocking = Sighting()
        self._heedless = Sighting()
        self.on_expired: Callable[[], None] = lambda: None
        """Called when a call was cancelled; a thread that it waited for may go on."""

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
            stood = await look_later()
            for limit in list(self._limits):
                if stood and limit.began:
                    limit.began += stood
                if limit.look():
                    self.on_expired()

    @property
    def longest(self) -> float:
        """The longest limit in seconds; 0 where a call may take as long as it likes."""
        seconds = [limit.seconds for limit in list(self._limits)]
        return max(seconds) if seconds and all(seconds) else 0.0

    def blocking(self) -> TimeoutError | None:
        """Return what to end the call with that keeps the event loop and is over its limit.

        Asked every `LOOK` seconds in the thread of the event loop, while that stands still.
        """
        task = current_task()
        at = next((each for each in self._limits if each.began and each.task is task), None)
        seconds = self._blocking.seconds(None if at is None else (id(at), at.began))
        return over_time(at.seconds) if at and at.over and seconds >= BLOCKED else None

    def heedless(self) -> str | None:
        """Return the operation of a call that goes on though it was ended; every `LOOK` seconds."""
        late = next((limit for limit in list(self._limits) if limit.over), None)
        seconds = self._heedless.seconds(None if late is None else (id(late), late.began))
        return late.name if late and seconds >= GRACE else None


def current_task() -> asyncio.Task[Any] | None:
    """Return the task that runs in this thread now; `None` also where no event loop does."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


async def look_later() -> float:
    """Sleep until the next look; return for how many seconds the event loop stood still then."""
    before = time.monotonic()
    await asyncio.sleep(LOOK)
    stood = time.monotonic() - before - LOOK
    return stood if stood > LOOK else 0.0
