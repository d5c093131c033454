"""How right classification is on public sets, as the defaults make it: `make accuracy DATA=FOLDER`.

The folder has the sets as their sources give them (docs/understanding.md says where they are
from); what is not there is left out. Each is trained and scored by the commands themselves,
`chatbot train` and `chatbot eval`, with nothing set.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import click
from rich.table import Table

from chatbot.commands.evaluate import EvalOptions, Evaluation, evaluate
from chatbot.commands.screen import Screen
from chatbot.commands.train import train

OUTSIDE = "oos"
FLOW = """version: 1
operations:
  understand: {run: classify_text, inputs: {text: message.text}, config: {examples: labels.tsv}}
outputs: {label: understand.label}
"""

Row = tuple[str, str]
"""A text and its label."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A figure of a set: what it is called, how it is found, and the least that it shall be."""

    what: str
    of: Callable[[Evaluation], float]
    least: float | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """What is learned from, and what is scored; without the latter, the former in folds."""

    name: str
    learned: Callable[[Path], list[Row]]
    scored: Callable[[Path], list[Row]] | None
    asked: tuple[Asked, ...]


def accuracy(least: float | None = None) -> Asked:
    return Asked("accuracy", lambda found: found.scores.accuracy, least)


def f1(label: str, least: float) -> Asked:
    return Asked(f"F1 of {label}", lambda found: found.scores.labels[label].f1, least)


REJECTS = (
    Asked("out of scope, rejected", lambda found: found.scores.rejected or 0.0, 0.97),
    Asked("cost of that", lambda found: -(found.scores.accuracy - found.scores.answered), -0.005),
)


def table(*names: str) -> Callable[[Path], list[Row]]:
    """Return what reads tables of the columns label and text."""

    def read(folder: Path) -> list[Row]:
        lines = [
            line
            for name in names
            for line in (folder / name).read_text("utf-8").split("\n")[1:]
            if line
        ]
        return [(text, label) for label, text in (line.split("\t", 1) for line in lines)]

    return read


def corpus(name: str, *, learned: bool) -> Callable[[Path], list[Row]]:
    """Return what reads one side of the official split of a corpus."""

    def read(folder: Path) -> list[Row]:
        path = folder / "nlu-evaluation-corpora" / f"{name}Corpus.json"
        found = json.loads(path.read_text("utf-8"))["sentences"]
        return [(each["text"], each["intent"]) for each in found if each["training"] is learned]

    return read


def official(name: str, least: float) -> Set:
    sides = (corpus(name, learned=True), corpus(name, learned=False))
    return Set(name, *sides, (accuracy(least),))


BANKING = table("banking77/dev.tsv", "out-of-scope/oos_dev.tsv")
SETS = (
    Set("banking77", table("banking77/train_10shot.tsv"), BANKING, (accuracy(0.885), *REJECTS)),
    Set("banking77-5", table("banking77/train_5shot.tsv"), BANKING, (accuracy(), *REJECTS)),
    official("AskUbuntu", 0.93),
    official("WebApplications", 0.91),
    Set("toxicity", table("gitter-ethereum-toxicity/train_half.tsv"), None, (f1("toxic", 0.8),)),
    Set("spam", table("sms-spam/train_half.tsv"), None, (f1("spam", 0.975),)),
)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", help="These sets, with commas between them.")
@click.option("--quick", is_flag=True, help="As a node does at its start, not as `chatbot train`.")
@click.option("--folds", default=10, help="Of the sets that have no test split.")
def main(folder: Path, only: str | None, quick: bool, folds: int) -> None:
    """Train and score each set in FOLDER; exit with 1 if a figure is missed."""
    names = [each.name for each in SETS] if only is None else only.split(",")
    unknown = set(names).difference(each.name for each in SETS)
    if unknown:
        raise click.UsageError(f"there is no set {', '.join(sorted(unknown))}")
    screen = Screen()
    shown = Table("set", "figure", "measured", "asked", "expected", "training took")
    reached = True
    for each in SETS:
        if each.name in names:
            found, seconds = _measured(each, folder, quick, folds, screen)
            for row, fits in _rows(each, found, seconds):
                shown.add_row(*row)
                reached = reached and fits
    screen.out.print(shown)
    sys.exit(0 if reached else 1)


def _measured(
    each: Set, folder: Path, quick: bool, folds: int, screen: Screen
) -> tuple[Evaluation, float]:
    """Return what `chatbot eval` finds, and the seconds that the training took."""
    with tempfile.TemporaryDirectory(prefix="chatbot-accuracy-") as place:
        os.environ["CHATBOT_DATA"] = f"{place}/data"
        flow = Path(place) / "flow.yaml"
        flow.write_text(FLOW)
        _write(Path(place) / "labels.tsv", each.learned(folder))
        started = perf_counter()
        if each.scored is None:
            found = evaluate(EvalOptions(flow=str(flow), folds=folds, thorough=not quick), screen)
            return found, (perf_counter() - started) / folds
        if not quick:
            train(str(flow), (), None, screen)
        seconds = perf_counter() - started
        data = Path(place) / "data.tsv"
        _write(data, each.scored(folder))
        options = EvalOptions(flow=str(flow), data=data, quick=quick, outside=[OUTSIDE])
        return evaluate(options, screen), seconds


def _write(path: Path, rows: Sequence[Row]) -> None:
    lines = ["label\ttext", *(f"{label}\t{text}" for text, label in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _rows(each: Set, found: Evaluation, seconds: float) -> Iterator[tuple[tuple[str, ...], bool]]:
    expected = found.estimate
    for asked in each.asked:
        value = asked.of(found)
        shown = "" if expected is None else f"{expected.low:.1%} to {expected.high:.1%}"
        least = "" if asked.least is None else f"{asked.least:.1%}"
        row = (each.name, asked.what, f"{value:.2%}", least, shown, f"{seconds:.0f} s")
        yield row, asked.least is None or value >= asked.least


if __name__ == "__main__":
    main()
