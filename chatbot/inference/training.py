"""Quick training: a head from examples in seconds, with the encoder as it is.

The rule that it guards: kernel, penalty, features, temperature and threshold are chosen by what
each example gets from the others alone, so that the same code fits ten sentences and thousands,
and nothing has to be set.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.inference.calibration import (
    losses,
    lowest,
    shift_of,
    sigmoid,
    softmax,
    stretched,
    temperature_of,
    temperature_of_each,
)
from chatbot.inference.features import Likeness
from chatbot.inference.head import (
    FORMAT,
    Head,
    Settings,
    familiarity,
    load_head,
    save_head,
    unit,
)
from chatbot.inference.lexicon import Lexicon
from chatbot.inference.ridge import Solution, gaussian_of, solve
from chatbot.inference.tables import MOST, Examples, Table, drawn, spoken, tabled
from chatbot.messages import digest
from chatbot.progress import tell

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder

_LEARNED = "5"
"""Changes with how a head is learned: those that were kept are learned again."""

_CHOSEN_ON = 1500
_CHOICES: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"names": True},),
    tuple({"letters": each} for each in (0.5, 1.0, 2.0, 4.0)),
    tuple({"whole": True, "gamma": each} for each in (1.0, 2.0, 4.0)),
    tuple({"penalty": each} for each in (0.03, 0.3, 1.0, 3.0)),
)
"""What is tried, one after the other, each with the best of what was before. By all of the
features texts are more alike, so the kernels are narrower. There are few, and of the sentence's
vector there is the one to begin with: who has more to choose from, chooses worse."""

_FLOORS = tuple(step / 100 for step in range(20, 81, 5))

__all__ = ["MOST", "Examples", "Table", "drawn", "spoken", "tabled"]

log = logging.getLogger(__name__)

Familiar = Callable[[Any], Any]
"""Scores of held-back examples → their familiarity."""


def trained(
    encoder: Encoder,
    examples: Examples,
    folder: Path,
    *,
    several: bool = False,
    like: Head | None = None,
) -> Head:
    """Return the head for `examples`, from `folder` if it is there, else trained and kept.

    The name of its file is its revision. Takes seconds for hundreds of examples; a file that
    cannot be read is replaced, and a folder that cannot be written to costs only the time to
    train again. `like` is as for `train`.
    """
    path = folder / f"{revision(encoder, examples, several=several, like=like)}.safetensors"
    with _training:  # two that start at once need it trained once
        head = load_head(path)
        if head is None:
            count = sum(map(len, examples.values()))
            tell(f"learning {count:,} examples of {len(examples)} labels")
            head = train(encoder, examples, several=several, like=like)
            save_head(head, path)
        return head


_training = threading.Lock()


def revision(
    encoder: Encoder, examples: Examples, *, several: bool = False, like: Head | None = None
) -> str:
    """Return the revision that a head for `examples` has; trains nothing."""
    shape = json.dumps([[label, list(texts)] for label, texts in examples.items()])
    taken = "" if like is None else like.revision
    return digest(FORMAT, _LEARNED, encoder.identity, shape, f"{several}", taken, length=32)


def train(
    encoder: Encoder, examples: Examples, *, several: bool = False, like: Head | None = None
) -> Head:
    """Return the head for `examples`: two labels or more, none empty.

    Each text has one label, or with `several` as many as it stands under. Settings and
    calibration are those of `like`, if given: to an encoder that was tuned on examples, they
    are too familiar to find anything by.
    """
    table = tabled(encoder, examples, several=several)
    head = (
        fitted(table) if like is None else calibrated_like(machine(table, like.settings)[0], like)
    )
    return replace(head, revision=revision(encoder, examples, several=several, like=like))


def calibrated_like(head: Head, like: Head) -> Head:
    """Return the head with the calibration of another one, of the same labels or not."""
    same = head.labels == like.labels
    shift, floors = (like.shift, like.floors) if same else (0.0, head.floors)
    temperature, accepted = like.temperature, like.accepted
    return replace(head, shift=shift, floors=floors, temperature=temperature, accepted=accepted)


def fitted(table: Table, settings: Settings | None = None) -> Head:
    """Return the head for a table, with the settings that its held-back predictions ask for."""
    return found(table, settings or chosen(table))[0]


def found(table: Table, settings: Settings) -> tuple[Head, Any]:
    """Return the head, and how familiar the examples are that it gets right, each held back."""
    head, scores = machine(table, settings)
    rows = table if settings.names else table.without_names()
    targets = table.targets[: table.count]

    def familiar(scores: Any) -> Any:
        return held_back_familiarity(rows, scores)

    head = calibrated(head, scores, targets, familiar)
    return head, recognised(head, scores, targets, familiar)


def machine(
    table: Table,
    settings: Settings,
    letters: Letters | None = None,
    likeness: Likeness | None = None,
) -> tuple[Head, Any]:
    """Return a head that is not calibrated, and the scores of its examples, each held back.

    Who makes several of the same texts hands their `letters` in, which take a second to count,
    and of the same features their `likeness`.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise OperationError(
            "training a classifier needs scikit-learn, which is not installed",
            hint="pip install 'chatbot[nlp]'",
        ) from error
    likeness = likeness or Likeness(table.vectors, table.vectors)
    if not settings.names:
        table = table.without_names()
    log.debug("train head of %d labels on %d examples", len(table.labels), table.count)
    letters = (letters or Letters(table)) if settings.letters else None
    solution = _solved(table, settings, letters, likeness)
    head = Head(
        labels=table.labels,
        examples=table.vectors,
        targets=(table.targets > 0).astype("uint8"),
        alphas=solution.alphas.astype("float32"),
        bias=solution.bias.astype("float32"),
        floors=_halves(table),
        settings=settings,
        several=table.several,
        lexicon=letters.lexicon if letters else None,
        lexical=letters.weights(solution, settings) if letters else None,
    )
    return head, solution.held_back[: table.count]


