"""Standard input, line by line, whatever it is."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

AT_ONCE = 256
"""Lines that may be unanswered; reading waits when so many are."""

LONGEST = 256 * 1024
"""Bytes that are read of a line; what is beyond is dropped."""

CHUNK = 64 * 1024


async def piped() -> AsyncIterator[str]:
    """Yield the lines of standard input, whatever it is: a pipe, a file, /dev/null."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue(AT_ONCE)

    def read() -> None:
        # Not through sys.stdin: its lock, held by a reader at exit, is a fatal error.
        left = b""
        try:
            while chunk := os.read(0, CHUNK):
                *whole, left = (left + chunk).split(b"\n")
                for line in whole:
                    _put(loop, lines, line)
                left = left[:LONGEST]  # of a line without end, too, only so much is said
            if left:
                _put(loop, lines, left)
            _put(loop, lines, None)
        except OSError:  # a terminal that is gone: there is nothing more to read
            _put(loop, lines, None)
        except (RuntimeError, asyncio.CancelledError):
            return  # the loop has ended

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _put(
    loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None], line: bytes | None
) -> None:
    text = None if line is None else line.decode("utf-8", "replace")
    asyncio.run_coroutine_threadsafe(lines.put(text), loop).result()
