"""The processor time of this process and all below it. Standard library only.

On a machine that others use, too, it is steadier than the time on the clock.
"""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES = 1, slice(11, 15)
"""Fields of `/proc/PID/stat` behind the name: the parent; own and ended children's times."""


def seconds() -> float:
    """Return what the processes of this tree used so far, those that have ended included."""
    found = dict(_all())
    return sum(sum(map(int, found[pid][_TIMES])) for pid in _tree(found)) / _TICKS


def _all() -> list[tuple[int, list[str]]]:
    read = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            read.append((int(path.parent.name), path.read_text().rpartition(") ")[2].split()))
        except OSError:  # it has ended
            continue
    return read


def _tree(found: dict[int, list[str]]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, fields in found.items():
        children.setdefault(int(fields[_PARENT]), []).append(pid)
    tree = [os.getpid()]
    for pid in tree:
        tree.extend(children.get(pid, ()))
    return tree