def calibrated(head: Head, scores: Any, targets: Any, familiar: Familiar, like: Any = None) -> Head:
    """Return the head with the shift, temperature and thresholds that held-back `scores` ask for.

    `familiar` gives the familiarity of the held-back examples for their shifted scores. Where
    they are few, `like` has familiarities of many others, whose tail theirs is like.
    """
    owners = targets.argmax(axis=1)
    if head.several:
        temperature = temperature_of_each(scores, targets)
        head = replace(head, floors=_floors(sigmoid(scores, temperature), targets > 0))
    else:
        head = replace(head, shift=_shift(scores, owners))
        temperature = temperature_of(shifted(head, scores), owners)
    own = recognised(head, scores, targets, familiar)
    accepted = lowest(own) if like is None else stretched(own, like)
    return replace(head, temperature=temperature, accepted=accepted)


def recognised(head: Head, scores: Any, targets: Any, familiar: Familiar) -> Any:
    """Return how familiar those held-back examples are that the head gets right."""
    scores = shifted(head, scores)
    if head.several:
        right = ((scores > 0) & (targets > 0)).any(axis=1)
    else:
        right = scores.argmax(axis=1) == targets.argmax(axis=1)
    return familiar(scores)[right]


def shifted(head: Head, scores: Any) -> Any:
    """Return scores as the head will give them, of such as it had before it was calibrated."""
    return raised(scores, head.shift)


def raised(scores: Any, shift: float) -> Any:
    """Return scores with those of the last label raised."""
    scores = scores.copy()
    scores[:, -1] += shift
    return scores


def chosen(table: Table) -> Settings:
    """Return the settings with the least held-back loss.

    Letters count only where they help by more than the standard error of the difference: they
    cost time with each text.
    """
    table = table.only(drawn(table.owners[: table.count], _CHOSEN_ON))
    sides = Letters(table), Likeness(table.vectors, table.vectors)
    letters = sides[0]
    best = Settings()
    least = _loss(table, best, sides)
    for changes in _CHOICES:
        weighed = "letters" in changes[0]
        if weighed and letters.lexicon is None:
            continue
        tried = [replace(best, **each) for each in changes]
        found = [_loss(table, each, sides) for each in tried]
        place = min(range(len(found)), key=lambda each: float(found[each].mean()))
        needed = _standard_error(least - found[place]) if weighed else 0.0
        if found[place].mean() < least.mean() - needed:
            best, least = tried[place], found[place]
    for each in _again(best):
        found_again = _loss(table, each, sides)
        if found_again.mean() < least.mean():
            best, least = each, found_again
    return best


def _again(best: Settings) -> Iterator[Settings]:
    """Yield what is tried once more where letters count: they were weighed at another penalty."""
    if best.letters:
        yield replace(best, letters=best.letters * 2)
        yield replace(best, letters=best.letters * 2, penalty=best.penalty * 3)
        yield replace(best, letters=best.letters / 2)


def _loss(table: Table, settings: Settings, sides: tuple[Letters, Likeness]) -> Any:
    """Return each example's loss, predicted from the others, at the best temperature."""
    if not settings.names:
        table = table.without_names()
    letters, likeness = sides
    solution = _solved(table, settings, letters if settings.letters else None, likeness)
    scores, targets = (each[: table.count] for each in (solution.held_back, table.targets))
    return own_losses(scores, targets, several=table.several)


