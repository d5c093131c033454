"""Processes that are frozen: their connections stay, and nothing is answered."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def freeze(pid: int) -> None:
    """Stop a process; it runs no instruction more when this returns.

    A thread of it that is on another processor may run on for a while after the signal was sent.
    """
    os.kill(pid, signal.SIGSTOP)
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # that thread has ended
            while (task / "stat").read_text().rpartition(")")[2].split()[0] in "RSD":
                time.sleep(0.001)
