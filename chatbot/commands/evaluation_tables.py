"""What `chatbot eval` shows on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatbot.commands.screen import Screen
from chatbot.commands.tally import printable
from chatbot.inference.scoring import Answer, Scores

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

MOST_COLUMNS = 12
"""Labels that a confusion matrix is shown for as a square; of more, the pairs that are mixed up."""

_PAIRS = 15


def show(scores: Scores, mistakes: Sequence[Answer], screen: Screen) -> None:
    """Show all figures, then the mistakes."""
    out = screen.out
    out.print(_labels(scores))
    if scores.confusion:
        out.print(_square(scores) if len(scores.labels) <= MOST_COLUMNS else _pairs(scores))
    out.print(_calibration(scores))
    low, high = scores.interval
    out.print(
        f"accuracy {scores.accuracy:.1%} ({low:.1%} to {high:.1%}) of {scores.count}, "
        f"macro-F1 {scores.macro_f1:.1%}, micro-F1 {scores.micro_f1:.1%}, "
        f"calibration error {scores.calibration_error:.1%}"
    )
    sure = "-" if scores.precision is None else f"{scores.precision:.1%}"
    out.print(f"right and sure {scores.answered:.1%}; of what is sure, right {sure}")
    if scores.rejected is not None:
        out.print(f"out of scope: {scores.rejected:.1%} of {scores.outside} rejected")
    if mistakes:
        out.print(_mistakes(mistakes))


def _table(*columns: str, title: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    return table


def _labels(scores: Scores) -> Table:
    table = _table("label", "texts", "precision", "recall", "F1", title="labels")
    for name, each in scores.labels.items():
        figures = [f"{value:.1%}" for value in (each.precision, each.recall, each.f1)]
        table.add_row(_text(name), str(each.count), *figures)
    return table


def _square(scores: Scores) -> Table:
    names = list(scores.labels)
    table = _table("is \\ taken for", *names, title="confusion")
    for name in names:
        said = scores.confusion.get(name, {})
        table.add_row(_text(name), *(str(said.get(other, 0) or "·") for other in names))
    return table


def _pairs(scores: Scores) -> Table:
    table = _table("is", "taken for", "times", title="mixed up most")
    pairs = [
        (count, label, other)
        for label, said in scores.confusion.items()
        for other, count in said.items()
        if other != label
    ]
    for count, label, other in sorted(pairs, key=lambda each: -each[0])[:_PAIRS]:
        table.add_row(_text(label), _text(other or "(none)"), str(count))
    return table


def _calibration(scores: Scores) -> Table:
    table = _table("said to be right", "are right", "texts", title="calibration")
    for each in scores.reliability:
        table.add_row(f"{each.confidence:.0%}", f"{each.right:.0%}", str(each.count))
    return table


def _mistakes(mistakes: Sequence[Answer]) -> Table:
    table = _table("score", "taken for", "is", "text", title="worst mistakes")
    table.columns[-1].justify = "left"
    for each in mistakes:
        found = each.prediction
        said, truth = ", ".join(each.said), ", ".join(each.truth) or "(out of scope)"
        row = (_text(said), _text(truth), _text(printable(each.text)[:200]))
        table.add_row(f"{found.score:.0%}", *row)
    return table


def _text(text: str) -> Text:
    from rich.text import Text

    return Text(text)
