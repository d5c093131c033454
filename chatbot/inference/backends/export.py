"""A model as a file for ONNX Runtime: made once with PyTorch, for it or for all who get the model.

| file | made by | holds |
|---|---|---|
| `vectors.onnx`, beside the model | training; travels with the model | the graph |
| in the cache folder, by content | a node that finds none there | graph and weights |

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
from chatbot.inference.backends import graph
from chatbot.inference.models import ModelFiles, broken
from chatbot.progress import tell

FORMAT = "3"
"""Changes with what an export holds, so that files of an older program are not taken."""

_OPSET = 17

log = logging.getLogger(__name__)


def path_of(files: ModelFiles, *, int8: bool = False) -> Path:
    """Return where the model's export is in the cache, or would be made."""
    kind = "int8" if int8 else "fp32"
    return settings.cache_folder() / "onnx" / f"{files.fingerprint}-{FORMAT}-{kind}.onnx"


def accompany(files: ModelFiles) -> Path:
    """Make the export that travels with the model, beside it. Takes seconds.

    Raises `OperationError` where it can not be made: it takes PyTorch, onnx and ONNX Runtime.
    """
    path = graph.beside(files)
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise OperationError(
            f"an export is made with the packages onnx and onnxruntime ({error})",
            hint="pip install 'chatbot[onnx]'",
        ) from error
    _write(path, lambda temporary: _slim(files, temporary))
    return path


def opened(files: ModelFiles, *, int8: bool = False) -> tuple[Path, Any]:
    """Return an export of the model, and what runs it; make it, which takes seconds, if need be.

    One that came with the model is taken if it fits. Raises `OperationError` where there is none
    and it can not be made.
    """
    from chatbot.inference.backends.onnx_runtime import session

    if not int8 and (came := _came(files)):
        return came
    path = exported(files, int8=int8)
    try:
        return path, session(path)
    except OperationError:
        log.warning("export %s anew: %s cannot be loaded", files.folder, path)
        path.unlink(missing_ok=True)
        path = exported(files, int8=int8)
        return path, session(path)


def exported(files: ModelFiles, *, int8: bool = False) -> Path:
    """Return the export in the cache; make it, which takes seconds, if it is not there.

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


def _came(files: ModelFiles) -> tuple[Path, Any] | None:
    """Return the export that came with the model, and what runs it; `None` where none fits."""
    from chatbot.inference.backends.onnx_runtime import session

    path = graph.beside(files)
    if not path.is_file():
        return None
    try:
        found = session(path)
        graph.check(found, files)
    except OperationError as error:
        log.warning("export %s anew: %s", files.folder, error.message)
        return None
    return path, found


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
    """Write an export that is whole."""
    model = _loaded(files)
    log.info("export %s for ONNX Runtime", files.folder)
    tell("exporting the model for ONNX Runtime (once)")
    _export(model, path)
    _try(model, files, path)


def _slim(files: ModelFiles, path: Path) -> None:
    """Write an export that refers to the weights, into the folder where these are."""
    model = _loaded(files)
    with tempfile.TemporaryDirectory(prefix="chatbot-export-") as folder:
        whole = Path(folder) / "whole.onnx"
        _export(model, whole)
        path.write_bytes(graph.slim(whole, files, _vectors(model, *graph.probe())))
    _try(model, files, path)


def _loaded(files: ModelFiles) -> Any:
    """Return the model in PyTorch, with its pooling."""
    from chatbot.inference.backends import pytorch

    try:
        pytorch.import_models()
    except OperationError as error:
        raise OperationError(
            f"the model in {files.folder} {_lacks(files)}, "
            "and PyTorch, which makes the export, is not installed",
            hint="pip install 'chatbot[nlp]'; or `chatbot model push NAME FOLDER` on a machine "
            "that has it, and `encoder: nats:NAME` here; or bring "
            f"{path_of(files).name} from its cache to {path_of(files).parent}",
        ) from error
    return _with_pooling(pytorch.load_model(files.folder, attn_implementation="eager"), files)


def _lacks(files: ModelFiles) -> str:
    if graph.beside(files).is_file():
        return f"has an export, {graph.NAME}, which does not fit (the log says why)"
    return "was not exported for ONNX Runtime on this machine"


def _with_pooling(model: Any, files: ModelFiles) -> Any:
    """Return a module that gives the texts' vectors, so that the words' need not be copied."""
    import torch

    from chatbot.inference.backends.pytorch import of_layers

    class Pooled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            found = self.model(
                input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
            )
            return of_layers(found, attention_mask, files.pooling)

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
            tuple(map(torch.from_numpy, graph.sample(3, 7, unknown=1))),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": batch, "attention_mask": batch, "vectors": {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _vectors(model: Any, ids: Any, mask: Any) -> Any:
    """Return PyTorch's vectors."""
    import torch

    with torch.inference_mode():
        return model(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()


def _try(model: Any, files: ModelFiles, path: Path) -> None:
    """Raise `OperationError` if the file does not give what `model` gives."""
    from chatbot.inference.backends.onnx_runtime import session

    run = session(path)
    for texts, tokens, unknown in ((1, 1, 0), (1, 3, 0), (5, files.max_tokens, 0), (4, 9, 5)):
        ids, mask = graph.sample(texts, tokens, unknown=unknown)
        [found] = run.run(None, {"input_ids": ids, "attention_mask": mask})
        least = graph.cosine(_vectors(model, ids, mask), found)
        if not least >= graph.AGREEMENT:
            raise OperationError(
                f"the model in {files.folder} cannot be exported for ONNX Runtime: "
                f"it gives other vectors there (cosine {least:.4f})",
                hint="choose the back end 'torch'",
            )


def _quantised(files: ModelFiles, path: Path) -> None:
    came = _came(files)
    source = graph.inlined(came[0]) if came else exported(files)
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
