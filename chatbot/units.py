"""Durations and sizes as people write them: `10m`, `7d`, `256MB`. Pure.

The rule that it guards: a figure without its unit is refused, never guessed.
"""

from __future__ import annotations

import re

from chatbot.errors import UsageError

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

DURATIONS = {"s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
SIZES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}

_WORDS = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "hr": "h"} | {
    "day": "d",
    "week": "w",
}
_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([A-Za-z]+)")


def duration(text: str) -> float:
    """Return the seconds that `text` says, such as `90s`, `10m`, `1.5h`, `7d` or `2w`.

    Raises `UsageError` for anything else, for none at all too.
    """
    figure, unit = _split(text, "duration", "10m, 12h or 7d")
    if unit not in DURATIONS:
        short = _WORDS.get(unit.lower().removesuffix("s"))
        hint = f"write {figure:g}{short}; " if short else ""
        raise UsageError(f"{text} has no unit of time", hint=f"{hint}units: {', '.join(DURATIONS)}")
    return _positive(figure * DURATIONS[unit], text)


def size(text: str) -> int:
    """Return the bytes that `text` says, such as `256MB` (10⁶ each) or `1GiB` (2³⁰).

    Raises `UsageError` for anything else, for none at all too.
    """
    figure, unit = _split(text, "size", "256MB or 1GB")
    known = {name.lower(): factor for name, factor in SIZES.items()}
    if unit.lower() not in known:
        raise UsageError(f"{text} has no unit of size", hint=f"units: {', '.join(SIZES)}")
    return int(_positive(figure * known[unit.lower()], text))


def shown_duration(seconds: float) -> str:
    """Return a duration in its largest whole unit: `7d`, `90s`, `36h`."""
    for unit, factor in reversed(DURATIONS.items()):
        if unit != "w" and seconds >= factor and seconds % factor == 0:
            return f"{seconds / factor:.0f}{unit}"
    return f"{seconds:g}s"


def shown_size(count: float) -> str:
    """Return a size with three figures: `1.5 GB`, `512 MB`, `12 B`."""
    for unit in ("TB", "GB", "MB", "KB"):
        if count >= SIZES[unit]:
            return f"{count / SIZES[unit]:.3g} {unit}"
    return f"{count:.0f} B"


def _split(text: str, what: str, example: str) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no {what}", hint=f"write a figure and its unit: {example}")
    return float(match[1]), match[2]


def _positive(value: float, text: str) -> float:
    if value < 1:
        raise UsageError(f"{text} is none at all", hint="write at least one")
    return value
