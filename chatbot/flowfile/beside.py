"""Operations in Python files beside a flow file: `run: ./shout.py:shout`.

What is wrong with such a file is told with its own lines, beside what is wrong with the flow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chatbot.authoring.local import LocalError, LocalFile, load_file, operation_in, parted
from chatbot.flowfile.catalog import Loaded, own
from chatbot.flowfile.problems import Mark, Report, suggest, suggest_file
from chatbot.flowfile.sections import Section
from chatbot.flowfile.values import file_at


def operation(section: Section, folder: Path, report: Report) -> Loaded | None:
    """Return the operation of a file seen from `folder`; `None` for what was reported."""
    name, wanted = parted(section.run)
    path = file_at(folder, name)
    if path is None or not path.is_file():
        hint = _beside(path) if path is not None else ""
        report.add(section.run_mark, f"there is no file {path or name}", hint)
        return None
    try:
        file = load_file(folder / Path(name).expanduser())  # called as it is written, links too
    except LocalError as error:
        _report(error, report)
        return None
    try:
        implementation = own(operation_in(file, wanted))
    except LocalError as error:
        fault = error.faults[0]
        known = () if wanted in file.functions else file.operations
        hint = suggest(wanted, known, what="there are") if wanted else ""
        report.add(section.run_mark, f"{path.name} {fault.message}", hint or fault.hint)
        return None
    return Loaded(implementation.op, implementation)


def meant(run: str, folder: Path) -> str:
    """Return `karma.py:find` for `karma.find` and `karma:find`, where there is such a file."""
    name, sign, function = run.replace(":", ".").rpartition(".")
    path = file_at(folder, f"{name}.py") if sign and name else None
    return f"{name}.py:{function}" if path is not None and path.is_file() else ""


def file_of(implementation: Any) -> LocalFile | None:
    """Return the file that an implementation is from, where that is no package."""
    found: LocalFile | None = getattr(implementation, "local", None)
    return found


def _report(error: LocalError, report: Report) -> None:
    for fault in error.faults:
        report.add(Mark(fault.file, fault.line, fault.column), fault.message, fault.hint)


def _beside(path: Path) -> str:
    try:
        return suggest_file(path.name, [p.name for p in path.parent.glob("*.py")])
    except OSError:
        return ""
