"""Flow files of earlier versions, brought to this one; comments and layout stay.

The rule: a step changes what a person would have to change, and nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot.errors import UsageError
from chatbot.flowfile.sections import VERSION

_WIDTH = 4096
"""Characters of a line that are not broken: it stays as it was written."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """A file's text in this version; `changes` say what is different, and are empty where it is
    of this version already."""

    path: Path
    before: str
    after: str
    changes: tuple[str, ...]


def migrated(path: Path) -> Migrated:
    """Return the file at `path` in this version.

    Raises `UsageError` where it cannot be read, is no flow file in YAML, or is of a later version.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if path.suffix in (".json", ".toml"):
        raise UsageError(f"{path}: only YAML can be migrated", hint="say `version: 1` in it")
    try:
        before = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({type(error).__name__})") from error
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        tree = yaml.load(before)
    except YAMLError as error:
        hint = f"see `chatbot flow check {path}`"
        raise UsageError(f"{path}: is not YAML", hint=hint) from error
    if not isinstance(tree, dict) or "operations" not in tree:
        raise UsageError(f"{path}: is no flow file", hint="a flow file has `operations`")
    changes = _step_by_step(tree, _version(tree, path))
    if not changes:
        return Migrated(path, before, before, ())
    written = io.StringIO()
    yaml.dump(tree, written)
    return Migrated(path, before, written.getvalue(), tuple(changes))


def _version(tree: Any, path: Path) -> int:
    version = tree.get("version", 0)
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= VERSION:
        hint = f"this program reads versions up to {VERSION}; install a newer one"
        raise UsageError(f"{path}: the version {version!r} is not known", hint=hint)
    return version


def _step_by_step(tree: Any, version: int) -> list[str]:
    changes: list[str] = []
    for number in range(version, VERSION):
        changes += STEPS[number](tree)
        if "version" in tree:
            tree["version"] = number + 1
        else:
            tree.insert(0, "version", number + 1)
        changes.append(f"version: {number + 1}")
    return changes


def _from_0(_: Any) -> list[str]:
    """Before there were versions, a file was as in version 1, and did not say so."""
    return []


STEPS: dict[int, Callable[[Any], list[str]]] = {0: _from_0}
"""What each version needs to become the next one; each returns what it changed."""
