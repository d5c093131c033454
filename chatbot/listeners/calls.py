"""Blocking calls, each in a thread that may be left behind.

A call cannot be cancelled, and a pool's threads are waited for when the program ends: one whose
server sends a byte a minute, or whose reader does not read, would hold it up for ever. So these
are nobody's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LEFT_BEHIND = 8
"""Calls that may still run after their time; no others are begun then."""


class Calls:
    """Runs one blocking call at a time, in the order of asking."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._late: list[threading.Thread] = []

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """Return what `call` returns, or raise what it raises.

        Raises `TimeoutError` after `timeout` seconds of it (`None`: it is waited for); it may
        still run then, as it may when this is cancelled.
        """
        async with self._turn:
            self._late = [thread for thread in self._late if thread.is_alive()]
            if len(self._late) >= LEFT_BEHIND:
                await asyncio.sleep(timeout or 0.0)
                raise TimeoutError
            answered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            thread = threading.Thread(
                target=_work, args=(call, answered), name="listener", daemon=True
            )
            thread.start()
            try:
                async with asyncio.timeout(timeout):
                    return await answered
            finally:
                if not answered.done() or answered.cancelled():
                    self._late.append(thread)


def _work(call: Callable[[], T], answered: asyncio.Future[T]) -> None:
    loop = answered.get_loop()
    try:
        result = call()
    except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
        _tell(loop, answered, answered.set_exception, error)
    else:
        _tell(loop, answered, answered.set_result, result)


def _tell(
    loop: asyncio.AbstractEventLoop,
    answered: asyncio.Future[T],
    tell: Callable[..., None],
    what: object,
) -> None:
    def told() -> None:
        if not answered.done():
            tell(what)

    try:
        loop.call_soon_threadsafe(told)
    except RuntimeError:
        return  # the loop has ended
