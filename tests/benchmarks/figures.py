"""Figures: what was measured, what it is compared with, and what was asked."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks import cpu


@dataclass(frozen=True, slots=True)
class Sample:
    """One round: `count` messages in `seconds`, with `cpu` seconds over all processes."""

    count: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time a message."""
        return self.cpu / self.count * 1e6


@dataclass(frozen=True, slots=True)
class Ask:
    """A bound on a figure's `value`, or on its `ratio` to what it is compared with."""

    of: str
    least: float | None = None
    most: float | None = None

    def holds(self, figure: Figure) -> bool:
        found = figure.ratio if self.of == "ratio" else figure.value
        if found is None:
            return False
        return (self.least is None or found >= self.least) and (
            self.most is None or found <= self.most
        )


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `cpu` and `other_cpu` are µs a message, where they were measured."""

    section: str
    what: str
    value: float
    unit: str
    against: str = ""
    other: float | None = None
    asks: Sequence[Ask] = ()
    cpu: float | None = None
    other_cpu: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.other if self.other else None

    @property
    def reached(self) -> bool | None:
        """Whether all that was asked holds; `None` where nothing was."""
        return all(ask.holds(self) for ask in self.asks) if self.asks else None


Contender = Callable[[], Awaitable[Sample]]
Tell = Callable[[str], None]
"""Says to people what is being measured now."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: `rounds`, and a share of the counts that a full run takes."""

    rounds: int = 3
    share: float = 1.0

    def count(self, full: int, least: int = 1) -> int:
        return max(least, int(full * self.share))


@dataclass(frozen=True, slots=True)
class Rounds:
    """The samples of one contender."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(each.rate for each in self.samples)

    @property
    def cpu_us(self) -> float:
        return statistics.median(each.cpu_us for each in self.samples)


async def timed(count: int, body: Awaitable[object]) -> Sample:
    """Return how long `body` took for `count` messages."""
    cpu_before, began = cpu.seconds(), time.perf_counter()
    await body
    seconds = time.perf_counter() - began
    return Sample(count, seconds, cpu.seconds() - cpu_before)


async def interleaved(
    rounds: int, contenders: Mapping[str, Contender], tell: Tell
) -> dict[str, Rounds]:
    """Measure each contender once a round, one after the other."""
    found = {name: Rounds() for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            tell(f"{name}, round {number + 1} of {rounds}")
            found[name].samples.append(await contender())
    return found


def compared(
    section: str, what: str, ours: Rounds, against: str, theirs: Rounds, *asks: Ask
) -> Figure:
    """Return the line that compares two rates."""
    return Figure(
        section, what, ours.rate, "/s", against, theirs.rate, asks, ours.cpu_us, theirs.cpu_us
    )


def percentile(values: Sequence[float], place: float) -> float:
    """Return the value below which a share `place` of `values` lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * place))]
