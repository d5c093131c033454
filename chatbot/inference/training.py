"""Quick training: a head from examples in seconds, with the encoder as it is.

The rule that it guards: kernel, penalty, features, temperature and threshold are chosen by what
each example gets from the others alone, so that the same code fits ten sentences and thousands,
and nothing has to be set.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
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
from chatbot.inference.head import FORMAT, Head, familiarity, load_head, save_head, unit
from chatbot.inference.lexicon import Lexicon
from chatbot.inference.ridge import Solution, gaussian, solve
from chatbot.messages import digest

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder, Vectors

MOST = 6000
"""Examples that a head learns from: its training time grows with their cube."""

_CHOSEN_ON = 1500
_FLOORS = tuple(step / 100 for step in range(20, 81, 5))

log = logging.getLogger(__name__)

Examples = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is chosen: the Gaussian's `gamma`, the ridge's `penalty`, the weight of the letters."""

    gamma: float = 0.5
    penalty: float = 0.1
    letters: float = 0.0


@dataclass(frozen=True, slots=True)
class Table:
    """Examples as arrays: texts, their vectors and `targets` (texts x labels; 1 or -1)."""

    labels: tuple[str, ...]
    texts: Sequence[str]
    vectors: Vectors
    targets: Any
    several: bool = False

    @property
    def owners(self) -> Any:
        """The number of each text's label; of its first, where it has several."""
        return self.targets.argmax(axis=1)

    def only(self, rows: Any) -> Table:
        """Return the table with these rows of it."""
        texts = [self.texts[row] for row in rows]
        return replace(self, texts=texts, vectors=self.vectors[rows], targets=self.targets[rows])


def trained(encoder: Encoder, examples: Examples, folder: Path, *, several: bool = False) -> Head:
    """Return the head for `examples`, from `folder` if it is there, else trained and kept.

    The name of its file is its revision. Takes seconds for hundreds of examples; a file that
    cannot be read is replaced, and a folder that cannot be written to costs only the time to
    train again.
    """
    path = folder / f"{revision(encoder, examples, several=several)}.safetensors"
    with _training:  # two that start at once need it trained once
        head = load_head(path)
        if head is None:
            head = train(encoder, examples, several=several)
            save_head(head, path)
        return head


_training = threading.Lock()


def revision(encoder: Encoder, examples: Examples, *, several: bool = False) -> str:
    """Return the revision that a head for `examples` has; trains nothing."""
    shape = json.dumps([[label, list(texts)] for label, texts in examples.items()])
    return digest(FORMAT, encoder.identity, shape, f"{several}", length=32)


def train(encoder: Encoder, examples: Examples, *, several: bool = False) -> Head:
    """Return the head for `examples`: two labels or more, none empty.

    Each text has one label, or with `several` as many as it stands under.
    """
    table = tabled(encoder, examples, several=several)
    return replace(fitted(table), revision=revision(encoder, examples, several=several))


def tabled(encoder: Encoder, examples: Examples, *, several: bool = False) -> Table:
    """Return the examples as arrays; of more than `MOST` texts, so many of them, drawn evenly."""
    import numpy as np

    texts = list(dict.fromkeys(text for each in examples.values() for text in each))
    places = {text: place for place, text in enumerate(texts)}
    targets = np.full((len(texts), len(examples)), -1.0)
    for number, each in enumerate(examples.values()):
        targets[[places[text] for text in each], number] = 1.0
    rows = _drawn(targets.argmax(axis=1), MOST)
    if len(rows) < len(texts):
        log.warning("learn from %d of %d examples", len(rows), len(texts))
        texts, targets = [texts[row] for row in rows], targets[rows]
    return Table(tuple(examples), texts, encoder.encode(texts), targets, several)


