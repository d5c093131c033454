"""How many cores this process's models use: what it was told, or its share of the machine's.

The rule that it guards: the processes of one machine (and user) that have models together use no
more threads than it has cores. Each holds a lock on a file of its own in a common folder, which
the kernel releases when it dies; the others are counted.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import math
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from chatbot import settings

_QUOTA = Path("/sys/fs/cgroup/cpu.max")

log = logging.getLogger(__name__)


class Share:
    """A process's part of `cores`, of which those that show themselves in `folder` have as many."""

    def __init__(self, cores: int, folder: Callable[[], Path]) -> None:
        self._cores = cores
        self._folder = folder
        self._told = 0
        self._processes = 1
        self._shown: IO[bytes] | None = None
        self._path: Path | None = None
        self._one = threading.Lock()

    @property
    def threads(self) -> int:
        """How many threads a model is to use now; at least one."""
        return self._told or max(1, self._cores // self._processes)

    def tell(self, threads: int) -> None:
        """Use so many, whatever others do."""
        self._told = threads

    def join(self) -> None:
        """Show ourselves, as one that has a model, until this process ends; and look."""
        with self._one:
            if self._shown is None:
                path = self._folder() / f"{os.getpid()}-{secrets.token_hex(4)}.lock"
                try:
                    self._shown, self._path = _held(path), path
                    atexit.register(self.leave)
                except OSError as error:
                    log.debug("cannot show that we use the cores: %r", error)
        self.look()

    def look(self) -> None:
        """See who is there; of no effect, and no cost, before `join`."""
        if self._shown is None:
            return
        others = 0
        try:
            for path in self._folder().glob("*.lock"):
                others += path != self._path and _is_held(path)
        except OSError as error:
            log.debug("cannot see who shares the cores: %r", error)
        if others + 1 != self._processes:
            self._processes = others + 1
            log.info("share %d cores with %d others", self._cores, others)

    def leave(self) -> None:
        """Be gone for the others, and use all cores again."""
        if self._shown is not None:
            self._shown.close()
            self._shown, self._processes = None, 1


def cores() -> int:
    """Return how many cores this process may use, by its affinity and its container's quota."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return max(1, min(mine, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # none is set, or there is no such thing
        return mine


def _folder() -> Path:
    folder = settings.cache_folder() / "cores"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


own = Share(cores(), _folder)
"""That of this process."""


def _held(path: Path) -> IO[bytes]:
    """Return a file that is locked; it has its name only from then on: nobody takes it for dead."""
    hidden = path.with_suffix(".new")
    file = hidden.open("xb")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    hidden.rename(path)
    return file


def _is_held(path: Path) -> bool:
    """Whether the process lives whose file it is; one that it left behind is removed."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
