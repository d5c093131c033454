"""The flows that come with the program, and how one is found by its name."""

from __future__ import annotations

import re
from pathlib import Path

from chatbot.flowfile.problems import Mark, Report, suggest

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE.parent / "flows", _PACKAGE / "shipped" / "flows")
"""In a checkout, and in a wheel."""

_SUFFIXES = (".yaml", ".yml", ".json", ".toml")
_OPERATIONS = re.compile(r"^operations\s*:", re.MULTILINE)
_INPUTS = re.compile(r"^inputs\s*:", re.MULTILINE)


def names() -> list[str]:
    """Return the names of the flows for bots that come with the program; no subflows."""
    return sorted(
        {path.stem for folder in _folders() for path in folder.glob("*.yaml") if _is_flow(path)}
    )


def file(name: str) -> Path:
    """Return a file that comes with the program, beside its flows; `KeyError` for none."""
    for folder in _folders():
        if (folder / name).is_file():
            return folder / name
    raise KeyError(name)


def find(name_or_path: str | Path, report: Report) -> Path | None:
    """Return the file of a flow; `None` where there is none, which is reported.

    What exists as a file is that file; else a bare word is the name of a flow that comes with
    the program.
    """
    start = Mark(str(name_or_path))
    try:
        path = Path(name_or_path).expanduser()
        there = path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, with NUL in it, or of ~nobody
        report.add(start, "no file can have this name")
        return None
    if there:
        return path
    if path.is_dir():
        report.add(start, "is a folder, not a flow file")
    elif path.suffix in _SUFFIXES or len(path.parts) != 1:
        report.add(start, "there is no such file", _beside(path))
    else:
        return _by_name(path.name, start, report)
    return None


def _by_name(name: str, start: Mark, report: Report) -> Path | None:
    known = names()
    if name in known:
        return next(f / f"{name}.yaml" for f in _folders() if (f / f"{name}.yaml").is_file())
    hint = suggest(name, known, what="there are") or "give the path of a file"
    report.add(start, "no flow of that name comes with the program", hint)
    return None


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    others = [p.name for p in path.parent.iterdir() if p.suffix in _SUFFIXES]
    return suggest(path.name, others, what="there are")


def _folders() -> list[Path]:
    return [folder for folder in _FOLDERS if folder.is_dir()]


def _is_flow(path: Path) -> bool:
    text = path.read_text("utf-8-sig", errors="replace")
    return bool(_OPERATIONS.search(text)) and not _INPUTS.search(text)