def fitted(table: Table, settings: Settings | None = None) -> Head:
    """Return the head for a table, with the settings that its held-back predictions ask for."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise OperationError(
            "training a classifier needs scikit-learn, which is not installed",
            hint="pip install 'chatbot[nlp]'",
        ) from error
    settings = settings or chosen(table)
    log.debug("train head of %d labels on %d examples", len(table.labels), len(table.texts))
    letters = _Letters(table) if settings.letters else None
    solution = _solved(table, settings, letters)
    shift = _shift(table, solution.held_back)
    return _calibrated(
        Head(
            labels=table.labels,
            examples=table.vectors,
            targets=(table.targets > 0).astype("uint8"),
            alphas=solution.alphas.astype("float32"),
            bias=(solution.bias + shift).astype("float32"),
            floors=_halves(table),
            gamma=settings.gamma,
            temperature=1.0,
            accepted=0.0,
            several=table.several,
            lexicon=letters.lexicon if letters else None,
            lexical=letters.weights(solution, settings) if letters else None,
        ),
        solution.held_back + shift,
        table,
        held_back_familiarity(table, solution.held_back + shift),
    )


def chosen(table: Table) -> Settings:
    """Return the settings with the least held-back loss.

    Letters count only where they help by more than the standard error of the difference: they
    cost time with each text.
    """
    table = table.only(_drawn(table.owners, _CHOSEN_ON))
    letters = _Letters(table) if any(map(str.strip, table.texts)) else None
    plain = Settings()
    best, least = plain, _loss(table, plain, letters)
    for weight in (0.5, 1.0, 2.0, 4.0) if letters and letters.lexicon else ():
        found = _loss(table, replace(plain, letters=weight), letters)
        against = least if best is not plain else least - _standard_error(least - found)
        if found.mean() < against.mean():
            best, least = replace(plain, letters=weight), found
    for name, values in (("gamma", (0.25, 1.0)), ("penalty", (0.03, 0.3, 1.0))):
        for value in values:
            tried = replace(best, **{name: value})
            found = _loss(table, tried, letters)
            if found.mean() < least.mean():
                best, least = tried, found
    return best


def _loss(table: Table, settings: Settings, letters: _Letters | None) -> Any:
    """Return each example's loss, predicted from the others, at the best temperature."""
    scores = _solved(table, settings, letters if settings.letters else None).held_back
    if table.several:
        import numpy as np

        own = sigmoid(scores * table.targets, temperature_of_each(scores, table.targets))
        return -np.log(np.maximum(own, 1e-9)).mean(axis=1)
    owners = table.owners
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
        kernel += settings.letters * letters.kernel
    return solve(kernel, table.targets, _weights(table), settings.penalty)


def _weights(table: Table) -> Any:
    """Return how much each example counts: a label's examples together as much as another's."""
    import numpy as np

    if table.several:
        return np.ones(len(table.texts))
    counts = np.bincount(table.owners, minlength=len(table.labels))
    return len(table.texts) / len(table.labels) / counts[table.owners]


def _shift(table: Table, held_back: Any) -> Any:
    """Return what to add to the scores of two labels so that their F1 is best, on average."""
    import numpy as np

    shift = np.zeros(len(table.labels))
    if table.several or len(table.labels) != 2 or len(table.texts) < 200:
        return shift
    margin, positive = held_back[:, 1] - held_back[:, 0], table.owners == 1
    steps = np.linspace(-0.5, 0.5, 41)
    found = [_mean_f1(margin + step > 0, positive) for step in steps]
    smooth = np.convolve(np.pad(found, 3, mode="edge"), np.ones(7) / 7, mode="valid")
    shift[1] = steps[int(smooth.argmax())]
    return shift


def _mean_f1(said: Any, positive: Any) -> float:
    def f1(said: Any, true: Any) -> float:
        return float(2 * (said & true).sum() / max((said.sum() + true.sum()), 1))

    return (f1(said, positive) + f1(~said, ~positive)) / 2


def _halves(table: Table) -> Any:
    import numpy as np

    return np.full(len(table.labels), 0.5, dtype=np.float32)


def held_back_familiarity(table: Table, scores: Any) -> Any:
    """Return how familiar each example is to the others."""
    import numpy as np

    similarities = table.vectors @ table.vectors.T
    np.fill_diagonal(similarities, -1.0)
    members = (table.targets > 0).astype(np.float32)
    sums = members.T @ table.vectors
    centrality = table.vectors @ unit(sums).T
    for row, number in zip(*np.nonzero(members), strict=True):
        without = sums[number] - table.vectors[row]
        length = np.linalg.norm(without)
        centrality[row, number] = without @ table.vectors[row] / length if length > 1e-6 else 0.0
    return familiarity(similarities, centrality, scores)


def _calibrated(head: Head, scores: Any, table: Table, familiar: Any) -> Head:
    """Return the head with the temperature and the thresholds that held-back scores ask for."""
    if table.several:
        temperature = temperature_of_each(scores, table.targets)
        floors = _floors(sigmoid(scores, temperature), table.targets > 0)
        right = ((scores > 0) & (table.targets > 0)).any(axis=1)
        accepted = lowest(familiar[right])
        return replace(head, temperature=temperature, floors=floors, accepted=accepted)
    temperature = temperature_of(scores, table.owners)
    right = scores.argmax(axis=1) == table.owners
    return replace(head, temperature=temperature, accepted=lowest(familiar[right]))


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
