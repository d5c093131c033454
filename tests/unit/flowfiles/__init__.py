"""For tests of flow files: a distribution that is installed while one of them runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatbot.errors import FlowError
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import Problem

SITE = Path(__file__).parent / "site"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the operations and listeners in `site` those of an installed distribution."""
    monkeypatch.syspath_prepend(str(SITE))


def write(folder: Path, **files: str) -> Path:
    """Write `NAME.yaml` for each of `files`; return the path of the first."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def problems_of(
    path: Path | str, overrides: Sequence[str] = (), environment: dict[str, str] | None = None
) -> list[Problem]:
    """Return what is wrong with the flow at `path`; nothing where nothing is."""
    try:
        load(path, overrides=overrides, environment=(environment or {}).get)
    except FlowError as error:
        return error.problems
    return []


async def run(dataflow: Any, **message: Any) -> dict[str, Any]:
    """Run one message through `dataflow` on DFFML's memory orchestrator."""
    from dffml import Input, MemoryOrchestrator

    fields = {"id": "1", "network": "n", "room": "#r", "sender": "anna", "text": "", "nick": "bot"}
    inputs = [
        Input(value=value, definition=dataflow.definitions[f"message.{name}"])
        for name, value in {**fields, "addressed": False, "private": False, **message}.items()
    ]
    async for _, results in MemoryOrchestrator.run(dataflow, {"context": inputs}):
        return results
    raise AssertionError("the context ended without a result")
