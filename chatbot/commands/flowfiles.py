"""`chatbot flow export` and `chatbot flow migrate`: flow files in other forms."""

from __future__ import annotations

import difflib
import io
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from chatbot.authoring.local import is_local
from chatbot.errors import UsageError
from chatbot.flowfile.exporting import exported
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.flowfile.migration import Migrated, migrated

FORMATS = ("json", "yaml")


def export(name: str, overrides: Sequence[str], form: str) -> str:
    """Return the flow as DFFML's own dataflow file; raises `FlowError`, and `UsageError` for what
    cannot be written to a file."""
    flow = load(name, overrides=overrides)
    _refuse_files(flow)
    plain = exported(flow)
    try:
        text = json.dumps(plain, indent=2, ensure_ascii=False)
    except TypeError as error:
        raise UsageError(f"the flow has a value that no file can have: {error}") from error
    return text if form == "json" else _as_yaml(json.loads(text))


def _refuse_files(flow: Flow) -> None:
    """Raise `UsageError` where DFFML could not load what the flow runs."""
    for path, instance in flow.instances.items():
        if is_local(instance.operation):
            raise UsageError(
                f"`{path}` runs {instance.operation}: DFFML loads no operation from a file",
                hint="put it into a package, with an entry point in the group dffml.operation",
            )


def migrate(paths: Sequence[Path], *, write: bool) -> list[Migrated]:
    """Return the files in this version; with `write`, put them in the place of the old ones.

    Raises `UsageError` if any cannot be migrated; then none is written.
    """
    found = [migrated(path) for path in paths]
    for each in found:
        if write and each.changes:
            _replace(each.path, each.after)
    return found


def difference(found: Migrated) -> Iterator[str]:
    """Yield the lines of a unified diff."""
    lines = (found.before.splitlines(), found.after.splitlines())
    name = str(found.path)
    yield from difflib.unified_diff(*lines, name, name, lineterm="", n=1)


def _as_yaml(plain: object) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    written = io.StringIO()
    yaml.dump(plain, written)
    return written.getvalue()


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all; it keeps its mode."""
    mode = path.stat().st_mode
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
    os.chmod(file.name, mode)
    os.replace(file.name, path)
