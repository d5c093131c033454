"""What a command shows to people: on standard error, so that standard output is for results.

The rule that it guards: what moves (a spinner, a progress bar) is shown on a terminal only, and
never takes standard output away from whoever writes there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn


class Screen:
    """A terminal's, or a pipe's, standard output and error. Imports rich when first used.

    `data`: programs read standard output, so nothing moves where both are one terminal.
    """

    def __init__(self, *, quiet: bool = False, data: bool = False) -> None:
        self._quiet = quiet
        self._data = data
        self._err: Console | None = None
        self._out: Console | None = None

    @property
    def out(self) -> Console:
        """For results: tables, figures."""
        if self._out is None:
            from rich.console import Console

            self._out = Console(highlight=False)
        return self._out

    @property
    def err(self) -> Console:
        """For everything else."""
        if self._err is None:
            from rich.console import Console

            self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        return self._err

    def say(self, text: str) -> None:
        """Show a line of text, as it is, unless told to be quiet."""
        if not self._quiet:
            self.err.print(text, markup=False)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show `text` with a spinner for the block's duration, on a terminal; else nothing."""
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = [
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
        ]
        with self._moving(*columns) as progress:
            if progress is not None:
                progress.add_task(text, total=None)
            yield

    @contextmanager
    def counting(self, text: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a progress bar up to `total`; yields what to call for each step."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = [
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
        ]
        with self._moving(*columns) as progress:
            if progress is None:
                yield lambda: None
            else:
                task = progress.add_task(text, total=total)
                yield lambda: progress.advance(task)

    @contextmanager
    def _moving(self, *columns: ProgressColumn) -> Iterator[Progress | None]:
        if self._quiet or not self.err.is_terminal or (self._data and sys.stdout.isatty()):
            yield None
            return
        from rich.progress import Progress

        with Progress(
            *columns, console=self.err, transient=True, redirect_stdout=False
        ) as progress:
            yield progress
