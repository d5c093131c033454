"""`chatbot eval`: how right a flow's classification is, on labelled texts that it has not seen."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chatbot import settings
from chatbot.commands.screen import Screen
from chatbot.commands.understanding import Subject, subject
from chatbot.errors import UsageError
from chatbot.inference.backends import AUTO
from chatbot.inference.labelled import Labelled, read_labelled
from chatbot.inference.loading import kept_for, understanding
from chatbot.inference.revisions import Kept
from chatbot.inference.scoring import Answer, Scores, interval, scored, worst

if TYPE_CHECKING:
    from chatbot.inference.classifier import Classifier

AT_ONCE = 256
FOLDS = 5
WORST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalOptions:
    """What the command line of `chatbot eval` says."""

    flow: str
    data: Path | None = None
    overrides: Sequence[str] = ()
    operation: str | None = None
    folds: int | None = None
    quick: bool = False
    thorough: bool = False
    outside: Sequence[str] = ()
    estimate: bool = True
    picture: Path | None = None
    nats: str | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to be expected of texts that nobody has seen yet, found on the examples alone."""

    accuracy: float
    low: float
    high: float
    examples: int
    how: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found; `revision` is of what answered, "quick" or that of a thorough training.

    `exact` is the accuracy of an exact back end on the same texts, where the flow's is not.
    """

    subject: Subject
    scores: Scores
    answers: list[Answer]
    revision: str
    estimate: Estimate | None
    exact: float | None = None

    @property
    def lost(self) -> float:
        """What the flow's back end loses of the accuracy; below 0 where it wins."""
        return 0.0 if self.exact is None else self.exact - self.scores.accuracy


def evaluate(options: EvalOptions, screen: Screen) -> Evaluation:
    """Score the flow on labelled texts, or on its own examples in folds. Blocks.

    Raises `FlowError` with all that is wrong with the flow or with the data, before any model
    is loaded.
    """
    if (options.data is None) == (options.folds is None):
        raise UsageError("give labelled texts, or --folds to score the examples themselves")
    if options.thorough and options.folds is None:
        raise UsageError("--thorough is for --folds", hint="`chatbot train` keeps what it learns")
    if options.picture is not None:
        from chatbot.commands.picture import check

        check()
    what = subject(options.flow, options.overrides, options.operation, options.nats)
    if what.backend != AUTO and (why := what.missing):
        screen.say(f"scoring with an exact back end: {what.backend} cannot be had here ({why})")
        what = _exactly(what)
    if options.folds is not None:
        folds, exact = functools.partial(_in_folds, folds=options.folds, screen=screen), None
        answers = folds(what, thorough=options.thorough)
        if not what.exact and not options.thorough:
            exact = scored(folds(_exactly(what))).accuracy
        return Evaluation(what, scored(answers), answers, f"{options.folds} folds", None, exact)
    outside = frozenset(options.outside)
    rows = read_labelled(options.data, frozenset(what.examples) | outside)  # type: ignore[arg-type]
    if all(outside.intersection(row.labels) for row in rows):
        raise UsageError(f"{options.data} has no text that has a label of the flow")
    answers, kept = _answered(what, rows, outside, options.quick, screen)
    scores, exact = scored(answers), None
    if not what.exact:
        exactly, _ = _answered(_exactly(what), rows, outside, options.quick, screen)
        exact = scored(exactly).accuracy
    estimate = None
    if options.estimate:
        estimate = _estimate_of(kept) if kept else _estimated(what, screen)
    revision = kept.about.revision if kept else "quick"
    return Evaluation(what, scores, answers, revision, estimate, exact)


def _exactly(what: Subject) -> Subject:
    return replace(what, backend=AUTO)


def _answered(
    what: Subject,
    rows: Sequence[Labelled],
    outside: frozenset[str],
    quick: bool,
    screen: Screen,
) -> tuple[list[Answer], Kept | None]:
    """Return the answers of what a node would run, and what thorough training it is from."""
    classifier, kept = _classifier(what, quick, screen)
    with screen.counting(f"classifying ({classifier.encoder.backend})", len(rows)) as advance:
        return list(_answers(classifier, rows, outside, advance)), kept


def _classifier(what: Subject, quick: bool, screen: Screen) -> tuple[Classifier, Kept | None]:
    from chatbot.inference.classifier import Classifier

    models = settings.models_path()
    kept = kept_for(what.examples, what.encoder, several=what.several, models=models)
    with screen.busy("loading the model, learning the examples"):
        encoder, head = understanding(
            what.examples,
            what.encoder,
            several=what.several,
            models=models,
            heads=settings.cache_folder() / "heads",
            quick=quick,
            backend=what.backend,
        )
    made = Classifier(encoder, head, threshold=what.threshold, likeness=what.likeness)
    return made, None if quick else kept


def _answers(
    classifier: Classifier,
    rows: Sequence[Labelled],
    outside: frozenset[str],
    advance: Callable[[], None],
) -> Iterator[Answer]:
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        predictions = classifier.predict([row.text for row in some])
        for row, found in zip(some, predictions, strict=True):
            truth = () if outside.intersection(row.labels) else row.labels
            yield Answer(row.text, truth, found, classifier.head.several)
            advance()


