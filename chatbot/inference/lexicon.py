"""What is in a text letter by letter: TF-IDF of its words and of the characters in them.

An encoder sees what a text means; spam and abuse give themselves away by how they are written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chatbot.inference import ngrams
from chatbot.inference.windows import Windows

MOST_FEATURES = 20_000
"""Of each kind; the most frequent ones."""

_LONGEST = 2000
"""Characters of a text that count; more than that is pasted, and costs time."""

_MANY = 4
"""Texts from which on arrays are faster than one text after the other."""


@dataclass(frozen=True)
class Lexicon:
    """Which n-grams count, and how much: their names and their inverse document frequencies."""

    characters: tuple[str, ...]
    words: tuple[str, ...]
    rarity: Any
    """Inverse document frequencies of `characters`, then of `words`; float32."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> Lexicon:
        """Return the lexicon of some texts; raises `ValueError` if nothing in them is to count."""
        import numpy as np

        fitted = [_counting(kind).fit(_cut(texts)) for kind in _KINDS]
        names = [tuple(each.get_feature_names_out().tolist()) for each in fitted]
        rarity = np.concatenate([each.idf_ for each in fitted]).astype(np.float32)
        return cls(names[0], names[1], rarity)

    def features(self, texts: Sequence[str]) -> Any:
        """Return a sparse matrix (texts x features); both kinds of a row have length 0.7 or 0."""
        import numpy as np
        from scipy.sparse import hstack

        found = [each.transform(_cut(texts)) for each in self._counters]
        return (hstack(found, format="csr") * np.sqrt(0.5)).astype(np.float32)

    def weigh(self, texts: Sequence[str], lexical: Any) -> Any:
        """Return the product of `features` and `lexical` (texts x labels), without scikit-learn."""
        import numpy as np

        scores = np.zeros((len(texts), lexical.shape[1]), dtype=np.float32)
        lower = [text.lower() for text in _cut(texts)]
        for row, found in enumerate(
            zip(self._of_characters(lower), self._of_words(lower), strict=True)
        ):
            places, weights = (np.concatenate(each) for each in zip(*found, strict=True))
            scores[row] = weights.astype(np.float32) @ lexical[places]
        return scores * np.float32(np.sqrt(0.5))

    def dumps(self) -> bytes:
        """Return the names, as `named` takes them."""
        return json.dumps([self.characters, self.words], ensure_ascii=False).encode()

    @classmethod
    def named(cls, names: bytes, rarity: Any) -> Lexicon:
        """Return the lexicon of what `dumps` returned; raises `ValueError` if it does not fit."""
        characters, words = json.loads(names)
        if len(characters) + len(words) != len(rarity):
            raise ValueError("its lexicon does not fit")
        return cls(tuple(characters), tuple(words), rarity)

    def _of_characters(self, texts: Sequence[str]) -> list[tuple[Any, Any]]:
        """Return for each text the columns of its n-grams, and their TF-IDF."""
        if len(texts) >= _MANY and self._windows is not None:
            return self._windows.weights(texts, self.rarity)
        places = self._places[0]
        return [_arrays(ngrams.weights(ngrams.characters(text), places)) for text in texts]

    def _of_words(self, texts: Sequence[str]) -> list[tuple[Any, Any]]:
        places = self._places[1]
        return [_arrays(ngrams.weights(ngrams.words(text), places)) for text in texts]

    @cached_property
    def _windows(self) -> Windows | None:
        return Windows.of(self.characters)

    @cached_property
    def _places(self) -> tuple[ngrams.Places, ngrams.Places]:
        """The column and the inverse document frequency of each n-gram, and of each word."""
        rarity = self.rarity.tolist()
        split = len(self.characters)
        return (
            dict(zip(self.characters, enumerate(rarity[:split]), strict=True)),
            dict(zip(self.words, enumerate(rarity[split:], split), strict=True)),
        )

    @cached_property
    def _counters(self) -> list[Any]:
        counters = []
        rarity = [self.rarity[: len(self.characters)], self.rarity[len(self.characters) :]]
        for kind, names, idf in zip(_KINDS, (self.characters, self.words), rarity, strict=True):
            counter = _counting(kind, {name: number for number, name in enumerate(names)})
            counter.idf_ = idf.astype("float64")
            counters.append(counter)
        return counters


_KINDS: tuple[dict[str, Any], ...] = (
    {
        "analyzer": "char_wb",
        "ngram_range": (ngrams.SHORTEST, ngrams.LONGEST),
        "min_df": 2,
    },
    {"token_pattern": ngrams.WORD},
)


def _counting(kind: dict[str, Any], vocabulary: dict[str, int] | None = None) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    most = None if vocabulary else MOST_FEATURES
    return TfidfVectorizer(**kind, sublinear_tf=True, max_features=most, vocabulary=vocabulary)


def _arrays(found: list[tuple[int, float]]) -> tuple[Any, Any]:
    import numpy as np

    places, weights = zip(*found, strict=True) if found else ((), ())
    return np.array(places, dtype=np.int64), np.array(weights, dtype=np.float64)


def _cut(texts: Sequence[str]) -> list[str]:
    return [text[:_LONGEST] for text in texts]
