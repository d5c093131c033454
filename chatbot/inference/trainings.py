"""Several trainings of one encoder: side by side, each in a process and on a core of its own.

The rule that it guards: how many run at once changes how long it takes, not what comes of it.
One training on two cores is a quarter faster than on one, two on a core each take hardly longer
than one of them: a small model's products are too small to be shared out.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, Protocol

from chatbot.errors import OperationError
from chatbot.inference import threads
from chatbot.inference.finetuning import Progress, Recipe, Tunable

_WORTH = 3000
"""Texts to train on in all, from which on it pays to start processes: each takes some seconds."""

_RATE = 90
"""Texts a second of processor time, about, where they are as long as a question."""

_PERIOD = 0.2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What one training learns from: texts, the number of each one's label, the labels' `starts`.

    What these are, `Tunable.tune` says.
    """

    texts: Sequence[str]
    owners: Sequence[int]
    starts: Any = None


class Trainings(Protocol):
    """Trainings of one encoder, by their numbers, which leave it in `tunable`."""

    tunable: Tunable

    def take(self, number: int, progress: Progress) -> None:
        """Have the encoder as this training leaves it; blocks until it has ended."""

    def spread(self) -> None:
        """Use the cores, from now on, that no training is on any longer."""


@contextmanager
def trainings(name: str, jobs: Sequence[Job], recipe: Recipe) -> Iterator[Trainings]:
    """Yield the `Trainings` of the encoder `name`. Raises `OperationError` if it has none.

    On several cores they begin at once and in their order, and what nobody took is stopped at the
    end; on one, or where they are short, each begins when it is taken. Each may take the seconds
    of the `recipe`.
    """
    count = min(len(jobs), threads.cores())
    planned = sum(min(recipe.texts(len(job.texts)), _RATE * recipe.seconds) for job in jobs)
    if count < 2 or planned < _WORTH:
        yield _OneByOne(Tunable(name), jobs, recipe)
        return
    with (
        tempfile.TemporaryDirectory(prefix="chatbot-training-") as folder,
        _SideBySide(name, jobs, recipe, Path(folder), count) as found,
    ):
        yield found


class _OneByOne:
    def __init__(self, tunable: Tunable, jobs: Sequence[Job], recipe: Recipe) -> None:
        self.tunable = tunable
        self._jobs = jobs
        self._recipe = recipe

    def take(self, number: int, progress: Progress) -> None:
        job = self._jobs[number]
        self.tunable.tune(job.texts, job.owners, self._recipe, progress, job.starts)

    def spread(self) -> None:
        pass  # no training is under way


class _SideBySide:
    """Processes that take the next job each until there is none; what they made is in a folder."""

    def __init__(
        self,
        name: str,
        jobs: Sequence[Job],
        recipe: Recipe,
        folder: Path,
        count: int,
    ) -> None:
        self._name, self._jobs, self._recipe = name, jobs, recipe
        self._folder = folder
        spawning = multiprocessing.get_context("spawn")  # a fork would have the parent's threads
        self._numbers = spawning.SimpleQueue()  # gone from here, it would be gone from there
        for number in [*range(len(jobs)), *[None] * count]:
            self._numbers.put(number)
        self._shares = spawning.Array("d", len(jobs))
        self._calmed: Any = None
        own = max(1, threads.cores() // count)
        arguments = (name, jobs, recipe, folder, own, self._numbers, self._shares, os.getpid())
        self._workers = [
            spawning.Process(target=_work, args=arguments, daemon=True) for _ in range(count)
        ]

    def __enter__(self) -> _SideBySide:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        for each in self._workers:
            each.start()
        try:
            self.tunable = Tunable(self._name)  # they import as much meanwhile
        except BaseException:
            self._end()
            raise
        self._calmed = threadpool_limits(limits=1, user_api="blas")  # idle threads spin
        return self

    def __exit__(self, *_: object) -> None:
        self._calmed.restore_original_limits()
        self._end()

    def _end(self) -> None:
        for each in self._workers:
            each.kill()
        for each in self._workers:
            each.join()

    def take(self, number: int, progress: Progress) -> None:
        path = _path(self._folder, number)
        while not path.exists():
            if all(each.exitcode is not None for each in self._workers) and not path.exists():
                log.warning("train once more: the processes that did have ended (out of memory?)")
                _OneByOne(self.tunable, self._jobs, self._recipe).take(number, progress)
                return
            progress(self._shares[number])
            time.sleep(_PERIOD)
        self.tunable.take(path)
        progress(1.0)

    def spread(self) -> None:
        from threadpoolctl import threadpool_limits

        left = sum(not _path(self._folder, number).exists() for number in range(len(self._shares)))
        busy = min(left, sum(each.exitcode is None for each in self._workers))
        threadpool_limits(limits=max(1, threads.cores() - busy), user_api="blas")


def _work(
    name: str,
    jobs: Sequence[Job],
    recipe: Recipe,
    folder: Path,
    own: int,
    numbers: SimpleQueue[int | None],
    shares: Any,
    parent: int,
) -> None:
    """Train, in a process of its own, until there is no job; or nobody who wants it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is interrupted kills us
    try:
        tunable = Tunable(name)
    except OperationError:
        return  # who has started us says why
    import torch

    torch.set_num_threads(own)
    while (number := numbers.get()) is not None:

        def progress(share: float, number: int = number) -> None:
            shares[number] = share
            if os.getppid() != parent:
                sys.exit()

        job = jobs[number]
        tunable.share = 1.0
        tunable.tune(job.texts, job.owners, recipe, progress, job.starts)
        part = folder / f"{number}.part"
        tunable.keep(part)
        part.replace(_path(folder, number))


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.safetensors"
