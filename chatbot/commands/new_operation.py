"""`chatbot operations new`: an operation to go on with, and its test."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path

from chatbot.commands import template
from chatbot.errors import UsageError

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")


def new(name: str, folder: Path, *, batch: bool = False, force: bool = False) -> list[Path]:
    """Write the operation and its test; raises `UsageError` where one is there already."""
    _check(name)
    files = template.filled("batch" if batch else "operation", {"name": name})
    return template.write(folder, files, force=force)


def next_commands(name: str, folder: Path) -> list[tuple[str, str]]:
    """Return what to run next, and what it is for."""
    return [
        (f"python -m pytest {folder / f'test_{name}.py'}", "pip install pytest, if need be"),
        (f"chatbot operations check {folder / f'{name}.py'}", "what it takes and gives"),
    ]


def entry(name: str) -> list[str]:
    """Return what a flow beside the file has to have to use it."""
    return [
        "operations:",
        f"  {name.replace('_', '-')}:",
        f"    run: {name}.py:{name}",
        "    inputs: {text: message.text}",
    ]


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        hint = "small letters, digits and _, beginning with a letter: it is a Python function"
        raise UsageError(f"`{name}` cannot name an operation", hint=hint)
    if keyword.iskeyword(name) or name in sys.stdlib_module_names:
        hint = f"take another: my_{name}"
        raise UsageError(f"`{name}` is Python's own", hint=hint)
