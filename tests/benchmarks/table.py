"""The figures as a table: for a terminal, as Markdown, as JSON."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.benchmarks import others
from tests.benchmarks.figures import Ask, Figure

HEADS = (
    "what",
    "measured",
    "compared with",
    "that",
    "ratio",
    "CPU µs",
    "theirs",
    "asked",
    "reached",
)
NUMBERS = frozenset({"measured", "that", "ratio", "CPU µs", "theirs"})

BEGIN = "<!-- figures: written by `make bench ARGS='--markdown docs/performance.md'` -->"
END = "<!-- end of figures -->"


def machine() -> str:
    """Return one line: the hardware, and the versions that were measured."""
    names = {"nats-py": "nats-py", "dffml": "dffml"}
    found = {"nats-server": _server(), **{shown: version(name) for shown, name in names.items()}}
    parts = [
        _processor(),
        f"{os.cpu_count()} cores",
        f"Python {platform.python_version()}",
        *(f"{name} {number}" for name, number in {**found, **others.versions()}.items()),
    ]
    return ", ".join(parts)


def terminal(figures: Sequence[Figure], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for head in HEADS:
        table.add_column(head, justify="right" if head in NUMBERS else "left")
    before = ""
    for figure in figures:
        if before and figure.section != before:
            table.add_section()
        before = figure.section
        table.add_row(*_cells(figure), style="red" if figure.reached is False else "")
    return table


def markdown(figures: Sequence[Figure], title: str) -> str:
    lines = [
        title + ".",
        "",
        "| " + " | ".join(HEADS) + " |",
        "|" + "|".join("---:" if head in NUMBERS else "---" for head in HEADS) + "|",
    ]
    lines += ["| " + " | ".join(_cells(figure)) + " |" for figure in figures]
    return "\n".join(lines) + "\n"


def put(path: Path, figures: Sequence[Figure], title: str) -> None:
    """Write the Markdown table to `path`; where that has a place for it, only there."""
    made = markdown(figures, title)
    text = path.read_text() if path.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    path.write_text(f"{before}{begin}\n{made}{end}{after}" if begin and end else made)


def as_json(figures: Sequence[Figure], title: str) -> dict[str, Any]:
    return {"machine": title, "figures": [_plain(figure) for figure in figures]}


def _plain(figure: Figure) -> dict[str, Any]:
    return {
        "section": figure.section,
        "what": figure.what,
        "measured": figure.value,
        "unit": figure.unit,
        "compared_with": figure.against,
        "that": figure.other,
        "ratio": figure.ratio,
        "cpu_us": figure.cpu,
        "cpu_us_that": figure.other_cpu,
        "asked": _asked(figure),
        "reached": figure.reached,
    }


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        f"{figure.section.upper()}: {figure.what}",
        _number(figure.value, figure.unit),
        figure.against,
        "" if figure.other is None else _number(figure.other, figure.unit),
        "" if figure.ratio is None else f"{figure.ratio:.2f} ×",
        "" if figure.cpu is None else f"{figure.cpu:.0f}",
        "" if figure.other_cpu is None else f"{figure.other_cpu:.0f}",
        _asked(figure),
        {True: "yes", False: "no", None: ""}[figure.reached],
    )


def _number(value: float, unit: str) -> str:
    digits = 0 if value >= 100 else 2
    return f"{value:,.{digits}f}{'' if unit.startswith('/') else ' '}{unit}"


def _asked(figure: Figure) -> str:
    return ", ".join(_bound(ask, figure.unit) for ask in figure.asks)


def _bound(ask: Ask, unit: str) -> str:
    sign, bound = ("≥", ask.least) if ask.least is not None else ("≤", ask.most)
    return f"{sign} {bound:g} ×" if ask.of == "ratio" else f"{sign} {bound:g} {unit}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _server() -> str:
    from chatbot.broker.server import _executable

    told = subprocess.run([_executable(), "--version"], capture_output=True, text=True, check=True)
    return told.stdout.rpartition("v")[2].strip()
