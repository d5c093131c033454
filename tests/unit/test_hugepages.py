"""Large pages are asked for where memory is in use, and nowhere else."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from chatbot.inference import hugepages
from chatbot.inference.hugepages import PAGE

SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")

SMAPS = """\
00400000-00a00000 r-xp 00000000 08:01 131 /usr/bin/python3.11
Rss: 6144 kB
7f0000100000-7f0000900000 rw-p 00000000 00:00 0
Rss: 8192 kB
7f0001000000-7f0001800000 rw-p 00000000 00:00 0
Rss: 16 kB
7f0002000000-7f0002100000 rw-p 00000000 00:00 0
Rss: 1024 kB
7f0003000000-7f0003800000 rw-p 00000000 00:00 0 [stack]
Rss: 8192 kB
"""


def test_whole_pages_of_private_memory_that_is_in_use_are_asked_for() -> None:
    assert list(hugepages._ranges(SMAPS)) == [(0x7F0000200000, 3 * PAGE)]


@pytest.mark.skipif(
    not SWITCH.exists() or "[never]" in SWITCH.read_text(), reason="the kernel has no large pages"
)
def test_the_kernel_gives_them() -> None:
    with mmap.mmap(-1, 8 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(15)  # MADV_NOHUGEPAGE: as it comes from a kernel that waits to be asked
        memory.write(b"x" * len(memory))
        before = large()
        assert hugepages.collapse() >= 7 * PAGE
        if large() == before:
            pytest.skip("the kernel has none left, or does it later")
        assert large() >= before + 4 * PAGE


def large() -> int:
    """Return the bytes of this process that are in large pages."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    [found] = [line.split()[1] for line in lines if line.startswith("AnonHugePages:")]
    return int(found) * 1024
