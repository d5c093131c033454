"""How many cores this process's models use: what it was told, or its share of the machine's.

The rule that it guards: the nodes of one machine together use no more threads than it has cores.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class Share:
    """This process's cores."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._told = 0
        self._nodes = 1
        self._models = 0

    @property
    def threads(self) -> int:
        """How many threads a model is to use now; at least one."""
        return self._told or max(1, self._cores // self._nodes)

    @property
    def used(self) -> int:
        """The same, for others to know; 0 while no model is loaded."""
        return self.threads if self._models else 0

    def tell(self, threads: int) -> None:
        """Use so many, whatever others do; 0: share."""
        self._told = threads

    def share_with(self, nodes: int) -> None:
        """Have the machine's cores be shared by so many processes, this one counted."""
        self._nodes = max(1, nodes)

    def begin(self) -> None:
        """Say that a model is loaded."""
        self._models += 1


def cores() -> int:
    """Return how many cores this process may use, by its affinity and its container's quota."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return max(1, min(mine, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # none is set, or there is no such thing
        return mine


own = Share(cores())
"""That of this process."""
