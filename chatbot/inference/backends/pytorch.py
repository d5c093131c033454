"""PyTorch: on the processor or a GPU, in single or half precision."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.inference.batching import OVERHEAD
from chatbot.inference.features import LAST, MIDDLE, PEAKS
from chatbot.inference.models import ModelFiles, broken

if TYPE_CHECKING:
    from chatbot.inference.encoder import Vectors

BATCH_TOKENS = 512
"""On two cores, 32 lines of chat ran at 338 texts/s with this, at 170 with 2,048: beyond a few
hundred tokens a larger batch only means more padding."""

GPU_BATCH_TOKENS = 16_384
GPU_OVERHEAD = 4096

_importing = threading.Lock()  # `transformers` breaks when two threads are the first to import it


class TorchBackend:
    """A model of `transformers` in PyTorch. Made by `load`."""

    def __init__(self, name: str, model: Any, pooling: str, threads: int) -> None:
        self._threads = threads
        self.name = name
        self._model = model
        self._pooling = pooling
        self._device = "cuda" if name.startswith("cuda") else "cpu"

    @property
    def batch_tokens(self) -> int:
        return GPU_BATCH_TOKENS if self._device == "cuda" else BATCH_TOKENS

    @property
    def overhead(self) -> int:
        return GPU_OVERHEAD if self._device == "cuda" else OVERHEAD

    @property
    def width(self) -> int:
        return 1

    @classmethod
    def load(cls, name: str, files: ModelFiles, threads: int) -> TorchBackend:
        """Load the model; raises `OperationError` where this machine cannot run it so."""
        import_models()
        if why := missing(name):
            raise OperationError(f"the back end {name!r} cannot be used: {why}")
        model = load_model(files.folder, _precision(name))
        use_threads(threads)
        if name.startswith("cuda"):
            model = _on_gpu(model, files)
        return cls(name, model, files.pooling, threads)

    def use_threads(self, count: int) -> None:
        self._threads = count

    def run(self, ids: Any, mask: Any) -> Vectors:
        """Return the vectors; a batch for which the GPU's memory is too small, in halves."""
        import numpy as np
        import torch

        use_threads(self._threads)
        try:
            return self._run(ids, mask)
        except torch.cuda.OutOfMemoryError as error:
            if len(ids) == 1:
                raise _full("run a text") from error
        # Out here, where the error no longer holds the tensors of the batch.
        torch.cuda.empty_cache()
        half = len(ids) // 2
        return np.concatenate(
            [self.run(ids[:half], mask[:half]), self.run(ids[half:], mask[half:])]
        )

    def _run(self, ids: Any, mask: Any) -> Vectors:
        import torch

        with torch.inference_mode():
            known = torch.from_numpy(mask).to(self._device)
            tokens = torch.from_numpy(ids).to(self._device)
            found = self._model(input_ids=tokens, attention_mask=known, output_hidden_states=True)
            vectors: Vectors = of_layers(found, known, self._pooling).cpu().numpy()
            return vectors


def use_threads(count: int) -> None:
    """Have what this thread runs use so many cores: torch knows the number for each thread."""
    import torch

    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def of_layers(found: Any, mask: Any, pooling: str) -> Any:
    """Return a vector of unit length for each text, as `Backend.run` has them, in float32.

    `found` is what the model gives with all its layers. The middle layers know more of the words,
    the last one more of what they mean (Jawahar and others, "What does BERT learn about the
    structure of language?", 2019); the highest of all tokens, what a mean over many leaves no trace
    of (Shen and others, "Baseline needs more love", 2018).
    """
    import torch

    last = pooled(found.last_hidden_state, mask, pooling)
    layers = found.hidden_states[(len(found.hidden_states) - 1) // 2 : -1]
    middle = torch.stack([pooled(each, mask, pooling) for each in layers]).sum(dim=0)
    hidden = found.last_hidden_state.float()
    peaks = hidden.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)
    middle, peaks = (torch.nn.functional.normalize(each, dim=1) for each in (middle, peaks))
    return torch.cat([last * LAST**0.5, middle * MIDDLE**0.5, peaks * PEAKS**0.5], dim=1)


def pooled(hidden: Any, mask: Any, pooling: str) -> Any:
    """Return a vector of unit length for each text, from those of its tokens, in float32.

    The tokens' have the shape (texts, tokens, dim), the mask (texts, tokens).
    """
    import torch

    hidden = hidden.float()
    if pooling == "cls":
        vectors = hidden[:, 0]
    else:
        known = mask.unsqueeze(-1).to(hidden.dtype)
        vectors = (hidden * known).sum(dim=1) / known.sum(dim=1)
    return torch.nn.functional.normalize(vectors, dim=1)


def load_model(folder: Path, precision: str = "float32", **more: Any) -> Any:
    """Return the transformer in a folder, ready to be run. Code that lies there is never run."""
    transformers = import_models()
    try:
        model = transformers.AutoModel.from_pretrained(
            str(folder), trust_remote_code=False, dtype=precision, **more
        )
    except (OSError, ValueError, KeyError, RuntimeError, _safetensors_error()) as error:
        raise broken(folder, error) from error
    return model.eval()


def missing(name: str) -> str:
    """Return what this machine lacks for a back end of PyTorch, "" if nothing."""
    import torch

    if name.startswith("cuda"):
        if not torch.backends.cuda.is_built():
            return f"PyTorch {torch.__version__} was built without CUDA: pytorch.org has others"
        if not torch.cuda.is_available():
            return "PyTorch finds no GPU here; does `nvidia-smi` show one?"
        if name == "cuda-bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
            return "the GPU has no bfloat16"
    elif name == "torch-bf16" and not _has_bf16(torch):
        return "the processor has no bfloat16"
    return ""


def _has_bf16(torch: Any) -> bool:
    """Whether the processor has it, and PyTorch the library that makes use of it."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except AttributeError:  # built without oneDNN, as for macOS
        return False


def _on_gpu(model: Any, files: ModelFiles) -> Any:
    import torch

    try:
        return model.to("cuda")
    except torch.cuda.OutOfMemoryError as error:
        raise _full(f"load the model in {files.folder}") from error


def _full(what: str) -> OperationError:
    return OperationError(
        f"the GPU has not enough memory left to {what}",
        hint="`nvidia-smi` shows what else uses it; or choose another back end",
    )


def import_models() -> Any:
    """Import torch and `transformers`, quietly; return the latter.

    Threads of torch that have nothing to do must sleep, not spin: where two processes share two
    cores, spinning makes each eight times slower. OpenMP reads this when it is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with _importing:
        try:
            import torch  # noqa: F401
            import transformers
        except ImportError as error:
            raise OperationError(
                f"models of transformers need the extra 'nlp', which is not installed ({error})",
                hint="pip install 'chatbot[nlp]'",
            ) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _precision(name: str) -> str:
    return {"bf16": "bfloat16", "fp16": "float16"}.get(name.rpartition("-")[2], "float32")


def _safetensors_error() -> type[Exception]:
    from safetensors import SafetensorError

    error: type[Exception] = SafetensorError
    return error
