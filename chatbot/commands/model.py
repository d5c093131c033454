"""`chatbot model`: models in NATS's object store, for nodes on all machines."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from chatbot.broker import Broker, models
from chatbot.broker.models import Model, ModelFile
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected
from chatbot.errors import BrokerError, UsageError
from chatbot.inference import registry
from chatbot.inference.backends import graph
from chatbot.units import shown_size


async def push(
    nats: str | None,
    data: Path | None,
    name: str,
    folder: Path,
    screen: Screen,
    *,
    export: bool = True,
) -> Model:
    """Store the model in `folder` under a name; files that are there already are not sent.

    With `export`, a sentence model gets one for ONNX Runtime, where that can be made here.
    """
    if not re.fullmatch(models.NAME, name):
        raise UsageError(
            f"{name!r} cannot be a model's name",
            hint="letters, digits, dots, hyphens and underscores, 100 at most",
        )
    with screen.busy(f"reading {folder}"):
        files = models.files_of(folder)
    async with _connected(nats, data) as broker:
        former = await models.find(broker, name)
        if export and former is not None and _without_export(former.files) == files:
            return await models.push(broker, name, folder, list(former.files))
        async with _ready(folder, screen, export=export) as whole:
            files = models.files_of(whole)
            with screen.counting("storing", len(files)) as done:
                return await models.push(broker, name, whole, files, done=done)


async def every(nats: str | None, data: Path | None) -> list[Model]:
    """Return all models, by their names."""
    async with _connected(nats, data) as broker:
        return await models.every(broker)


async def pull(
    nats: str | None, data: Path | None, name: str, folder: Path, screen: Screen
) -> Model:
    """Write a model's files to a folder that is not there yet."""
    _must_be_new(folder)
    async with _connected(nats, data) as broker:
        model = await _named(broker, name)
        with screen.busy(f"fetching {name} ({shown_size(model.size)})"):
            await registry.pull(broker, model, folder)
        return model


async def drop(nats: str | None, data: Path | None, name: str) -> Model:
    """Delete a model."""
    async with _connected(nats, data) as broker:
        model = await _named(broker, name)
        await models.drop(broker, model)
        return model


def summary(model: Model) -> dict[str, Any]:
    """Return a model for programs."""
    return {
        "name": model.name,
        "digest": model.digest,
        "pushed": model.pushed,
        "size": model.size,
        "files": [file.path for file in model.files],
    }


def show(found: list[Model], screen: Screen) -> None:
    """Show a table of models."""
    from rich.table import Table
    from rich.text import Text

    if not found:
        screen.out.print("There are no models.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("NAME", "DIGEST", "PUSHED", "SIZE", "FILES"):
        table.add_column(title)
    for each in found:
        pushed, size = f"{each.pushed:%Y-%m-%d %H:%M}", shown_size(each.size)
        words = (each.name, each.digest[:10], pushed, size, str(len(each.files)))
        table.add_row(*(Text(word) for word in words))
    screen.out.print(table)


def _without_export(files: Sequence[ModelFile]) -> list[ModelFile]:
    return [each for each in files if each.path != graph.NAME]


@asynccontextmanager
async def _ready(folder: Path, screen: Screen, *, export: bool) -> AsyncIterator[Path]:
    """Yield the folder whose files are to be stored."""
    if not export:
        yield folder
        return
    with ExitStack() as stack:
        with screen.busy("exporting it for ONNX Runtime"):
            made = registry.accompanied(folder)
            whole, why = await asyncio.to_thread(stack.enter_context, made)
        if why:
            screen.say(f"stored without an export for ONNX Runtime: {why}")
        yield whole


def _must_be_new(folder: Path) -> None:
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="name a folder that is not")


async def _named(broker: Broker, name: str) -> Model:
    found = await models.find(broker, name)
    if found is None:
        known = [each.name for each in await models.every(broker)]
        near = difflib.get_close_matches(name, known, n=1)
        listed = f"there are: {', '.join(known)}" if known else "there are none"
        raise UsageError(
            f"there is no model {name!r}", hint=f"did you mean {near[0]!r}?" if near else listed
        )
    return found


@asynccontextmanager
async def _connected(nats: str | None, data: Path | None) -> AsyncIterator[Broker]:
    async with connected(nats, data, "chatbot-model") as broker:
        try:
            yield broker
        except broker.errors as error:
            raise BrokerError(f"the NATS server does not answer ({error})") from error
