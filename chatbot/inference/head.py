"""What was learned from labelled examples, for one encoder: a record, its bytes, its file.

The rule that it guards: a head comes whole and fitting or not at all, and nothing in its bytes
is ever run.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError

if TYPE_CHECKING:
    from chatbot.inference.encoder import Vectors

FORMAT = "chatbot head 2"

_ARRAYS = ("weights", "bias", "examples", "owners")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """What was learned from examples; made for one encoder.

    `weights` (labels x dim) and `bias` (labels) are the regression; `examples` (examples x
    dim, unit length) and `owners` (examples: the number of the label) are what it learned from.
    `revision` changes with the examples, the encoder and the settings of the training.
    """

    labels: tuple[str, ...]
    weights: Any
    bias: Any
    examples: Any
    owners: Any
    revision: str = ""

    def probabilities(self, vectors: Vectors) -> Any:
        """Return an array of shape (len(vectors), labels); each row adds up to 1."""
        import numpy as np

        logits = vectors @ self.weights.T + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return odds / odds.sum(axis=1, keepdims=True)

    def dumps(self) -> bytes:
        """Return the head as bytes that `loads` takes, on any machine."""
        from safetensors.numpy import save

        metadata = {"format": FORMAT, "labels": json.dumps(self.labels), "revision": self.revision}
        data: bytes = save({name: getattr(self, name) for name in _ARRAYS}, metadata=metadata)
        return data

    @classmethod
    def loads(cls, data: bytes) -> Head:
        """Return the head that `dumps` made bytes of; raises `OperationError` for others."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            metadata = _metadata(data)
            if metadata.get("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            labels = tuple(json.loads(metadata["labels"]))
            return _checked(cls(labels, **load(data), revision=metadata["revision"]))
        except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
            raise OperationError(f"the head cannot be read: {error}") from error


def load_head(path: Path) -> Head | None:
    """Return the head in the file, `None` if there is none or it cannot be used."""
    try:
        return Head.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, OperationError) as error:
        log.warning("ignore the head in %s: %s", path, error)
        return None


def save_head(head: Head, path: Path) -> None:
    """Write the head so that a reader sees all of it or nothing; warn where that fails."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            temporary = Path(file.name)
            file.write(head.dumps())
        os.replace(temporary, path)
    except OSError as error:
        log.warning("keep no head in %s: %s", path.parent, error)
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _metadata(data: bytes) -> dict[str, str]:
    """Return what `save` was given as metadata: its reader of bytes leaves it out."""
    size = int.from_bytes(data[:8], "little")
    if not 0 < size <= len(data) - 8:
        raise ValueError("it has no header")
    metadata: dict[str, str] = json.loads(data[8 : 8 + size])["__metadata__"]
    return metadata


def _checked(head: Head) -> Head:
    """Return the head; raises `ValueError` if its parts do not fit each other."""
    labels, dim = head.weights.shape
    fits = (
        len(head.labels) == labels >= 2
        and head.bias.shape == (labels,)
        and head.examples.shape[1:] == (dim,)
        and head.owners.shape == head.examples.shape[:1]
        and len(head.owners) >= labels
    )
    if not fits:
        raise ValueError("its parts do not fit each other")
    return head
