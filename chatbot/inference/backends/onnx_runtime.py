"""ONNX Runtime on the processor, in single precision or with eight-bit weights.

Neither torch nor `transformers` is imported where the model has an export, beside it or in the
cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.inference import hugepages
from chatbot.inference.backends.export import opened
from chatbot.inference.models import ModelFiles, broken

if TYPE_CHECKING:
    from chatbot.inference.encoder import Vectors

TOKENS = 256
"""Of a batch. Processor time a token is the same from 128 to 512 tokens; smaller batches leave
less for the last thread to do alone."""

OVERHEAD = 16
"""With this, of lines of chat, 256 sorted together, one token in 75 is padding."""

_SLOW = ["SkipLayerNormFusion"]
"""Fusions to leave out. A sum and a norm in one operator take four times as long as the two one
after the other: a quarter of the time of eight-bit weights."""


class OnnxBackend:
    """A model's export in ONNX Runtime. Made by `load`.

    Each batch runs on one thread, and as many batches at once as there are threads. Two threads
    on one batch wait for each other at each of its products: on two cores that gave 440 texts/s
    instead of 519, with eight-bit weights 870 instead of 1,390; a lone text took as long.
    """

    def __init__(self, name: str, path: Path, session: Any, threads: int) -> None:
        self.name = name
        self._path = path
        self._session = session
        self._threads = threads

    @property
    def batch_tokens(self) -> int:
        return TOKENS

    @property
    def overhead(self) -> int:
        return OVERHEAD

    @property
    def width(self) -> int:
        return self._threads

    @classmethod
    def load(cls, name: str, files: ModelFiles, threads: int) -> OnnxBackend:
        """Load the model's export, which is made first if there is none."""
        _runtime()  # without it there is no need to export
        path, loaded = opened(files, int8=name.endswith("int8"))
        hugepages.collapse()
        return cls(name, path, loaded, threads)

    def use_threads(self, count: int) -> None:
        self._threads = count

    def run(self, ids: Any, mask: Any) -> Vectors:
        vectors: Vectors
        [vectors] = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return vectors


def session(path: Path) -> Any:
    """Return what runs the graph in a file, in whatever thread asks it to.

    Raises `OperationError` if it cannot be loaded.
    """
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(
            str(path),
            sess_options=options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=_SLOW,
        )
    except Exception as error:  # its classes are many, and have no root but this
        raise broken(path, error) from error


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise OperationError(
            f"this back end needs the extra 'onnx', which is not installed ({error})",
            hint="pip install 'chatbot[onnx]'",
        ) from error
    return onnxruntime
