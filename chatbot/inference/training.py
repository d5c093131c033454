"""Quick training: a head from examples in seconds, with the encoder as it is.

The rule that it guards: kernel, penalty, features, temperature and threshold are chosen by what
each example gets from the others alone, so that the same code fits ten sentences and thousands,
and nothing has to be set.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.inference.calibration import (
    losses,
    lowest,
    sigmoid,
    softmax,
    temperature_of,
    temperature_of_each,
)
from chatbot.inference.head import FORMAT, Head, Settings, familiarity, load_head, save_head, unit
from chatbot.inference.lexicon import Lexicon
from chatbot.inference.ridge import Solution, gaussian, solve
from chatbot.messages import digest
from chatbot.progress import tell

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder, Vectors

MOST = 6000
"""Examples that a head learns from: its training time grows with their cube."""

_CHOSEN_ON = 1500
_TOLD = 1024
"""Texts after which it is told how far it is."""

_CHOICES: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("names", (True,)),
    ("letters", (0.5, 1.0, 2.0, 4.0)),
    ("gamma", (0.25, 1.0)),
    ("penalty", (0.03, 0.3, 1.0)),
)
_FLOORS = tuple(step / 100 for step in range(20, 81, 5))

log = logging.getLogger(__name__)

Examples = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """Examples as arrays: texts, their vectors and `targets` (texts x labels; 1 or -1).

    The last `names` of them are no examples but the labels' names. `count` is that of the
    examples.
    """

    labels: tuple[str, ...]
    texts: Sequence[str]
    vectors: Vectors
    targets: Any
    several: bool = False
    names: int = 0

    @property
    def count(self) -> int:
        return len(self.texts) - self.names

    @property
    def owners(self) -> Any:
        """The number of each text's label; of its first, where it has several."""
        return self.targets.argmax(axis=1)

    def only(self, rows: Any) -> Table:
        """Return the table with these examples of it, and all names."""
        import numpy as np

        rows = np.concatenate([rows, np.arange(self.count, len(self.texts))])
        texts = [self.texts[row] for row in rows]
        return replace(self, texts=texts, vectors=self.vectors[rows], targets=self.targets[rows])

    def without_names(self) -> Table:
        """Return the table with its examples alone."""
        count = self.count
        vectors, targets = self.vectors[:count], self.targets[:count]
        return replace(self, texts=self.texts[:count], vectors=vectors, targets=targets, names=0)


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
    return digest(FORMAT, encoder.identity, shape, f"{several}", taken, length=32)


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


def tabled(
    encoder: Encoder, examples: Examples, *, several: bool = False, most: int = MOST
) -> Table:
    """Return the examples as arrays; of more than `most` texts, so many of them, drawn evenly.

    Texts under the label "" have none of the labels.
    """
    import numpy as np

    texts = list(dict.fromkeys(text for each in examples.values() for text in each))
    places = {text: place for place, text in enumerate(texts)}
    examples = {label: each for label, each in examples.items() if label}
    targets = np.full((len(texts), len(examples)), -1.0)
    for number, each in enumerate(examples.values()):
        targets[[places[text] for text in each], number] = 1.0
    rows = _drawn(targets.argmax(axis=1), most)
    if len(rows) < len(texts):
        log.warning("learn from %d of %d examples", len(rows), len(texts))
        texts, targets = [texts[row] for row in rows], targets[rows]
    names = [spoken(label) for label in examples]
    texts, targets = texts + names, np.concatenate([targets, 2.0 * np.eye(len(names)) - 1.0])
    vectors = _encoded(encoder, texts)
    return Table(tuple(examples), texts, vectors, targets, several, names=len(names))


