"""`chatbot operations check`: the operations in Python files, before a flow has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatbot.authoring.local import LocalError, LocalFile, load_file
from chatbot.commands.screen import Screen
from chatbot.flowfile.problems import Problem, render


@dataclass(slots=True)
class Checked:
    """Files that are right, and what is wrong with the others."""

    files: list[LocalFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def check(paths: Sequence[Path]) -> Checked:
    """Load the files; a file without operations is wrong, too."""
    checked = Checked()
    for path in paths:
        try:
            file = load_file(path)
        except LocalError as error:
            checked.problems += [
                Problem(f.file, f.line, f.column, f.message, f.hint) for f in error.faults
            ]
            continue
        if file.operations:
            checked.files.append(file)
        else:
            hint = "put `@operation` above a function"
            checked.problems.append(Problem(str(path), 1, 1, "has no operations", hint))
    return checked


def show(checked: Checked, screen: Screen) -> None:
    """Show the operations, and then the problems, each with its line."""
    for file in checked.files:
        for name, operation in file.operations.items():
            given = _values(operation.op.inputs), _values(operation.op.outputs)
            line = f"{file.path.name}:{name}  {given[0]} → {given[1]}"
            screen.out.print(line, markup=False, soft_wrap=True)
    for problem in checked.problems:
        screen.say(render(problem))
    if checked.problems:
        count = len(checked.problems)
        screen.say(f"{count} problem{'s' if count != 1 else ''}")


def as_json(checked: Checked) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "problems": [each.plain() for each in checked.problems],
        "operations": [
            {
                "file": str(file.path),
                "name": name,
                "inputs": _primitives(operation.op.inputs),
                "outputs": _primitives(operation.op.outputs),
            }
            for file in checked.files
            for name, operation in file.operations.items()
        ],
    }


def _values(definitions: dict[str, Any]) -> str:
    found = (f"{name}: {primitive}" for name, primitive in _primitives(definitions).items())
    return ", ".join(found) or "–"


def _primitives(definitions: dict[str, Any]) -> dict[str, str]:
    return {name: str(definition.primitive) for name, definition in definitions.items()}