def own_losses(scores: Any, targets: Any, *, several: bool) -> Any:
    """Return each held-back example's loss, of its scores at the best shift and temperature."""
    if several:
        import numpy as np

        own = sigmoid(scores * targets, temperature_of_each(scores, targets))
        return -np.log(np.maximum(own, 1e-9)).mean(axis=1)
    owners = targets.argmax(axis=1)
    scores = raised(scores, shift_of(scores, owners))
    return losses(softmax(scores, temperature_of(scores, owners)), owners)


def _standard_error(differences: Any) -> float:
    return float(differences.std() / len(differences) ** 0.5)


class Letters:
    """The letters' side of a table: its lexicon, its features and their kernel."""

    def __init__(self, table: Table) -> None:
        try:
            self.lexicon: Lexicon | None = Lexicon.of(table.texts)
        except ValueError:  # scikit-learn's word for texts in which there is nothing to count
            self.lexicon = None
            return
        self.features = self.lexicon.features(table.texts)
        self.kernel = (self.features @ self.features.T).toarray()

    def weights(self, solution: Solution, settings: Settings) -> Any:
        """Return what each feature weighs for each label."""
        features = self.features[: len(solution.alphas)]  # without the names, which come last
        return (features.T @ solution.alphas * settings.letters).astype("float32")


def _solved(
    table: Table, settings: Settings, letters: Letters | None, likeness: Likeness
) -> Solution:
    import numpy as np

    size = len(table.texts)  # it may be without the names, which come last
    similarities = likeness.by(whole=settings.whole)[:size, :size]
    kernel = gaussian_of(similarities, settings.gamma).astype(np.float64)
    if letters is not None:
        kernel += settings.letters * letters.kernel[:size, :size]
    return solve(kernel, table.targets, _weights(table), settings.penalty)


def _weights(table: Table) -> Any:
    """Return how much each example counts: a label's examples together as much as another's."""
    import numpy as np

    if table.several:
        return np.ones(len(table.texts))
    counts = np.bincount(table.owners[: table.count], minlength=len(table.labels))
    return table.count / len(table.labels) / np.maximum(counts, 1)[table.owners]


def _shift(scores: Any, owners: Any) -> float:
    """Return what to raise the second of two labels by so that their F1 is best, on average.

    Of shifts that are as good up to two examples it is the one nearest to the likeliest: where
    the scores of both are far apart, nearly all are as good here, and not elsewhere.
    """
    import numpy as np

    likeliest = shift_of(scores, owners)
    if not likeliest:
        return 0.0
    margin, positive = scores[:, 1] - scores[:, 0], owners == 1
    steps = np.linspace(-1.0, 1.0, 81)
    found = [_mean_f1(margin + step > 0, positive) for step in steps]
    smooth = np.convolve(np.pad(found, 3, mode="edge"), np.ones(7) / 7, mode="valid")
    fewer = min(positive.sum(), (~positive).sum())
    good = steps[smooth >= smooth.max() - 0.5 / max(fewer, 1)]
    return float(min(good, key=lambda step: abs(step - likeliest)))


def _mean_f1(said: Any, positive: Any) -> float:
    def f1(said: Any, true: Any) -> float:
        return float(2 * (said & true).sum() / max((said.sum() + true.sum()), 1))

    return (f1(said, positive) + f1(~said, ~positive)) / 2


def _halves(table: Table) -> Any:
    import numpy as np

    return np.full(len(table.labels), 0.5, dtype=np.float32)


def held_back_familiarity(table: Table, scores: Any) -> Any:
    """Return how familiar each example, of which `scores` has a row, is to all else."""
    import numpy as np

    vectors = table.vectors
    similarities = vectors[: table.count] @ vectors.T
    np.fill_diagonal(similarities, -1.0)
    members = (table.targets > 0).astype(np.float32)
    sums = members.T @ vectors
    centrality = vectors[: table.count] @ unit(sums).T
    for row, number in zip(*np.nonzero(members[: table.count]), strict=True):
        without = sums[number] - vectors[row]
        length = np.linalg.norm(without)
        centrality[row, number] = without @ vectors[row] / length if length > 1e-6 else 0.0
    return familiarity(similarities, centrality, scores)


def _floors(probabilities: Any, members: Any) -> Any:
    """Return for each label the probability from which on giving it has the best F1."""
    import numpy as np

    floors = []
    for own, true in zip(probabilities.T, members.T, strict=True):
        said = [own >= floor for floor in _FLOORS]
        found = [2 * (s & true).sum() / max(s.sum() + true.sum(), 1) for s in said]
        best = max(found)
        near = [floor for floor, f1 in zip(_FLOORS, found, strict=True) if f1 >= best - 1e-9]
        floors.append(min(near, key=lambda floor: abs(floor - 0.5)))
    return np.array(floors, dtype=np.float32)
