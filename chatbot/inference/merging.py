"""Texts of many callers into common batches: who waits runs the model, for all.

The rule that it guards: what people wait for never stands behind more than one batch of bulk
work, and bulk work never stands still for ever. Knows no model.

There is no delay. Each of the threads that wait takes a batch of what is there, sorted by length,
and runs it, as long as no more run than may; until its own is done. Meanwhile others tokenise, and
what they bring is in the next batch.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from chatbot.inference.batching import OVERHEAD, batches

WINDOW = 256
"""Texts that are sorted together."""

PATIENCE = 8
"""Batches of people's texts after which one of bulk work has its turn."""

Row = Any
"""A text's tokens, as the model wants them; how many there are is its length."""

Run = Callable[[list[Row]], Iterable[Any]]


@dataclass(eq=False, slots=True)
class Request:
    """A caller's rows, and what was found for each so far."""

    rows: Sequence[Row]
    found: list[Any] = field(default_factory=list)
    left: int = 0
    error: Exception | None = None


Place = tuple[Request, int]


class Lane:
    """What waits, in the order it came, and the batches that the oldest of it was made into."""

    def __init__(self) -> None:
        self._waiting: deque[Place] = deque()
        self._ready: deque[list[Place]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting or self._ready)

    def add(self, request: Request) -> None:
        self._waiting.extend((request, number) for number in range(len(request.rows)))

    def next(self, limit: int, overhead: int) -> list[Place]:
        """Return the batch to run now; of those made together, the shortest texts first."""
        if not self._ready:
            taken = [self._waiting.popleft() for _ in range(min(WINDOW, len(self._waiting)))]
            lengths = [len(request.rows[number]) for request, number in taken]
            for batch in batches(lengths, limit, overhead):
                self._ready.appendleft([taken[index] for index in batch])
        return self._ready.popleft()


class Merging:
    """Runs the rows of many threads in common batches of at most `limit` tokens with padding.

    `overhead` is what a batch costs by itself, in tokens. `limit` and `width` may be changed at
    any time. `run` is given the rows of a batch and returns
    something for each; it is called by at most `width` threads at once: those that wait, and
    helpers where one of them alone brings more than a batch.
    """

    def __init__(self, run: Run, limit: int, width: int = 1, *, overhead: int = OVERHEAD) -> None:
        self._run = run
        self._overhead = overhead
        self.limit = limit
        self.width = width
        self._changed = threading.Condition()
        self._running = 0
        self._people = Lane()
        self._bulk = Lane()
        self._passed_over = 0
        self._helpers: ThreadPoolExecutor | None = None
        self._helping = 0

    def run(self, rows: Sequence[Row], *, bulk: bool = False) -> list[Any]:
        """Return what `run` gives for each row. Blocks; raises what it raised for one of them."""
        request = Request(rows, [None] * len(rows), len(rows))
        with self._changed:
            (self._bulk if bulk else self._people).add(request)
            if self.width > 1 and sum(map(len, rows)) > self.limit:
                self._call_helpers()
        while (batch := self._next_for(request)) is not None:
            self._run_batch(batch)
        if request.error is not None:
            raise request.error
        return request.found

    def _call_helpers(self) -> None:
        """Have so many threads run batches beside the caller's as may, until none waits."""
        if self._helpers is None:
            self._helpers = ThreadPoolExecutor(thread_name_prefix="batches")
        for _ in range(self.width - 1 - self._helping):
            self._helping += 1
            self._helpers.submit(self._help)

    def _help(self) -> None:
        while True:
            with self._changed:
                if self._running >= self.width or not (self._people or self._bulk):
                    self._helping -= 1
                    return
                batch = self._next()
            self._run_batch(batch)

    def _next_for(self, own: Request) -> list[Place] | None:
        """Wait for a batch that may be run now; `None` when all of `own` was."""
        with self._changed:
            while own.left:
                if self._running < self.width and (self._people or self._bulk):
                    return self._next()
                self._changed.wait()
        return None

    def _next(self) -> list[Place]:
        self._running += 1
        if self._people and (not self._bulk or self._passed_over < PATIENCE):
            self._passed_over += bool(self._bulk)
            return self._people.next(self.limit, self._overhead)
        self._passed_over = 0
        return self._bulk.next(self.limit, self._overhead)

    def _run_batch(self, batch: list[Place]) -> None:
        found: Iterable[Any] = [None] * len(batch)
        failure = None
        try:
            found = self._run([request.rows[number] for request, number in batch])
        except Exception as error:  # noqa: BLE001 - it is for those who wait for this batch
            failure = error
        with self._changed:
            for (request, number), each in zip(batch, found, strict=True):
                request.found[number] = each
                request.error = request.error or failure
                request.left -= 1
            self._running -= 1
            self._changed.notify_all()
