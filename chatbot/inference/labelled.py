"""Labelled texts in a file, one a row: TSV, CSV, JSON lines, or YAML as in a file of examples.

The rule that it guards: all that is wrong with the file is told at once, with its place, and
nothing that stands in it is quoted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot.errors import FlowError
from chatbot.flowfile.document import LONGEST, Node, read
from chatbot.flowfile.problems import Mark, Problem, Report, suggest

ROWS = frozenset({".tsv", ".csv", ".jsonl"})
"""The endings of files with one text a row; any other is YAML."""

HEADER = "begin with a line that names the columns, `text` and `label`"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, its labels, and where it stands."""

    text: str
    labels: tuple[str, ...]
    mark: Mark


def read_labelled(path: Path, known: frozenset[str] | None = None) -> list[Labelled]:
    """Return the labelled texts in the order of the file.

    Raises `FlowError` with every problem; a label that is not among `known` is one.
    """
    rows, problems = check_labelled(path, known)
    if problems:
        raise FlowError(problems)
    return rows


def check_labelled(
    path: Path, known: frozenset[str] | None = None
) -> tuple[list[Labelled], list[Problem]]:
    """Return what can be read of the file, and its problems in the order of the file."""
    report = Report()
    rows = list(_rows(path, report))
    for row in rows:
        for label in row.labels:
            if known is not None and label not in known:
                hint = suggest(label, known, what="labels")
                report.add(row.mark, f"the flow has no label {label!r}", hint)
    if not rows and not len(report):
        report.add(Mark(str(path)), "has no labelled texts", HEADER)
    return rows, report.problems()


def _rows(path: Path, report: Report) -> Iterator[Labelled]:
    if path.suffix not in ROWS:
        yield from _of_yaml(read(path, report), report)
        return
    lines = _lines(path, report)
    if path.suffix == ".jsonl":
        yield from _of_json(path, lines, report)
    elif lines:
        yield from _of_table(path, lines, report)


def _lines(path: Path, report: Report) -> list[str]:
    start = Mark(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
        if len(data) > LONGEST:
            report.add(start, f"has over {LONGEST >> 20} MiB")
            return []
        return data.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except OSError as error:
        report.add(start, f"cannot be read: {error.strerror or type(error).__name__}")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        report.add(Mark(str(path), line, column), "is not UTF-8 text")
    return []


def _of_table(path: Path, lines: list[str], report: Report) -> Iterator[Labelled]:
    """Read TSV, in which a quote is a quote, or CSV."""
    records = _of_csv(path, lines, report) if path.suffix == ".csv" else _of_tsv(lines)
    _, header = next(records, (1, []))
    names = [name.strip() for name in header]
    missing = [f"`{name}`" for name in ("text", "label") if name not in names]
    if not any(names):
        return
    if missing:
        what = f"has no column{'s' if len(missing) > 1 else ''} {' and '.join(missing)}"
        hint = f"it has {', '.join(names)}; {HEADER}"
        report.add(Mark(str(path)), what, hint)
        return
    text, label = names.index("text"), names.index("label")
    for line, cells in records:
        if len(cells) != len(names):
            what = f"has {len(cells)} columns, its header has {len(names)}"
            report.add(Mark(str(path), line), what)
            continue
        marks = [
            Mark(str(path), line, 1 + sum(len(c) + 1 for c in cells[:n])) for n in (text, label)
        ]
        yield from _one(cells[text], [cells[label]], marks[0], marks[1], report)


def _of_tsv(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line.split("\t")


def _of_csv(path: Path, lines: list[str], report: Report) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((f"{line}\n" for line in lines), strict=True)
    before = 0
    try:
        for cells in reader:
            if any(cells):
                yield before + 1, cells
            before = reader.line_num
    except csv.Error as error:
        report.add(Mark(str(path), before + 1), f"is not CSV: {error}")


def _of_json(path: Path, lines: list[str], report: Report) -> Iterator[Labelled]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        mark = Mark(str(path), number)
        try:
            value = json.loads(line)
        except ValueError as error:
            column = getattr(error, "colno", 1)
            report.add(Mark(str(path), number, column), "is not JSON")
            continue
        if not isinstance(value, dict):
            report.add(mark, "is not an object", 'write {"text": "…", "label": "…"}')
            continue
        labels = value.get("labels", value.get("label"))
        yield from _one(
            value.get("text"), labels if isinstance(labels, list) else [labels], mark, mark, report
        )


def _of_yaml(tree: Node | None, report: Report) -> Iterator[Labelled]:
    if tree is None:
        return
    if not isinstance(tree.value, dict):
        report.add(tree.mark, f"is {tree.kind}, not a map of labels")
        return
    for label, node in tree.value.items():
        if not isinstance(node.value, list):
            report.add(node.key, f"the label {label!r} has {node.kind}, not a list of texts")
            continue
        for item in node.value:
            yield from _one(item.value, [label], item.mark, node.key, report)


def _one(
    text: Any, labels: list[Any], at_text: Mark, at_label: Mark, report: Report
) -> Iterator[Labelled]:
    """Yield the labelled text if it is one, else report what it is."""
    named = [label.strip() for label in labels if isinstance(label, str) and label.strip()]
    if not isinstance(text, str) or not text.strip():
        report.add(at_text, "has no text")
    if len(named) != len(labels) or not named:
        hint = 'write {"text": "…", "label": "…"}' if at_label is at_text else ""
        report.add(at_label, "has no label", hint)
    elif isinstance(text, str) and text.strip():
        yield Labelled(text, tuple(named), at_label)
