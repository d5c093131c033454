"""How the project logs: one event a line, on standard error, in colour on a terminal."""

from __future__ import annotations

import logging
import sys

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def configure(verbosity: int = 0, *, terminal: bool | None = None) -> None:
    """Send records to standard error: warnings, at `verbosity` 1 life-cycle steps, at 2 all.

    What people wrote in a chat is only ever logged at the last of these.
    """
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    handler: logging.Handler
    if sys.stderr.isatty() if terminal is None else terminal:
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(
            console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S", markup=False
        )
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(_FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("chatbot", "operations"):
        logging.getLogger(name).setLevel(level)
