"""Where models come from: a folder, the hub, NATS's object store; in MLflow's format, too.

| name | model |
|---|---|
| `./folder`, `/folder` | that folder |
| `OWNER/NAME`, `NAME` | of the hub, or its cache |
| `nats:NAME` | pushed with `chatbot model push NAME FOLDER`; kept here under its digest |

A folder with a file `MLmodel` is one of MLflow's, of the flavour *transformers*. The rule that it
guards: what comes from the object store is what was pushed, to the byte, and holds no code.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chatbot import settings
from chatbot.broker import models
from chatbot.broker.current import borrowed
from chatbot.errors import OperationError
from chatbot.inference.models import described
from chatbot.messages import digest

NATS = "nats:"
MLMODEL = "MLmodel"


async def local(name: str) -> str:
    """Return the folder or the hub's name that `name` stands for; fetch what is not here yet.

    Raises `OperationError`.
    """
    if name.startswith(NATS):
        name = str(await _fetched(name.removeprefix(NATS)))
    return await asyncio.to_thread(_of_folder, name)


def identity(name: str) -> str:
    """Return what names what `local` returned: the same on all machines, if it was fetched."""
    path = Path(name)
    return f"{NATS}{path.name}" if path.parent == _kept() else name


def _of_folder(name: str) -> str:
    folder = Path(name).expanduser()
    if (folder / MLMODEL).is_file():
        return from_mlflow(folder)
    return str(folder) if folder.is_dir() else name


async def _fetched(name: str) -> Path:
    broker = borrowed()
    if broker is None:
        raise OperationError(
            f"the model nats:{name} is in NATS's object store, and there is no connection here",
            hint="run the operation on a node, or get it with `chatbot model pull`",
        )
    found = await models.find(broker, name)
    if found is None:
        known = ", ".join(each.name for each in await models.every(broker))
        raise OperationError(
            f"there is no model {name!r} in NATS's object store",
            hint=f"there are: {known}" if known else "put it there with `chatbot model push`",
        )
    folder = _kept() / found.digest
    if not folder.is_dir():
        await pull(broker, found, folder)
    return folder


@contextmanager
def accompanied(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield a folder with what of a model may be pushed, and why it has no export, "" if it may.

    It is `folder`, unless that is a sentence model without an export for ONNX Runtime, and one
    can be made: then it is a copy that has one, which takes seconds.
    """
    from chatbot.inference.backends import export, graph

    if (folder / graph.NAME).exists() or not _is_encoder(folder):
        yield folder, ""
        return
    with tempfile.TemporaryDirectory(prefix="chatbot-push-") as temporary:
        copy = Path(temporary) / "model"
        for file in models.listed(folder):
            (copy / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file.path, copy / file.path)
        try:
            export.accompany(described(copy))
        except OperationError as error:
            yield folder, error.message.replace(str(copy), str(folder))
        else:
            yield copy, ""


def _is_encoder(folder: Path) -> bool:
    """Whether it is a model without a head, as `save_pretrained` writes it."""
    try:
        told = json.loads((folder / "config.json").read_bytes())["architectures"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return not any("For" in str(each) for each in told or [""])


async def pull(broker: Any, model: models.Model, folder: Path) -> None:
    """Bring the files of a model to `folder`, which comes to be whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as temporary:
        whole = Path(temporary) / "model"
        for file in model.files:
            path = whole / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            await models.fetch(broker, file, path)
        _move(whole, folder)


def _move(whole: Path, folder: Path) -> None:
    """Give `whole` its name, unless another process was quicker."""
    try:
        whole.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def from_mlflow(folder: Path) -> str:
    """Return the folder, or the hub's name, of a model in MLflow's format.

    MLflow keeps the tokenizer beside the model, `transformers` wants them together: links to
    both are put into a folder of the cache. Raises `OperationError`.
    """
    flavour = _flavour(folder)
    binary = flavour.get("model_binary")
    if not binary:
        name = flavour.get("source_model_name")
        if isinstance(name, str) and name and "peft_adaptor" not in flavour:
            return name
        raise OperationError(
            f"the MLflow model in {folder} holds no weights of its own",
            hint="log it with save_pretrained=True, and without an adapter",
        )
    parts = [_inside(folder, str(binary))]
    parts += [part for part in [folder / "components" / "tokenizer"] if part.is_dir()]
    return str(_together(folder, parts))


def _flavour(folder: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = folder / MLMODEL
    try:
        told = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        flavours = told["flavors"]
        flavour = flavours["transformers"]
        if not isinstance(flavour, dict):
            raise TypeError("it is no map")
    except KeyError as error:
        raise OperationError(
            f"{path} has no flavour transformers",
            hint="log the model with mlflow.transformers.log_model",
        ) from error
    except (OSError, ValueError, TypeError, YAMLError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OperationError(f"{path} cannot be read: {first}") from error
    return flavour


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_dir():
        raise OperationError(f"{folder / MLMODEL} names a folder {name} that is not there")
    return path


def _together(folder: Path, parts: list[Path]) -> Path:
    files = {path.name: path for part in reversed(parts) for path in sorted(part.iterdir())}
    stats = {name: path.stat() for name, path in files.items() if path.is_file()}
    target = _kept() / f"mlflow-{_name(folder, stats)}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
        whole = Path(temporary) / "model"
        whole.mkdir()
        for name in stats:
            _link(files[name].resolve(), whole / name)
        _move(whole, target)
    return target


def _name(folder: Path, stats: Mapping[str, os.stat_result]) -> str:
    if folder.parent == _kept():
        return folder.name  # that of its content
    seen = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in sorted(stats.items())]
    return digest(str(folder.resolve()), *seen)


def _kept() -> Path:
    """Return the folder of what was fetched."""
    return settings.cache_folder() / "models"


def _link(source: Path, target: Path) -> None:
    try:
        os.symlink(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
