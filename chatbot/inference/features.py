"""What the features of a text are made of, and what is likened by which part of them.

| part | is | knows most of |
|---|---|---|
| `LAST` | the pooled last layer: the sentence's vector | what is meant |
| `MIDDLE` | the mean of the pooled layers from the middle on | the words |
| `PEAKS` | the highest of the last layer's tokens in each dimension | what is said anywhere in it |

Each part has a share of the square of the length, which is 1, so that the dot product of two
texts' features is a cosine in which each part has its share. Those of the peaks are all high (0.8
and more), so they have twice the share of the others: with as much they would hardly count.
"""

from __future__ import annotations

from typing import Any

LAST, MIDDLE, PEAKS = 0.25, 0.25, 0.5
PARTS = 3


def last(features: Any) -> Any:
    """Return the sentences' vectors, of unit length, as `Encoder.encode` has them."""
    return features[:, : features.shape[1] // PARTS] * features.dtype.type(LAST**-0.5)


def cosines(left: Any, right: Any) -> Any:
    """Return the cosines of sentence vectors, by features: of shape (len(left), len(right))."""
    dim = left.shape[1] // PARTS
    return left[:, :dim] @ right[:, :dim].T / LAST


class Likeness:
    """How alike texts are to others, by features; each kind is found once."""

    def __init__(self, left: Any, right: Any) -> None:
        self._left, self._right = left, right
        self._known: dict[bool, Any] = {}

    def by(self, *, whole: bool) -> Any:
        """Return cosines of shape (len(left), len(right)): by all features, or sentences' alone."""
        if whole not in self._known:
            self._known[whole] = (
                mixed(self.by(whole=False), self._left, self._right)
                if whole
                else cosines(self._left, self._right)
            )
        return self._known[whole]


def mixed(similarities: Any, left: Any, right: Any) -> Any:
    """Return the cosines by all parts, where `similarities` are those of sentence vectors."""
    dim = left.shape[1] // PARTS
    return LAST * similarities + left[:, dim:] @ right[:, dim:].T