def _estimate_of(kept: Kept) -> Estimate:
    about = kept.about
    how = "examples that thorough training held back"
    return Estimate(about.estimate, about.low, about.high, about.held, how)


def _estimated(what: Subject, screen: Screen) -> Estimate:
    folds = min(FOLDS, what.count)
    answers = _in_folds(what, folds, screen)
    right = sum(each.right for each in answers)
    low, high = interval(right, len(answers))
    how = f"nested cross-validation of the examples in {folds} folds"
    return Estimate(right / len(answers), low, high, len(answers), how)


def _in_folds(what: Subject, folds: int, screen: Screen, *, thorough: bool = False) -> list[Answer]:
    """Return an answer for each example, from training on the other folds with all its choices.

    What trained thoroughly answers with an exact back end.
    """
    rows = _rows(what.examples)
    parts = _folds(rows, min(folds, len(rows)))
    answers: list[Answer] = []
    with screen.counting(f"cross-validating in {len(parts)} folds", len(parts)) as advance:
        train = _thoroughly(what, rows) if thorough else _quickly(what, rows)
        for part in parts:
            with train(sorted(set(range(len(rows))).difference(part))) as classifier:
                some = [rows[place] for place in part]
                answers.extend(_answers(classifier, some, frozenset(), lambda: None))
            advance()
    return answers


Train = Callable[[Sequence[int]], AbstractContextManager["Classifier"]]
"""Learns from the examples with these places."""


def _quickly(what: Subject, rows: Sequence[Labelled]) -> Train:
    """Return what trains quickly; each text is encoded once for all folds."""
    from chatbot.inference.classifier import Classifier
    from chatbot.inference.encoder import Encoder
    from chatbot.inference.training import fitted, tabled

    encoder = Encoder.load(what.encoder, backend=what.backend)
    table = tabled(encoder, _examples(what, rows), several=what.several, most=len(rows))

    @contextmanager
    def train(places: Sequence[int]) -> Iterator[Classifier]:
        head = fitted(table.only(places))
        yield Classifier(encoder, head, threshold=what.threshold, likeness=what.likeness)

    return train


def _thoroughly(what: Subject, rows: Sequence[Labelled]) -> Train:
    from chatbot.inference.classifier import Classifier
    from chatbot.inference.thorough import silent, thorough

    @contextmanager
    def train(places: Sequence[int]) -> Iterator[Classifier]:
        examples = _examples(what, [rows[place] for place in places])
        with tempfile.TemporaryDirectory(prefix="chatbot-eval-") as folder:
            made = thorough(what.encoder, examples, Path(folder), silent, several=what.several)
            limits = {"threshold": what.threshold, "likeness": what.likeness}
            yield Classifier(made.encoder, made.head, **limits)

    return train


def _rows(examples: Mapping[str, Sequence[str]]) -> list[Labelled]:
    from chatbot.flowfile.problems import Mark

    labels: dict[str, list[str]] = {}
    for label, texts in examples.items():
        for text in texts:
            labels.setdefault(text, []).append(label)
    return [Labelled(text, tuple(own), Mark("")) for text, own in labels.items()]


def _folds(rows: Sequence[Labelled], folds: int) -> list[list[int]]:
    """Return the rows of each fold, each label's spread over all; the same ones each time.

    A label's only example is in none: it is always trained on.
    """
    import random

    places = list(range(len(rows)))
    random.Random(0).shuffle(places)  # noqa: S311 - no secret
    places.sort(key=lambda place: rows[place].labels[0])
    counts: dict[str, int] = {}
    for row in rows:
        for label in row.labels:
            counts[label] = counts.get(label, 0) + 1
    places = [each for each in places if min(counts[name] for name in rows[each].labels) > 1]
    if not places:
        raise UsageError("there is no label with two examples, so nothing can be estimated")
    return [part for number in range(folds) if (part := places[number::folds])]


def _examples(what: Subject, rows: Sequence[Labelled]) -> dict[str, list[str]]:
    """Return the rows as examples; every label of the subject has one left."""
    return {
        label: [row.text for row in rows if label in row.labels] or [label]
        for label in what.examples
    }


def as_json(found: Evaluation) -> dict[str, object]:
    """Return what `--json` prints: figures, no texts."""
    import msgspec

    figures: dict[str, object] = {
        "operation": found.subject.name,
        "revision": found.revision,
        "backend": found.subject.backend,
        "exact": found.exact,
        "estimate": msgspec.to_builtins(found.estimate),
    }
    figures.update(msgspec.to_builtins(found.scores))
    return figures


def show(found: Evaluation, screen: Screen, most: int = WORST) -> None:
    """Show figures, labels, confusions, calibration and the worst mistakes."""
    from chatbot.commands import evaluation_tables as tables

    tables.show(found.scores, worst(found.answers, most), screen)
    if found.exact is not None:
        screen.out.print(
            f"with {found.subject.backend}; an exact back end has {found.exact:.1%}: "
            f"{abs(found.lost) * 100:.1f} points {'lost' if found.lost >= 0 else 'won'}"
        )
    if found.estimate is not None:
        each = found.estimate
        screen.out.print(
            f"to be expected: {each.accuracy:.1%} ({each.low:.1%} to {each.high:.1%}), "
            f"by {each.how} ({each.examples})"
        )