def _encoded(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Return the texts' vectors; of many, it is told how far it is."""
    import numpy as np

    parts = []
    for start in range(0, len(texts), _TOLD):
        if start:
            tell(f"encoding the examples: {start:,} of {len(texts):,}")
        parts.append(encoder.encode(texts[start : start + _TOLD]))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def spoken(label: str) -> str:
    """Return a label's name as words: `cardArrival` and `card_arrival` are "card arrival"."""
    parted = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", " ", label)
    return " ".join(re.split(r"[\s_\-./:]+", parted)).strip().lower()


def fitted(table: Table, settings: Settings | None = None) -> Head:
    """Return the head for a table, with the settings that its held-back predictions ask for."""
    head, scores = machine(table, settings or chosen(table))
    rows = table if head.settings.names else table.without_names()

    def familiar(scores: Any) -> Any:
        return held_back_familiarity(rows, scores)

    return calibrated(head, scores, table.targets[: table.count], familiar)


def machine(table: Table, settings: Settings) -> tuple[Head, Any]:
    """Return a head that is not calibrated, and the scores of its examples, each held back."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise OperationError(
            "training a classifier needs scikit-learn, which is not installed",
            hint="pip install 'chatbot[nlp]'",
        ) from error
    if not settings.names:
        table = table.without_names()
    log.debug("train head of %d labels on %d examples", len(table.labels), table.count)
    letters = _Letters(table) if settings.letters else None
    solution = _solved(table, settings, letters)
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


def calibrated(head: Head, scores: Any, targets: Any, familiar: Callable[[Any], Any]) -> Head:
    """Return the head with the shift, temperature and thresholds that held-back `scores` ask for.

    `familiar` gives the familiarity of the held-back examples for their shifted scores.
    """
    owners = targets.argmax(axis=1)
    shift = 0.0 if head.several else _shift(scores, owners)
    scores = scores.copy()
    scores[:, -1] += shift
    accepts = familiar(scores)
    if head.several:
        temperature = temperature_of_each(scores, targets)
        floors = _floors(sigmoid(scores, temperature), targets > 0)
        right = ((scores > 0) & (targets > 0)).any(axis=1)
        accepted = lowest(accepts[right])
        return replace(head, temperature=temperature, floors=floors, accepted=accepted)
    accepted = lowest(accepts[scores.argmax(axis=1) == owners])
    temperature = temperature_of(scores, owners)
    return replace(head, shift=shift, temperature=temperature, accepted=accepted)


def chosen(table: Table) -> Settings:
    """Return the settings with the least held-back loss.

    Letters count only where they help by more than the standard error of the difference: they
    cost time with each text.
    """
    table = table.only(_drawn(table.owners[: table.count], _CHOSEN_ON))
    letters = _Letters(table)
    best = Settings()
    least = _loss(table, best, letters)
    for name, values in _CHOICES:
        if name == "letters" and letters.lexicon is None:
            continue
        changes: list[dict[str, Any]] = [{name: value} for value in values]
        tried = [replace(best, **each) for each in changes]
        found = [_loss(table, each, letters) for each in tried]
        place = min(range(len(found)), key=lambda each: float(found[each].mean()))
        needed = _standard_error(least - found[place]) if name == "letters" else 0.0
        if found[place].mean() < least.mean() - needed:
            best, least = tried[place], found[place]
    return best


def _loss(table: Table, settings: Settings, letters: _Letters | None) -> Any:
    """Return each example's loss, predicted from the others, at the best temperature."""
    if not settings.names:
        table = table.without_names()
    solution = _solved(table, settings, letters if settings.letters else None)
    scores, targets, owners = (
        each[: table.count] for each in (solution.held_back, table.targets, table.owners)
    )
    if table.several:
        import numpy as np

        own = sigmoid(scores * targets, temperature_of_each(scores, targets))
        return -np.log(np.maximum(own, 1e-9)).mean(axis=1)
    return losses(softmax(scores, temperature_of(scores, owners)), owners)


def _standard_error(differences: Any) -> float:
    return float(differences.std() / len(differences) ** 0.5)


class _Letters:
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
        return (self.features.T @ solution.alphas * settings.letters).astype("float32")


def _solved(table: Table, settings: Settings, letters: _Letters | None) -> Solution:
    import numpy as np

    kernel = gaussian(table.vectors, table.vectors, settings.gamma).astype(np.float64)
    if letters is not None:
        size = len(kernel)  # without the names, which come last
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
    """Return what to raise the second of two labels by so that their F1 is best, on average."""
    import numpy as np

    if scores.shape[1] != 2 or len(scores) < 200:
        return 0.0
    margin, positive = scores[:, 1] - scores[:, 0], owners == 1
    steps = np.linspace(-0.5, 0.5, 41)
    found = [_mean_f1(margin + step > 0, positive) for step in steps]
    smooth = np.convolve(np.pad(found, 3, mode="edge"), np.ones(7) / 7, mode="valid")
    return float(steps[int(smooth.argmax())])


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

    similarities = table.vectors[: table.count] @ table.vectors.T
    np.fill_diagonal(similarities, -1.0)
    members = (table.targets > 0).astype(np.float32)
    sums = members.T @ table.vectors
    centrality = table.vectors[: table.count] @ unit(sums).T
    for row, number in zip(*np.nonzero(members[: table.count]), strict=True):
        without = sums[number] - table.vectors[row]
        length = np.linalg.norm(without)
        centrality[row, number] = without @ table.vectors[row] / length if length > 1e-6 else 0.0
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


def _drawn(owners: Any, most: int) -> Any:
    """Return at most `most` rows, of each label about its share; the same ones each time."""
    import numpy as np

    rows = np.arange(len(owners))
    if len(rows) <= most:
        return rows
    shuffled = np.random.default_rng(0).permutation(len(rows))
    ordered = shuffled[np.argsort(owners[shuffled], kind="stable")]
    return np.sort(ordered[np.linspace(0, len(rows) - 1, most).round().astype(int)])
