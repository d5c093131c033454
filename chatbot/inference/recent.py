"""What was found for the texts of the last minute, so that a text said again costs nothing.

The rule that it guards: bounded in entries and in age; a text itself is not kept, only its
digest.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Generic, TypeVar

V = TypeVar("V")

ENTRIES = 4096
SECONDS = 60.0


class Recent(Generic[V]):
    """Values by text: at most `entries`, none older than `seconds`. Threads may share one."""

    def __init__(
        self,
        entries: int = ENTRIES,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries = entries
        self._seconds = seconds
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, V]] = OrderedDict()
        self._one = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, texts: Sequence[str]) -> list[V | None]:
        """Return what is known of each text."""
        keys = [_key(text) for text in texts]
        with self._one:
            self._forget()
            found = [self._known.get(key) for key in keys]
        return [None if each is None else each[1] for each in found]

    def put(self, found: Iterable[tuple[str, V]]) -> None:
        """Keep what was found for texts; the oldest goes when there is no room."""
        keyed = [(_key(text), value) for text, value in found]
        now = self._clock()
        with self._one:
            for key, value in keyed:
                self._known.pop(key, None)
                self._known[key] = (now, value)
            self._forget()

    def _forget(self) -> None:
        oldest = self._clock() - self._seconds
        while self._known:
            key, (when, _) = next(iter(self._known.items()))
            if when >= oldest and len(self._known) <= self._entries:
                return
            del self._known[key]


def _key(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
