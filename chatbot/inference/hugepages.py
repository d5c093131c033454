"""Large pages for memory that is read again and again, such as a model's weights (Linux).

A product of matrices of many megabytes waits for the address translation of each 4 KiB of them;
pages of 2 MiB spare it most of that. Where the kernel hands them out on request only (`madvise`,
the default of most distributions), somebody has to ask. Nothing depends on the answer.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

PAGE = 2 * 1024 * 1024
_HUGEPAGE, _COLLAPSE = 14, 25
"""MADV_HUGEPAGE and MADV_COLLAPSE of madvise(2); the second one is there since Linux 6.1."""

_RESIDENT = 0.5
"""The share of a mapping that must be in memory: large pages would fill the rest of it."""

log = logging.getLogger(__name__)


def collapse() -> int:
    """Ask for large pages for all large private memory of this process; return its bytes.

    Takes a tenth of a second or two for a hundred megabytes. 0 where the kernel has none.
    """
    if sys.platform != "linux":
        return 0
    try:
        ranges = list(_ranges(Path("/proc/self/smaps").read_text()))
        advise = ctypes.CDLL(None).madvise
    except (OSError, AttributeError) as error:
        log.debug("no large pages: %s", error)
        return 0
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    done = sum(size for start, size in ranges if _asked(advise, start, size))
    log.debug("asked for large pages for %d MiB", done >> 20)
    return done


def _asked(advise: ctypes._NamedFuncPointer, start: int, size: int) -> bool:
    taken = advise(start, size, _HUGEPAGE) == 0
    advise(start, size, _COLLAPSE)  # at once; else the kernel does it when it finds the time
    return bool(taken)


def _ranges(smaps: str) -> Iterator[tuple[int, int]]:
    """Yield start and size of the whole large pages within anonymous memory that is in use."""
    start = end = 0
    for line in smaps.splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            where, rights = words[:2]
            usable = rights == "rw-p" and (len(words) == 5 or words[5] == "[heap]")
            start, end = (int(each, 16) for each in where.split("-")) if usable else (0, 0)
        elif words[0] == "Rss:" and int(words[1]) * 1024 >= _RESIDENT * (end - start):
            first, last = -(-start // PAGE) * PAGE, end // PAGE * PAGE
            if last > first:
                yield first, last - first
