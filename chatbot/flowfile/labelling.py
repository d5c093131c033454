"""Places for what stands at the lines of a picture: on them, and not on each other. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chatbot.flowfile.layout import Layout, Point

LETTER, LINE = 6.2, 12.0
"""The width of a letter and the height of a line, in pixels."""

LONGEST = 24
"""Letters of a line; what is longer goes on below, after a comma."""

_ALONG = (0.5, 0.6, 0.4, 0.7, 0.3, 0.8, 0.2)
_BESIDE = (0.0, 0.5, -0.5)
_INSIDE = 0.1
"""How much it counts that a label lies in a subflow's box, where most lines of its own run."""

Corners = tuple[float, float, float, float]
"""Left, top, right and bottom."""


@dataclass(frozen=True, slots=True)
class Label:
    """The lines of a label, and where its middle is."""

    lines: tuple[str, ...]
    x: float
    y: float

    @property
    def corners(self) -> Corners:
        """Return where it stands."""
        width, height = _size(self.lines)
        return self.x - width / 2, self.y - height / 2, self.x + width / 2, self.y + height / 2

    def feet(self) -> Iterator[tuple[str, float]]:
        """Yield each line and the height that its letters stand at."""
        top = self.corners[1]
        for number, line in enumerate(self.lines):
            yield line, top + LINE * (number + 0.8)


def labels_of(
    texts: Mapping[tuple[str, str], str],
    ways: Mapping[tuple[str, str], Sequence[Point]],
    layout: Layout,
) -> dict[tuple[str, str], Label]:
    """Return a place for each of `texts`: on its way, where the least is in the way."""
    taken = [
        ((box.x, box.y, box.x + box.width, box.y + box.height), _INSIDE if box.holds else 1.0)
        for box in layout.boxes.values()
    ]
    found: dict[tuple[str, str], Label] = {}
    for ends, text in texts.items():
        lines = tuple(_wrapped(text))
        choices = [_within(each, layout) for each in _choices(lines, ways[ends])]
        best = min(choices, key=lambda label: _overlap(label, taken))  # the first of the best
        taken.append((best.corners, 1.0))
        found[ends] = best
    return found


def _choices(lines: tuple[str, ...], way: Sequence[Point]) -> Iterator[Label]:
    width, _ = _size(lines)
    for aside in _BESIDE:
        for share in _ALONG:
            x, y = _at(way, share)
            yield Label(lines, x + aside * width, y)


def _within(label: Label, layout: Layout) -> Label:
    half = _size(label.lines)[0] / 2
    return Label(label.lines, max(half, min(label.x, layout.width - half)), label.y)


def _at(way: Sequence[Point], share: float) -> Point:
    """Return the point after a share of the way."""
    lengths = [math.dist(a, b) for a, b in pairwise(way)]
    left = share * sum(lengths)
    for (a, b), length in zip(pairwise(way), lengths, strict=True):
        if left <= length and length:
            part = left / length
            return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])
        left -= length
    return way[-1]


def _overlap(label: Label, taken: Sequence[tuple[Corners, float]]) -> float:
    left, top, right, bottom = label.corners
    return sum(
        weight * max(0.0, min(right, c) - max(left, a)) * max(0.0, min(bottom, d) - max(top, b))
        for (a, b, c, d), weight in taken
    )


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for part in text.split(", "):
        if line and len(line) + len(part) + 2 > LONGEST:
            yield f"{line},"
            line = part
        else:
            line = f"{line}, {part}" if line else part
    yield line


def _size(lines: Sequence[str]) -> tuple[float, float]:
    return max(map(len, lines)) * LETTER, len(lines) * LINE
