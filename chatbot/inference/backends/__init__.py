"""What a model is run with: back ends behind one interface, by name.

The rule that it guards: what is chosen unasked is exact, that is, gives what PyTorch gives in
single precision, up to rounding. What is faster and not exact is a setting.

| name | what | exact |
|---|---|---|
| `auto` | `onnx` where ONNX Runtime is installed, else `torch` | yes |
| `torch` | PyTorch in single precision | yes |
| `torch-bf16` | PyTorch with bfloat16, for processors that have it | no |
| `onnx` | ONNX Runtime in single precision | yes |
| `onnx-int8` | ONNX Runtime with eight-bit weights | no |
| `cuda` | PyTorch on a GPU in single precision | yes |
| `cuda-bf16`, `cuda-fp16` | PyTorch on a GPU with half precision | no |
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from chatbot.errors import OperationError
from chatbot.inference.models import ModelFiles

if TYPE_CHECKING:
    from chatbot.inference.encoder import Vectors

AUTO = "auto"
TORCH = "torch"
EXACT = (TORCH, "onnx", "cuda")
FAST = ("torch-bf16", "onnx-int8", "cuda-bf16", "cuda-fp16")
NAMES = (AUTO, *EXACT, *FAST)

log = logging.getLogger(__name__)


class Backend(Protocol):
    """A model that was loaded. Used by at most `width` threads at a time."""

    name: str

    @property
    def batch_tokens(self) -> int:
        """How many tokens, with padding, a batch has at best; changes with the threads."""

    @property
    def overhead(self) -> int:
        """What a batch costs by itself, in the tokens that would take as long."""

    @property
    def width(self) -> int:
        """How many batches may run at once; changes with the threads."""

    def run(self, ids: Any, mask: Any) -> Vectors:
        """Return a vector of unit length for each row of `ids`.

        `ids` and `mask` (1 for a token, 0 for padding) are int64 of shape (texts, tokens); the
        vectors are float32 of shape (texts, 3 dim): features, as `chatbot.inference.features` says.
        """

    def use_threads(self, count: int) -> None:
        """Run on so many cores from now on. May take a moment."""


def check_name(name: str) -> Iterator[tuple[str, str]]:
    """Yield (message, hint) for what is wrong with a back end's name."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(NAMES)}"
        yield f"there is no back end {name!r}", hint


def is_exact(name: str) -> bool:
    """Whether a back end gives what PyTorch gives in single precision, up to rounding."""
    return name in EXACT


def chosen(name: str) -> str:
    """Return the back end that `name` stands for here; raises `OperationError` for none."""
    for message, hint in check_name(name):
        raise OperationError(message, hint=hint)
    if name != AUTO:
        return name
    return "onnx" if _has("onnxruntime") else TORCH


def missing(name: str) -> str:
    """Return why a back end cannot be had on this machine, "" if it can. May import torch."""
    if name.startswith("onnx"):
        return "" if _has("onnxruntime") else "ONNX Runtime is not installed: chatbot[onnx]"
    if not _has_models():
        return "PyTorch is not installed: chatbot[nlp]"
    if name == TORCH:
        return ""
    from chatbot.inference.backends import pytorch

    return pytorch.missing(name)


def load(name: str, files: ModelFiles, threads: int) -> Backend:
    """Load the model with the back end so named; takes seconds. Raises `OperationError`."""
    log.debug("load %s with %s", files.folder, name)
    if name.startswith("onnx"):
        from chatbot.inference.backends.onnx_runtime import OnnxBackend

        return OnnxBackend.load(name, files, threads)
    from chatbot.inference.backends.pytorch import TorchBackend

    return TorchBackend.load(name, files, threads)


def _has_models() -> bool:
    return _has("torch") and _has("transformers")


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
