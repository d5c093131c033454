"""What a command shows to people: on standard error, so that standard output is for results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class Screen:
    """A terminal's, or a pipe's, standard output and error. Imports rich when first used."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
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
        if self._quiet or not self.err.is_terminal:
            yield
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self.err,
            transient=True,
        ) as progress:
            progress.add_task(text, total=None)
            yield

    @contextmanager
    def counting(self, text: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a progress bar up to `total`; yields what to call for each step."""
        if self._quiet or not self.err.is_terminal:
            yield lambda: None
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.err,
            transient=True,
        ) as progress:
            task = progress.add_task(text, total=total)
            yield lambda: progress.advance(task)
