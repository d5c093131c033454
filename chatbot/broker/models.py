"""Models in NATS's object store: their files under the digest of the content, and a list of them.

The rule that it guards: a file is whole, and the one that its name is derived from, or it is an
error; nothing that could be run as code is taken or given.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec
from msgspec import Meta
from nats.js.api import StreamConfig
from nats.js.errors import BucketNotFoundError, NotFoundError
from nats.js.errors import NotFoundError as ObjectNotFoundError
from nats.js.object_store import ObjectStore

from chatbot.broker import chunks, migration
from chatbot.broker.connection import Broker
from chatbot.broker.objects import object_stream
from chatbot.errors import BrokerError, OperationError
from chatbot.messages import Record, digest

BUCKET = "chatbot-models"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
SUFFIXES = frozenset({".json", ".txt", ".model", ".safetensors", ".onnx", ".md", ".tsv", ".yaml"})
NAMES = frozenset({"MLmodel", "LICENSE", "merges", "vocab"})
"""What a model may consist of: no Python, no pickles."""

Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class ModelFile(Record, frozen=True):
    """A file of a model: its path in the folder, its length in bytes, its SHA-256."""

    path: str
    size: int
    sha256: Hash


class Model(Record, frozen=True):
    """A model that was pushed; `digest` is that of all its files."""

    name: str
    digest: Annotated[str, Meta(pattern=r"\A[0-9a-f]{8,64}\Z")]
    pushed: Annotated[datetime, Meta(tz=True)]
    files: tuple[ModelFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def files_of(folder: Path) -> list[ModelFile]:
    """Return what a model's folder holds that may be pushed. Blocks; `OperationError` for none."""
    if not (folder / "config.json").is_file() and not (folder / "MLmodel").is_file():
        raise OperationError(
            f"{folder} is no model's folder: it has no config.json",
            hint="give what save_pretrained wrote, or a model of MLflow",
        )
    return listed(folder)


def listed(folder: Path) -> list[ModelFile]:
    """Return those files of a folder that a model may have. Blocks."""
    found = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and is_allowed(relative):
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            found.append(ModelFile(relative, path.stat().st_size, sha256))
    return found


def is_allowed(path: str) -> bool:
    """Whether a model may have such a file: inside its folder, and nothing that can be run."""
    parts = PurePosixPath(path)
    safe = not parts.is_absolute() and ".." not in parts.parts and "\\" not in path
    hidden = any(part.startswith(".") for part in parts.parts)
    return safe and not hidden and (parts.suffix in SUFFIXES or parts.name in NAMES)


async def push(
    broker: Broker,
    name: str,
    folder: Path,
    files: list[ModelFile],
    *,
    done: Callable[[], None] = lambda: None,
) -> Model:
    """Store the files, those that are not there yet, and then the model under its name."""
    store = await _open(broker)
    for each in files:
        try:
            await store.get_info(_blob(each.sha256))
        except ObjectNotFoundError:
            with (folder / each.path).open("rb") as file:
                await store.put(_blob(each.sha256), file)
        done()
    whole = digest(*(f"{each.path} {each.sha256}" for each in files), length=40)
    model = Model(name, whole, datetime.now(UTC), tuple(files))
    await store.put(_entry(name), model.encode())
    return model


async def find(broker: Broker, name: str) -> Model | None:
    """Return the model of that name, `None` where there is none."""
    store = await _find(broker)
    return None if store is None else await _read(store, _entry(name))


async def every(broker: Broker) -> list[Model]:
    """Return all models, by their names."""
    store = await _find(broker)
    if store is None:
        return []
    try:
        names = [info.name for info in await store.list() if not info.deleted]
    except NotFoundError:
        return []
    found = [await _read(store, name) for name in names if name and name.startswith("model/")]
    return sorted((each for each in found if each is not None), key=lambda model: model.name)


async def fetch(broker: Broker, file: ModelFile, path: Path) -> None:
    """Write a file's content to `path`; `BrokerError` where it is not there, or damaged."""
    store = await _open(broker)
    if not is_allowed(file.path):
        raise BrokerError(f"the model has a file {file.path!r}, which none may have")
    try:
        info = await store.get_info(_blob(file.sha256))
        with path.open("wb") as target:
            await chunks.read(broker, BUCKET, info, target.write)
    except ObjectNotFoundError as error:
        raise BrokerError(
            f"the file {file.path} of the model is not in the object store",
            hint="push the model again",
        ) from error
    found = await asyncio.to_thread(_sha256, path)
    if found != file.sha256:
        raise BrokerError(f"the file {file.path} of the model is damaged", hint="push it again")


async def drop(broker: Broker, model: Model) -> None:
    """Delete a model, and those of its files that no other has."""
    store = await _open(broker)
    await store.delete(_entry(model.name))
    kept = {file.sha256 for other in await every(broker) for file in other.files}
    for file in {file.sha256 for file in model.files} - kept:
        try:
            await store.delete(_blob(file))
        except ObjectNotFoundError:
            continue


def stream() -> StreamConfig:
    """Return the stream that is behind the object store of models."""
    return object_stream(BUCKET, "models that nodes fetch")


async def _read(store: ObjectStore, entry: str) -> Model | None:
    try:
        async with asyncio.timeout(30.0):
            found = await store.get(entry)
        return Model.decode(found.data or b"")
    except (ObjectNotFoundError, msgspec.MsgspecError):
        return None


def _entry(name: str) -> str:
    return f"model/{base64.urlsafe_b64encode(name.encode()).decode()}"


def _blob(sha256: str) -> str:
    return f"file/{sha256}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _find(broker: Broker) -> ObjectStore | None:
    try:
        return await broker.js.object_store(BUCKET)
    except (BucketNotFoundError, NotFoundError):
        return None


async def _open(broker: Broker) -> ObjectStore:
    await migration.ensure(broker, [stream()])
    return await broker.js.object_store(BUCKET)
