"""Files that commands write for people to go on with: from templates, never over what is there.

A template is a folder in `chatbot/templates`; in its files `<<word>>` stands for what is put in,
and in their names `NAME`. Python files end in `.in`, as they are none before, and one that ends in
`.shipped` names a file of a flow that comes with the program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from chatbot.errors import UsageError
from chatbot.flowfile import shipped

FOLDER = Path(__file__).resolve().parent.parent / "templates"

SHIPPED = ".shipped"

_WORD = re.compile(r"<<(\w+)>>")


def filled(template: str, words: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a template by their names, with `words` put in; `name` is one."""
    paths = sorted(path for path in (FOLDER / template).iterdir() if path.is_file())
    return {_named(path, words["name"]): _filled(_text(path), words) for path in paths}


def write(folder: Path, files: Mapping[str, str], *, force: bool = False) -> list[Path]:
    """Write the files; raises `UsageError`, before any is written, where one is there already."""
    paths = {folder / name: text for name, text in files.items()}
    there = [path for path in paths if path.exists() or path.is_symlink()]
    if there and not force:
        names = ", ".join(path.name for path in there)
        what = "is there already" if len(there) == 1 else "are there already"
        hint = "take another folder or name, or --force to write over them"
        raise UsageError(f"{names} {what}, in {folder.resolve()}", hint=hint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            path.write_text(text, "utf-8")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UsageError(f"cannot write {error.filename}: {why}") from error
    return list(paths)


def _named(path: Path, name: str) -> str:
    return path.name.removesuffix(".in").removesuffix(SHIPPED).replace("NAME", name)


def _text(path: Path) -> str:
    text = path.read_text("utf-8")
    return shipped.file(text.strip()).read_text("utf-8") if path.suffix == SHIPPED else text


def _filled(text: str, words: Mapping[str, str]) -> str:
    return _WORD.sub(lambda found: words[found[1]], text).rstrip("\n") + "\n"
