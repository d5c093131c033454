"""What a target may use: a decoder that is slow or greedy is as wrong as one that raises."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fuzz.targets import Target

SECONDS = 5.0
"""Processor time for any input: on a slow machine the longest takes 2.0; one that takes the square
of its length takes minutes."""

MIB = 1024 * 1024
MEMORY = 768 * MIB
"""Address space beyond what the process has: an allocation of more fails with `MemoryError`."""

GROWTH = 256 * MIB
"""What the most memory that the process ever had may grow by in one run."""


class TooSlowError(AssertionError):
    """A target took longer than `SECONDS`."""


class TooLargeError(AssertionError):
    """A target needed more than `GROWTH`."""


def held(target: Target, data: bytes, most: float = SECONDS) -> None:
    """Run `target` on `data`; raises what it raises, and where it is slow or greedy.

    One that never ends is for the caller's own time limit (pytest's, libFuzzer's).
    """
    before = _peak()
    begun = time.thread_time()
    with _memory():
        target(data)
    seconds = time.thread_time() - begun
    if seconds > most:
        raise TooSlowError(f"{seconds:.1f} s for {len(data)} bytes")
    if (grown := _peak() - before) > GROWTH:
        raise TooLargeError(f"{grown // MIB} MiB for {len(data)} bytes")


@contextmanager
def _memory() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
