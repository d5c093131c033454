"""The n-grams of a text, as scikit-learn's `TfidfVectorizer` counts them, without it.

A node that only judges texts need not load it (a second, and 60 MB), and a lone text costs it a
millisecond and a half; this, some 30 microseconds. The rule that it guards: the numbers are the
same (a test compares them).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

SHORTEST, LONGEST = 2, 5
"""Characters of the n-grams within a word; the blanks around it count."""

Places = Mapping[str, tuple[int, float]]
"""Each term's place, and its inverse document frequency."""

WORD = r"\w+|[^\w\s]"
_find_words = re.compile(WORD).findall


def characters(text: str) -> list[str]:
    """Return the n-grams of each word of `text`, which is in lower case ("char_wb")."""
    found: list[str] = []
    for word in text.split():
        padded = f" {word} "
        size = len(padded)
        for length in range(SHORTEST, LONGEST + 1):
            if size <= length:
                found.append(padded)  # once, however short it is
                break
            found += [padded[start : start + length] for start in range(size - length + 1)]
    return found


def words(text: str) -> list[str]:
    """Return the words and the signs of `text`."""
    return _find_words(text)


def weights(terms: list[str], places: Places) -> list[tuple[int, float]]:
    """Return the places of those terms that have one, and their TF-IDF, of length 1 together.

    The frequency of a term counts as 1 + its logarithm.
    """
    found = []
    for term, count in Counter(filter(places.__contains__, terms)).items():
        place, rarity = places[term]
        found.append((place, rarity if count == 1 else (1.0 + math.log(count)) * rarity))
    length = math.sqrt(sum([weight * weight for _, weight in found]))
    return [(place, weight / length) for place, weight in found]
