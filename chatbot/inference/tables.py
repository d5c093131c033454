"""Examples as arrays: which text has which label, and what the encoder makes of it.

The rule that it guards: a text stands there once, whatever labels it has, and the labels' names
come last, so that who doesn't want them cuts them off.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chatbot.progress import tell

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder, Vectors

MOST = 6000
"""Examples that a head learns from: its training time grows with their cube."""

_TOLD = 1024
"""Texts after which it is told how far it is."""

log = logging.getLogger(__name__)

Examples = Mapping[str, Sequence[str]]
"""Labels → their texts."""


@dataclass(frozen=True, slots=True)
class Table:
    """Examples as arrays: texts, their features and `targets` (texts x labels; 1 or -1).

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
    rows = drawn(targets.argmax(axis=1), most)
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
        parts.append(encoder.features(texts[start : start + _TOLD]))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def spoken(label: str) -> str:
    """Return a label's name as words: `cardArrival` and `card_arrival` are "card arrival"."""
    parted = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", " ", label)
    return " ".join(re.split(r"[\s_\-./:]+", parted)).strip().lower()


def drawn(owners: Any, most: int) -> Any:
    """Return at most `most` rows, of each label about its share; the same ones each time."""
    import numpy as np

    rows = np.arange(len(owners))
    if len(rows) <= most:
        return rows
    shuffled = np.random.default_rng(0).permutation(len(rows))
    ordered = shuffled[np.argsort(owners[shuffled], kind="stable")]
    return np.sort(ordered[np.linspace(0, len(rows) - 1, most).round().astype(int)])
