"""The character n-grams of many texts at once, in arrays.

As `ngrams.characters` and `ngrams.weights` give them, at a quarter of the time. The rule that it
guards: the n-grams are the same. A character has the number of its place in the alphabet of the
n-grams that count, and an n-gram of up to five is one number of 64 bits, exactly; no hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chatbot.inference.ngrams import LONGEST, SHORTEST

BITS = 12
"""Of a character's number; five fit in 64. 0 is for those that no n-gram has."""


class Windows:
    """The n-grams that count. Made by `of`.

    `codes` ascend, `places` are those of their n-grams. `numbers` has each character's.
    """

    def __init__(self, numbers: Any, codes: Any, places: Any) -> None:
        self._numbers = numbers
        self._codes = codes
        self._places = places

    @classmethod
    def of(cls, terms: Sequence[str]) -> Windows | None:
        """Return them, a term's place being its index; `None` if their characters are too many."""
        import numpy as np

        alphabet = sorted(set("".join(terms)))
        if not alphabet or len(alphabet) >= 1 << BITS:
            return None
        numbers = np.zeros(ord(alphabet[-1]) + 2, dtype=np.uint16)
        numbers[[ord(each) for each in alphabet]] = np.arange(1, len(alphabet) + 1)
        own = {each: number for number, each in enumerate(alphabet, 1)}
        codes = np.array([_code(term, own) for term in terms], dtype=np.uint64)
        order = np.argsort(codes)
        return cls(numbers, codes[order], order)

    def weights(self, texts: Sequence[str], rarity: Any) -> list[tuple[Any, Any]]:
        """Return for each text the places of its n-grams and their TF-IDF, of length 1 together.

        `texts` are in lower case; `rarity` has the inverse document frequencies by place.
        """
        import numpy as np

        rows, places, times = self._counts(texts)
        weights = rarity[places] * (1.0 + np.log(times))
        lengths = np.sqrt(np.bincount(rows, weights * weights, minlength=len(texts)))
        weights /= lengths[rows]
        ends = np.searchsorted(rows, np.arange(1, len(texts)))
        return list(zip(np.split(places, ends), np.split(weights, ends), strict=True))

    def _counts(self, texts: Sequence[str]) -> tuple[Any, Any, Any]:
        """Return the n-grams of the texts: their rows, places, and how often; rows ascend."""
        import numpy as np

        codes, rows = self._codes_of(texts)
        at = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        known = self._codes[at] == codes
        pairs = rows[known] * len(self._codes) + self._places[at[known]]
        pairs, times = np.unique(pairs, return_counts=True)
        return *np.divmod(pairs, len(self._codes)), times

    def _codes_of(self, texts: Sequence[str]) -> tuple[Any, Any]:
        """Return the code of each window within a word, blanks around it, and its text's row.

        Windows with a character that no n-gram has are left out.
        """
        import numpy as np

        split = [text.split() for text in texts]
        joined = "".join([f" {word} " for words in split for word in words])
        points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        numbers = self._numbers[np.minimum(points, len(self._numbers) - 1)].astype(np.uint64)
        sizes = np.array([len(word) + 2 for words in split for word in words], dtype=np.int64)
        left = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(points))
        rows = np.repeat(np.repeat(np.arange(len(texts)), [len(words) for words in split]), sizes)
        at = np.flatnonzero(numbers)
        codes = numbers[at]
        found = []
        for size in range(SHORTEST, LONGEST + 1):  # one more character, where the word goes on
            at, codes = _kept(left[at] >= size, at, codes)
            last = numbers[at + (size - 1)]
            at, codes = _kept(last > 0, at, codes << np.uint64(BITS) | last)
            found.append((codes, rows[at]))
        return np.concatenate([each for each, _ in found]), np.concatenate(
            [each for _, each in found]
        )


def _code(term: str, numbers: Mapping[str, int]) -> int:
    code = 0
    for each in term:
        code = code << BITS | numbers[each]
    return code


def _kept(which: Any, *arrays: Any) -> list[Any]:
    return [each[which] for each in arrays]
