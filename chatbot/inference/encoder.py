"""Texts to vectors with a transformer.

The rule that it guards: a vector of an exact back end depends on its text alone, not on what
else was in the batch (up to rounding), so that batching is invisible.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.inference import backends, models, threads
from chatbot.inference.backends import AUTO, Backend
from chatbot.inference.features import PARTS, last
from chatbot.inference.merging import Merging
from chatbot.inference.models import DEFAULT, ModelFiles
from chatbot.inference.sharing import Sharing
from chatbot.inference.tokens import Tokens
from chatbot.messages import digest
from chatbot.progress import tell
from chatbot.urgency import is_bulk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

__all__ = ["DEFAULT", "Encoder", "Vectors"]


class Encoder:
    """A transformer whose pooled layers stand for a text.

    `dim` is the length of a sentence's vector; `identity` changes with the model's files and with
    a back end that is not exact, and with nothing else: it is the same on another machine.
    `backend` is the back end's name, `folder` where the files are. Threads may share one: what
    they ask for at the same time runs in common batches, what is not `chatbot.urgency.bulk` first.
    """

    def __init__(self, files: ModelFiles, tokens: Tokens, backend: Backend) -> None:
        self._tokens = tokens
        self._backend = backend
        self._padding = files.padding
        self._threads = threads.own.threads
        self._merging = Merging(
            self._run, backend.batch_tokens, backend.width, overhead=backend.overhead
        )
        self._sharing: Sharing[Any] = Sharing()
        self.backend = backend.name
        self.folder = files.folder
        self.dim = files.dim
        exact = backends.is_exact(backend.name)
        self.identity = files.fingerprint if exact else digest(files.fingerprint, backend.name)

    @classmethod
    def load(
        cls, name_or_path: str = DEFAULT, *, backend: str = AUTO, shared: bool = True
    ) -> Encoder:
        """Load a model of `transformers` from a folder or, by name, from the hub or its cache.

        `all-MiniLM-L6-v2` is taken from its package where that is installed. Code that comes
        with a model is never run. `backend` is one of `backends.NAMES`. Takes a second, or some
        more where an export has to be made first; but who asks again for one of the last four
        gets the same object, unless its files have changed or it is not to be `shared`. Raises
        `OperationError`.
        """
        folder = models.find(name_or_path)
        with _loading:
            files = models.described(folder)
            load = _load if shared else _load.__wrapped__
            return load(files, backends.chosen(backend), models.seen(folder))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return sentence vectors, float32 of shape (len(texts), dim), each of unit length.

        They are the pooled last layer: what is alike in them means the same. Else as `features`.
        """
        import numpy as np

        return np.ascontiguousarray(last(self.features(texts)))

    def features(self, texts: Sequence[str]) -> Vectors:
        """Return what heads learn from: float32 of shape (len(texts), 3 dim), of unit length.

        What they are made of, `chatbot.inference.features` says.

        Texts are cut at 256 tokens. One that was encoded within the last minute, or is being
        encoded for another thread, is not run again. Blocks while the model runs.
        """
        import numpy as np

        bulk = is_bulk()

        def made(missing: list[str]) -> list[Any]:
            return self._merging.run(self._tokens.rows(missing), bulk=bulk)

        known = self._sharing.find(texts, made, bulk=bulk)
        vectors = np.empty((len(texts), PARTS * self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = known[text]
        return vectors

    def _run(self, rows: list[list[int]]) -> Vectors:
        """Return the vectors of a batch; in as many threads at a time as the back end takes."""
        import numpy as np

        if self._threads != threads.own.threads:
            self._threads = threads.own.threads
            self._backend.use_threads(self._threads)
            self._merging.limit = self._backend.batch_tokens
            self._merging.width = self._backend.width
        width = max(map(len, rows))
        ids = np.full((len(rows), width), self._padding, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        return self._backend.run(ids, mask)


_loading = threading.Lock()


@functools.lru_cache(maxsize=4)
def _load(files: ModelFiles, backend: str, _seen: str) -> Encoder:
    tell(f"loading the model {_shown(files.folder)} ({backend})")
    threads.own.join()
    return Encoder(files, Tokens.load(files), backends.load(backend, files, threads.own.threads))


def _shown(folder: Path) -> str:
    return DEFAULT if folder == models.find(DEFAULT) else folder.name
