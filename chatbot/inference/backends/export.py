"""A model as a file for ONNX Runtime: made once with PyTorch, kept in the cache folder by content.

The rule that it guards: a file is there whole and tried, or not at all. The model's graph was
traced with one batch; before it is kept, it has to give what PyTorch gives for batches of other
shapes.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatbot import settings
from chatbot.errors import OperationError
from chatbot.inference.models import ModelFiles, broken
from chatbot.progress import tell

FORMAT = "1"
"""Changes with what an export holds, so that files of an older program are not taken."""

AGREEMENT = 0.9999
"""The least cosine to PyTorch's vectors; single precision gives 0.999999."""

_OPSET = 17

log = logging.getLogger(__name__)


def path_of(files: ModelFiles, *, int8: bool = False) -> Path:
    """Return where the model's export is, or would be made."""
    kind = "int8" if int8 else "fp32"
    return settings.cache_folder() / "onnx" / f"{files.fingerprint}-{FORMAT}-{kind}.onnx"


def exported(files: ModelFiles, *, int8: bool = False) -> Path:
    """Return the file of the model's export; make it, which takes seconds, if it is not there.

    Raises `OperationError` where it can not be made.
    """
    path = path_of(files, int8=int8)
    if path.exists():
        return path
    from filelock import FileLock

    path.parent.mkdir(exist_ok=True, mode=0o700)
    make = _quantised if int8 else _traced
    with FileLock(path.with_suffix(".lock")):  # another node here may be at it
        if not path.exists():
            _write(path, lambda temporary: make(files, temporary))
    return path


def _write(path: Path, make: Callable[[Path], None]) -> None:
    """Have `make` write a file, and put it in its place when it is whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        make(Path(name))
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _traced(files: ModelFiles, path: Path) -> None:
    from chatbot.inference.backends import pytorch

    try:
        pytorch.import_models()
    except OperationError as error:
        raise OperationError(
            f"the model in {files.folder} was not exported for ONNX Runtime on this machine, "
            "and PyTorch, which makes the export, is not installed",
            hint=f"pip install 'chatbot[nlp]', or bring {path_of(files).name} from a machine "
            f"that has it to {path_of(files).parent}",
        ) from error
    log.info("export %s for ONNX Runtime", files.folder)
    tell("exporting the model for ONNX Runtime (once)")
    model = _with_pooling(pytorch.load_model(files.folder, attn_implementation="eager"), files)
    _export(model, path)
    _try(model, files, path)


def _with_pooling(model: Any, files: ModelFiles) -> Any:
    """Return a module that gives the texts' vectors, so that the words' need not be copied."""
    import torch

    from chatbot.inference.backends.pytorch import pooled

    class Pooled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.model(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state
            return pooled(hidden, attention_mask, files.pooling)

    return Pooled().eval()


def _export(model: Any, path: Path) -> None:
    import torch

    batch = {0: "texts", 1: "tokens"}
    with warnings.catch_warnings(), torch.inference_mode():
        # The exporter says of itself that it is the old one, and warns of each Python `if` that
        # it passes; the newer one needs onnxscript. Whether the graph is right is tried below.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            _batch(3, 7, unknown=1),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": batch, "attention_mask": batch, "vectors": {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _batch(texts: int, tokens: int, *, unknown: int) -> tuple[Any, Any]:
    """Return ids and mask; the last text lacks the last `unknown` tokens.

    The ids are the first few, which each vocabulary has.
    """
    import torch

    ids = torch.arange(texts * tokens).reshape(texts, tokens) % 16
    mask = torch.ones(texts, tokens, dtype=torch.long)
    if unknown:
        mask[-1, -unknown:] = 0
    return ids, mask


def _try(model: Any, files: ModelFiles, path: Path) -> None:
    """Raise `OperationError` if the file does not give what `model` gives."""
    import torch

    from chatbot.inference.backends.onnx_runtime import session

    run = session(path)
    for texts, tokens, unknown in ((1, 1, 0), (1, 3, 0), (5, files.max_tokens, 0), (4, 9, 5)):
        ids, mask = _batch(texts, tokens, unknown=unknown)
        with torch.inference_mode():
            wanted = model(ids, mask).numpy()
        [found] = run.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        least = float((wanted * found).sum(axis=1).min())
        if not least >= AGREEMENT:
            raise OperationError(
                f"the model in {files.folder} cannot be exported for ONNX Runtime: "
                f"it gives other vectors there (cosine {least:.4f})",
                hint="choose the back end 'torch'",
            )


def _quantised(files: ModelFiles, path: Path) -> None:
    source = exported(files)
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise OperationError(
            f"eight-bit weights are made with the packages onnx and onnxruntime ({error})",
            hint="pip install 'chatbot[onnx]'",
        ) from error
    log.info("quantise %s", files.folder)
    tell("making eight-bit weights of the model (once)")
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)  # it advises, on the root logger, a step that changes nothing
    try:
        # By channel: the mean cosine to the exact vectors is .990, else .948, at the same rate.
        quantize_dynamic(source, path, weight_type=QuantType.QInt8, per_channel=True)
    except Exception as error:  # of any class; what the graph has may be beyond it
        raise broken(files.folder, f"it cannot be quantised: {error}") from error
    finally:
        root.setLevel(before)
