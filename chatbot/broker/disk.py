"""A disk that was full, under an embedded server.

The rule that it guards: when there is room again, the server stores again. NATS by itself does
not: a stream of which one write has failed refuses all others until the server starts anew, and
says nothing of it but in its log (2.15.1).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

LOOK = 2.0
ROOM = 32 * 1024 * 1024
"""Bytes that must be free before the server is started again."""

QUIET = 10.0
"""Seconds at least from one start to the next: the disk may have another fault."""

FAILED = (b"critical write error", b"failed to store a msg", b"no space left on device")


async def recovered(output: Path) -> None:
    """Return when the server that writes to `output` has failed to store, and there is room."""
    loop = asyncio.get_running_loop()
    begun, read, failed = loop.time(), 0, False
    while True:
        await asyncio.sleep(LOOK)
        told = _from(output, read)
        read += len(told)
        if not failed and any(each in told.lower() for each in FAILED):
            failed = True
            log.error("the NATS server cannot write to %s; is the disk full?", output.parent)
        room = shutil.disk_usage(output.parent).free > ROOM
        if failed and room and loop.time() > begun + QUIET:
            return


def _from(path: Path, position: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        return file.read()
