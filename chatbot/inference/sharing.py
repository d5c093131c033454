"""What is found for a text, found once: operations of one process often ask for the same ones.

The rule that it guards: who waits for another's run never waits for more than that, and nobody
who is urgent waits for bulk work. Knows no model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from chatbot.inference.recent import Recent

V = TypeVar("V")

Make = Callable[[list[str]], Iterable[V]]


class Sharing(Generic[V]):
    """Values by text: those of the last minute, and those that a thread is just making."""

    def __init__(self) -> None:
        self._recent: Recent[V] = Recent()
        self._one = threading.Lock()
        self._making: dict[tuple[bool, str], Future[dict[str, V]]] = {}

    def find(self, texts: Sequence[str], make: Make[V], *, bulk: bool = False) -> dict[str, V]:
        """Return a value for each text; `make` is called with those that nobody has or makes.

        Blocks for what others make; what `bulk` work makes is waited for by bulk work alone.
        Raises what `make` raises; what it raised for another is tried once more here.
        """
        known = zip(texts, self._recent.get(texts), strict=True)
        found = {text: value for text, value in known if value is not None}
        missing = dict.fromkeys(text for text in texts if text not in found)
        if not missing:
            return found
        own, others = self._claim(missing, bulk=bulk)
        if own:
            found |= self._made(own, make, bulk)
        for text, future in others.items():
            if future.exception() is None:
                found[text] = future.result()[text]
        left = [text for text in missing if text not in found]
        return found | dict(zip(left, make(left), strict=True)) if left else found

    def _claim(
        self, missing: Iterable[str], *, bulk: bool
    ) -> tuple[list[str], dict[str, Future[dict[str, V]]]]:
        """Return what is ours to make, and what others are making."""
        own: list[str] = []
        others: dict[str, Future[dict[str, V]]] = {}
        coming: Future[dict[str, V]] = Future()
        with self._one:
            for text in missing:
                future = self._making.get((False, text))
                if future is None and bulk:
                    future = self._making.get((True, text))
                if future is None:
                    own.append(text)
                    self._making[bulk, text] = coming
                else:
                    others[text] = future
        return own, others

    def _made(self, texts: list[str], make: Make[V], bulk: bool) -> dict[str, V]:
        """Make the values of `texts`, and tell who waits for them."""
        coming = self._making[bulk, texts[0]]
        try:
            found = dict(zip(texts, make(texts), strict=True))
        except BaseException as error:
            self._release(texts, bulk)
            coming.set_exception(error)
            raise
        self._recent.put(found.items())
        self._release(texts, bulk)
        coming.set_result(found)
        return found

    def _release(self, texts: list[str], bulk: bool) -> None:
        with self._one:
            for text in texts:
                del self._making[bulk, text]
