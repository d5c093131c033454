"""A model's graph for ONNX Runtime in a small file beside the weights, to which it refers.

    model.safetensors   the weights, where `transformers` and ONNX Runtime both read them
    vectors.onnx        what is done with them

So an export travels with its model, on disks and in the object store, and a hundredth of the
model's size is all that it adds. The rule that it guards: a graph is run with the very files that
it was made from, and only while it gives what PyTorch gave when it was made.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.inference.models import ModelFiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "vectors.onnx"

FORMAT = "3"
"""Changes with what a graph's file holds, so that those of another version are not taken."""

AGREEMENT = 0.9999
"""The least cosine to PyTorch's vectors; single precision gives 0.999999."""

_FORMAT, _MODEL, _VECTORS = "chatbot.format", "chatbot.model", "chatbot.vectors"
"""In the file: its format, the fingerprint of what it was made from, PyTorch's vectors of
`sample`."""

_LEAST = 1024
"""Bytes of a tensor that is worth a reference."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the bytes of a tensor are, and whether they are those of its transpose."""

    file: str
    offset: int
    length: int
    transposed: bool


def beside(files: ModelFiles) -> Path:
    """Return where the graph of a model is, if it has one."""
    return files.folder / NAME


def sample(texts: int, tokens: int, *, unknown: int) -> tuple[Any, Any]:
    """Return ids and mask, int64 of shape (texts, tokens); the last text lacks `unknown` tokens.

    The ids are the first few, which each vocabulary has.
    """
    import numpy as np

    ids = np.arange(texts * tokens, dtype=np.int64).reshape(texts, tokens) % 16
    mask = np.ones((texts, tokens), dtype=np.int64)
    if unknown:
        mask[-1, -unknown:] = 0
    return ids, mask


def probe() -> tuple[Any, Any]:
    """Return the sample whose vectors a graph's file holds."""
    return sample(4, 9, unknown=5)


def slim(whole: Path, files: ModelFiles, vectors: NDArray[np.float32]) -> bytes:
    """Return a file for `beside` of what is `whole`; `vectors` are PyTorch's of the probe.

    What the weights' files hold in single precision is referred to there, as it is or transposed,
    which ONNX Runtime undoes when it loads; all else stays in the graph.
    """
    import onnx

    model = onnx.load(str(whole))
    known = dict(_known(files.folder))
    for tensor in list(model.graph.initializer):
        if place := known.get(_key(onnx.numpy_helper.to_array(tensor))):
            _refer(model.graph, tensor, place)
    told = {
        _FORMAT: FORMAT,
        _MODEL: files.fingerprint,
        _VECTORS: base64.b64encode(vectors.tobytes()).decode(),
    }
    for key, value in told.items():
        model.metadata_props.add(key=key, value=value)
    content: bytes = model.SerializeToString()
    return content


def check(session: Any, files: ModelFiles) -> None:
    """Raise `OperationError` unless what runs a graph is one for these files, and right."""
    import numpy as np

    told = session.get_modelmeta().custom_metadata_map
    if told.get(_FORMAT) != FORMAT:
        raise OperationError(f"{beside(files)} is of another version of the program")
    if told.get(_MODEL) != files.fingerprint:
        raise OperationError(f"{beside(files)} was made from another model")
    try:
        wanted = np.frombuffer(base64.b64decode(told.get(_VECTORS, "")), dtype=np.float32)
        ids, mask = probe()
        [found] = session.run(None, {"input_ids": ids, "attention_mask": mask})
        least = cosine(wanted.reshape(found.shape), found)
    except Exception as error:  # ONNX Runtime's classes are many, and have no root but this
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OperationError(f"{beside(files)} is damaged: {first}") from error
    if not least >= AGREEMENT:
        raise OperationError(
            f"{beside(files)} gives other vectors here than PyTorch did (cosine {least:.4f})"
        )


def cosine(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Return the least cosine of rows of unit length; not a number where one has none."""
    return float((wanted * found).sum(axis=1).min())


def inlined(path: Path) -> Any:
    """Return the model of a graph's file, with the weights in it and as they are used."""
    import onnx

    model = onnx.load(str(path))
    tensors = {each.name: each for each in model.graph.initializer}
    for node in [each for each in model.graph.node if each.op_type == "Transpose"]:
        tensor = tensors.get(_turned(node.output[0]))
        if tensor is not None:
            turned = onnx.numpy_helper.to_array(tensor).T.copy()
            tensor.CopyFrom(onnx.numpy_helper.from_array(turned, node.output[0]))
            model.graph.node.remove(node)
    return model


def _known(folder: Path) -> Iterator[tuple[str, _Place]]:
    """Yield what is in the folder's weights' files, by its content and by that of its transpose."""
    import numpy as np

    for path in sorted(folder.glob("*.safetensors")):
        start, header = _header(path)
        data = np.memmap(path, dtype=np.uint8, mode="r")
        for name, told in header.items():
            if name == "__metadata__" or told["dtype"] != "F32":
                continue
            first, end = (start + each for each in told["data_offsets"])
            if end - first < _LEAST or len(told["shape"]) > 2:
                continue
            tensor = data[first:end].view(np.float32).reshape(told["shape"])
            if tensor.ndim == 2:
                yield _key(tensor.T), _Place(path.name, first, end - first, transposed=True)
            yield _key(tensor), _Place(path.name, first, end - first, transposed=False)


def _header(path: Path) -> tuple[int, dict[str, Any]]:
    """Return where a file's tensors begin, and what they are.

    The format: eight bytes with the length of the JSON that follows, little end first; then the
    tensors, row by row (https://github.com/huggingface/safetensors#format).
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return 8 + length, json.loads(file.read(length))


def _key(tensor: Any) -> str:
    import numpy as np

    found = hashlib.sha256(np.ascontiguousarray(tensor).data)
    return f"{tensor.dtype} {tensor.shape} {found.hexdigest()}"


def _refer(graph: Any, tensor: Any, place: _Place) -> None:
    """Replace the content of a graph's tensor by a reference."""
    from onnx import TensorProto, helper

    assert math.prod(tensor.dims) * 4 == place.length
    shape, name = list(tensor.dims), tensor.name
    if place.transposed:
        node = helper.make_node("Transpose", [_turned(name)], [name], perm=[1, 0])
        graph.node.insert(0, node)
        shape, name = shape[::-1], _turned(name)
    tensor.Clear()
    tensor.name, tensor.data_type = name, TensorProto.FLOAT
    tensor.dims.extend(shape)
    tensor.data_location = TensorProto.EXTERNAL
    told = {"location": place.file, "offset": place.offset, "length": place.length}
    for key, value in told.items():
        tensor.external_data.add(key=key, value=str(value))


def _turned(name: str) -> str:
    """Return the name of a tensor of which the one so named is the transpose."""
    return f"{name}.T"
