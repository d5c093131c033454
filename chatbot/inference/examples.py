"""Labelled examples in a YAML file: label → sentences; or one a row. Needs no model.

The rule that it guards: all that is wrong with the file is told at once, with its place.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from chatbot.errors import FlowError
from chatbot.flowfile.document import Node, read
from chatbot.flowfile.problems import Mark, Problem, Report
from chatbot.inference.labelled import ROWS, check_labelled

log = logging.getLogger(__name__)

HINT = "write `label:` and below it sentences, one a line, each after `- `"


def read_examples(path: Path, *, several: bool = False) -> dict[str, list[str]]:
    """Return the sentences of each label, both in the order of the file, none twice.

    Raises `FlowError` with every problem: fewer than two labels, a label without a sentence,
    what is no text, a sentence that two labels have (unless a text may have `several`).
    """
    examples, problems = check_examples(path, several=several)
    if problems:
        raise FlowError(problems)
    return examples


def check_examples(
    path: Path, *, several: bool = False
) -> tuple[dict[str, list[str]], list[Problem]]:
    """Return what can be read of the file, and its problems in the order of the file."""
    if path.suffix in ROWS:
        return _of_rows(path, several)
    report = Report()
    tree = read(path, report)
    if tree is None:
        return {}, [
            replace(problem, hint=HINT) if problem.message == "is empty" else problem
            for problem in report.problems()
        ]
    return _examples(tree, report, several), report.problems()


def _of_rows(path: Path, several: bool) -> tuple[dict[str, list[str]], list[Problem]]:
    """Return the examples of a table; texts that contradict each other are left out.

    Tables are long, and made by several people: to refuse them for that would help nobody.
    """
    report = Report()
    rows, problems = check_labelled(path)
    labels: dict[str, set[str]] = {}
    for row in rows:
        labels.setdefault(_folded(row.text), set()).update(row.labels)
    clear = [row for row in rows if several or len(labels[_folded(row.text)]) == 1]
    if len(clear) < len(rows):
        first = next(row for row in rows if len(labels[_folded(row.text)]) > 1)
        left = len(rows) - len(clear)
        place = f"{path}:{first.mark.line}"
        log.warning("leave out %d examples with two labels each, the first at %s", left, place)
    examples: dict[str, list[str]] = {}
    for row in clear:
        for label in row.labels:
            if row.text not in (sentences := examples.setdefault(label, [])):
                sentences.append(row.text)
    if len(examples) < 2 and not problems:
        mark = Mark(str(path))
        report.add(mark, "has fewer than two labels", "nothing can be told from one")
    return examples, [*problems, *report.problems()]


def _examples(tree: Node, report: Report, several: bool) -> dict[str, list[str]]:
    if not isinstance(tree.value, dict):
        report.add(tree.mark, f"is {tree.kind}, not a map of labels", HINT)
        return {}
    if len(tree.value) < 2:
        report.add(tree.mark, "has fewer than two labels", "nothing can be told from one")
    seen: dict[str, str] = {}
    return {
        label: _sentences(label, node, {} if several else seen, report)
        for label, node in tree.value.items()
    }


def _sentences(label: str, node: Node, seen: dict[str, str], report: Report) -> list[str]:
    """Return the sentences of one label; `seen` has the label of each sentence so far."""
    if not label.strip():
        report.add(node.key, "a label is empty")
    items = node.value if isinstance(node.value, list) else []
    if not items:
        what = "has no examples" if node.value in (None, []) else f"is {node.kind}, not a list"
        report.add(node.key, f"the label {label!r} {what}", HINT)
    sentences = []
    for item in items:
        text = item.value
        if not isinstance(text, str) or not text.strip():
            found = "empty" if isinstance(text, str) else item.kind
            hint = "put it in quotes" if isinstance(text, bool | int | float | dict) else ""
            report.add(item.mark, f"an example of {label!r} is {found}, not a text", hint)
            continue
        other = seen.setdefault(_folded(text), label)
        if other != label:
            hint = "take it out of one, or set `several: true`: a text may have both then"
            report.add(item.mark, f"the same example is under {other!r} and {label!r}", hint)
        elif text not in sentences:
            sentences.append(text)
    return sentences


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
