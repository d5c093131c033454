"""The watchdog over a process whose operations may never end.

The rule that it guards: a call that cannot be cancelled does not take the process with it, if
that can be had; else the process ends, so that whoever started it starts it again.

| the call | its end |
|---|---|
| keeps the event loop to itself: a loop, a regular expression, a sleep | an alarm raises `TimeoutError` in it: it fails, and the process goes on |
| waits for a thread | it is cancelled; the thread is left behind with its executor |
| does not heed its end, or hangs in a library that lets threads run | a thread ends the process |
| hangs in a library that lets nothing run | on a node, `faulthandler`'s alarm ends the process |

The alarm (SIGALRM) is put off as long as the event loop turns: where nothing hangs there is no
signal.
"""  # noqa: E501 - a table

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Protocol

from chatbot.nodes.limits import GRACE, LOOK

log = logging.getLogger(__name__)

TURNS = 1.0
"""Seconds in which an event loop turns, unless it is blocked."""

LEAST_ALARM = 60.0
"""Seconds, at least, until a node ends that lets nothing run: it may only have been frozen."""

LEAVE = 3.0
"""Seconds from the end of a command until what an operation left behind is not waited for."""

STUCK = 70
"""Exit code of a process that ended itself (EX_SOFTWARE of sysexits.h)."""


class Watched(Protocol):
    """Calls with time limits: a node's `Limits`, or a primary's `Turn`."""

    on_expired: Callable[[], None]

    @property
    def longest(self) -> float:
        """Seconds after which a process that lets nothing run is to end; 0: it is not."""

    def blocking(self) -> TimeoutError | None: ...
    def heedless(self) -> str | None: ...


@asynccontextmanager
async def watchdog(watched: Watched) -> AsyncIterator[None]:
    """End what hangs, for the block's duration; in the main thread.

    For a process that is ours alone: it takes SIGALRM and the event loop's executor, and may end
    the process with `STUCK`.
    """
    ended = threading.Event()
    left = False
    thread = threading.Thread(target=_look, args=(watched, ended), name="watchdog", daemon=True)

    def leave_threads() -> None:
        nonlocal left
        left = True
        _leave_threads()

    def alarm(*_: Any) -> None:
        error = watched.blocking()
        if error is not None:
            raise error

    watched.on_expired = leave_threads
    before = signal.signal(signal.SIGALRM, alarm)
    putting_off = asyncio.ensure_future(_put_off(watched))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        putting_off.cancel()
        await asyncio.gather(putting_off, return_exceptions=True)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()
        watched.on_expired = lambda: None
        if left:
            threading.Thread(target=_leave, name="leave", daemon=True).start()


def _leave_threads() -> None:
    """Leave the threads in which a call may hang behind: others are not to wait for them."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="operation"))


def _leave() -> None:
    """End the process though a thread hangs, which Python waits for."""
    threading.Event().wait(LEAVE)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _look(watched: Watched, ended: threading.Event) -> None:
    while not ended.wait(LOOK):
        name = watched.heedless()
        if name is not None:
            log.critical(
                "end this process: a call of %s goes on though its time is over; another process "
                "tries it, or this one when it was started again",
                name,
            )
            faulthandler.dump_traceback(all_threads=True)  # functions and lines, no values
            sys.stderr.flush()
            os._exit(STUCK)


async def _put_off(watched: Watched) -> None:
    while True:
        signal.setitimer(signal.ITIMER_REAL, TURNS, LOOK)
        longest = watched.longest
        if longest:
            seconds = max(LEAST_ALARM, longest + 2 * GRACE)
            faulthandler.dump_traceback_later(seconds, exit=True)
        else:
            faulthandler.cancel_dump_traceback_later()
        await asyncio.sleep(LOOK)
