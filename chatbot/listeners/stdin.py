"""Standard input, line by line, whatever it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable

AT_ONCE = 256
"""Lines that may be unanswered; reading waits when so many are."""

LONGEST = 256 * 1024
"""Bytes that are read of a line; what is beyond is dropped."""

CHUNK = 64 * 1024


async def piped() -> AsyncIterator[str]:
    """Yield the lines of standard input, whatever it is: a pipe, a file, /dev/null."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    room = threading.Semaphore(AT_ONCE)

    def put(line: bytes | None) -> None:
        room.acquire()
        text = None if line is None else line.decode("utf-8", "replace")
        loop.call_soon_threadsafe(lines.put_nowait, text)

    def read() -> None:
        try:
            _read(put)
        except RuntimeError:
            return  # the loop has ended

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        room.release()
        yield line


def _read(put: Callable[[bytes | None], None]) -> None:
    # Not through sys.stdin: its lock, held by a reader at exit, is a fatal error.
    left = b""
    with contextlib.suppress(OSError):  # a terminal that is gone: there is nothing more to read
        while chunk := os.read(0, CHUNK):
            *whole, left = (left + chunk).split(b"\n")
            for line in whole:
                put(line)
            left = left[:LONGEST]  # of a line without end, too, only so much is said
    if left:
        put(left)
    put(None)
