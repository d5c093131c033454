"""Running a command's coroutine, and draining it on a signal.

The rule that it guards: the first SIGINT or SIGTERM cancels, so that every block is left in
order (stop taking, finish what runs, flush, close); the second ends the process at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

from chatbot.errors import ChildError

log = logging.getLogger(__name__)

R = TypeVar("R")

INTERRUPTED = 130
USELESS = 2
GRACE = 8.0
"""Seconds that a child process has to drain before it is killed."""

RESTART_PAUSE = 0.5
MOST_RESTART_PAUSE = 15.0
PROOF = 60.0
"""Seconds after which a child that ends is one that had been running well."""


def run(
    main: Callable[[], Coroutine[Any, Any, int]], *, draining: Callable[[], None] = lambda: None
) -> int:
    """Run `main` to its end and return its exit code; 0 when a signal drained it.

    `draining` is called at the first signal, for people. Call from the main thread.
    """
    # Contexts come and go by the thousand, and none is garbage of the kind that needs looking
    # for: with the default (700, 10, 10) the search takes a fifth of a primary's time.
    gc.set_threshold(20_000, 50, 100)
    try:
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(until_signal(main, draining))


async def until_signal(
    main: Callable[[], Coroutine[Any, Any, int]], draining: Callable[[], None] = lambda: None
) -> int:
    """As `run`, in an event loop that somebody else runs, in the main thread."""
    task = asyncio.ensure_future(main())
    signals = 0

    def stop() -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            os._exit(INTERRUPTED)
        draining()
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if signals:
            return 0
        raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def child(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> AsyncIterator[asyncio.Future[NoReturn]]:
    """Run this program again with `arguments`, for the block's duration; again when it dies.

    The child drains on SIGTERM at the block's end. A signal to our terminal does not reach it,
    and the kernel ends it when we are killed. Yields a future that fails, with `ChildError`,
    when the first child says that trying again is of no use (exit code 2); what a later one
    finds wrong, such as a server that is away, is taken to pass.
    """
    keeper = asyncio.ensure_future(_keep(arguments, environment))
    try:
        yield keeper
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def unless(failure: asyncio.Future[NoReturn] | None, body: Coroutine[Any, Any, R]) -> R:
    """Run `body`; when `failure` fails meanwhile, cancel it and raise what that raised."""
    running = asyncio.ensure_future(body)
    both: set[asyncio.Future[Any]] = {running} if failure is None else {running, failure}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if failure is not None and failure.done():
            failure.result()
        return running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _keep(arguments: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    pause = RESTART_PAUSE
    proven = False  # whether one of them has run as it was told to
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a file beside the flow may be called like a module of ours: operations.py
            "-m",
            "chatbot",
            *arguments,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        started = asyncio.get_running_loop().time()
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            await _end(process)
            raise
        lasted = asyncio.get_running_loop().time() - started
        proven = proven or status != USELESS or lasted > PROOF
        if not proven:
            raise ChildError(
                f"`chatbot {' '.join(arguments)}` cannot run here; why stands above",
                hint="mend that, or start the bot with --no-node and nodes elsewhere",
            )
        if lasted > PROOF:
            pause = RESTART_PAUSE
        log.warning("the process `chatbot %s` ended with status %d", " ".join(arguments), status)
        await asyncio.sleep(pause)
        pause = min(pause * 2, MOST_RESTART_PAUSE)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(GRACE):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def end_with_parent() -> None:
    """Linux: PR_SET_PDEATHSIG, so that a child does not outlive a parent that was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
