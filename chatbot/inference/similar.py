"""Texts that mean nearly the same: vectors in memory, the nearest found by looking at all.

The rule that it guards: what was removed is never found again. Looking at 100,000 vectors takes
11 ms on one core, exactly; an index that guesses, or one on disk (sqlite-vec: 35 to 41 ms, and a
Python whose SQLite loads extensions), would save nothing here.

Everything blocks; callers have one thread for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_ROOM = 256


@dataclass(frozen=True, slots=True)
class Near(Generic[K]):
    """What is near a text: its key, and the cosine (-1 to 1)."""

    key: K
    score: float


class Nearest(Generic[K]):
    """Keys with vectors of unit length and `dim` numbers."""

    def __init__(self, dim: int) -> None:
        import numpy as np

        self._vectors = np.zeros((FIRST_ROOM, dim), dtype=np.float32)
        self._keys: list[K] = []
        self._rows: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def put(self, key: K, vector: Any) -> None:
        """Have `key` stand for `vector`, whatever it stood for."""
        row = self._rows.get(key)
        if row is None:
            row = len(self._keys)
            if row == len(self._vectors):
                self._grow()
            self._keys.append(key)
            self._rows[key] = row
        self._vectors[row] = vector

    def vector(self, key: K) -> Any:
        """Return what `key` stands for, `None` where it is not there."""
        row = self._rows.get(key)
        return None if row is None else self._vectors[row].copy()

    def remove(self, key: K) -> None:
        """Take `key` out; one that is not there is no error. The last row takes its place."""
        row = self._rows.pop(key, None)
        if row is None:
            return
        last = self._keys.pop()
        if last != key:
            self._keys[row] = last
            self._rows[last] = row
            self._vectors[row] = self._vectors[len(self._keys)]
        self._vectors[len(self._keys)] = 0

    def near(
        self, vector: Any, least: float, wanted: Callable[[K], bool], most: int = 1
    ) -> list[Near[K]]:
        """Return the `most` nearest that are `wanted`, with a cosine of `least`, best first."""
        import numpy as np

        count = len(self._keys)
        if not count:
            return []
        scores = self._vectors[:count] @ vector
        candidates = np.flatnonzero(scores >= least)
        found = []
        for row in candidates[np.argsort(-scores[candidates], kind="stable")]:
            if wanted(self._keys[row]):
                found.append(Near(self._keys[row], float(scores[row])))
                if len(found) == most:
                    break
        return found

    def _grow(self) -> None:
        import numpy as np

        self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])


def packed(vector: Any) -> bytes:
    """Return a vector as bytes, float16, little-endian: half the size, the cosine to 0.001."""
    return bytes(vector.astype("<f2").tobytes())


def unpacked(data: bytes, dim: int) -> Any:
    """Return what `packed` was given, of unit length; `None` for what is no such vector."""
    import numpy as np

    if len(data) != 2 * dim:
        return None
    vector = np.frombuffer(data, dtype="<f2").astype(np.float32)
    length = float(np.linalg.norm(vector))
    if not 0.9 < length < 1.1:  # not a number, too
        return None
    return vector / length
