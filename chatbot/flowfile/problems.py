"""What is wrong with a flow file, and where; pure.

The rule: a problem says what, which and where, and never a value from the environment.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from chatbot.flowfile.naming import in_terms_of_the_file

COMMAND_LINE = "--set"
"""The `file` of a problem with an override; its `line` counts the overrides from 1."""

MOST_TOLD = 200
MOST_NAMES, LONGEST_NAME = 300, 80
"""Among how many names, and for how long a one, the nearest is looked for."""

_SECRET = re.compile(
    r"""(?ix) ( (?: password | passphrase | passwd | token | secret | credentials? | _key )
    ["']? \s* [:=] \s* ) (?! ["']? \$\{ \w+ (?: :- )? \} ["']? \s* (?: [,}] | $ ) ) \S .*""",
)
"""What follows a key that is called like a secret, but a variable's name."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a flow file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a flow file; `hint` says how to mend it, where known.

    A line that is not `quotable` holds a secret.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    quotable: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"

    def plain(self) -> dict[str, str | int]:
        """Return it for programs, as `--json` shows it."""
        names = ("file", "line", "column", "message", "hint")
        return {name: getattr(self, name) for name in names}


class Report:
    """Collects problems while a flow is read, so that all of them are told at once.

    Beside them it has warnings: what a flow may have, and had better not.
    """

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}
        self._warnings: dict[Problem, None] = {}
        self._hidden: set[tuple[str, int]] = set()
        self._hushed: set[Mark] = set()

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, mark: Mark, message: str, hint: str = "") -> None:
        """Record a problem at `mark`; the same one twice counts once."""
        if mark not in self._hushed:
            self._problems[_problem(mark, message, hint)] = None

    def warn(self, mark: Mark, message: str, hint: str = "") -> None:
        """Record a warning at `mark`, with which the flow is right all the same."""
        self._warnings[_problem(mark, message, hint)] = None

    def hush(self, mark: Mark) -> None:
        """Tell nothing more of what stands at `mark`: it was reported, and means nothing now."""
        self._hushed.add(mark)

    def hide(self, mark: Mark) -> None:
        """Never have the line of `mark` quoted: it holds a secret."""
        self._hidden.add((mark.file, mark.line))

    def problems(self) -> list[Problem]:
        """Return the first `MOST_TOLD` that were found, sorted by file, line and column."""
        return self._told(self._problems)

    def warnings(self) -> list[Problem]:
        """Return the first `MOST_TOLD` warnings, likewise."""
        return self._told(self._warnings)

    def _told(self, found: Iterable[Problem]) -> list[Problem]:
        told = sorted(found)[:MOST_TOLD]
        hidden = self._hidden
        return [replace(p, quotable=False) if (p.file, p.line) in hidden else p for p in told]


def _problem(mark: Mark, message: str, hint: str) -> Problem:
    told, hint = in_terms_of_the_file(message), in_terms_of_the_file(hint)
    return Problem(mark.file, mark.line, mark.column, told, hint)


def render(problem: Problem, overrides: Sequence[str] = ()) -> str:
    """Return `problem` with its source line and a caret below the place, for a terminal.

    `overrides` are those that the flow was loaded with, to show the wrong one. Where the line
    cannot be read any more, or holds a secret, the problem alone is returned. Files are called as
    seen from the current folder.
    """
    line = _source_line(problem, overrides) if problem.quotable else None
    problem = replace(problem, file=seen_from_here(problem.file))
    if line is None:
        return str(problem)
    line = _SECRET.sub(r"\1…", line)
    number = str(problem.line)
    pad = "".join("\t" if c == "\t" else " " for c in line[: problem.column - 1])
    gutter = " " * len(number)
    return f"{problem}\n  {number} | {line}\n  {gutter} | {pad}^"


def seen_from_here(file: str | Path) -> str:
    """Return the path of a file below the current folder as seen from there, else as it is."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(file)


def _source_line(problem: Problem, overrides: Sequence[str]) -> str | None:
    if problem.file == COMMAND_LINE:
        lines = list(overrides)
    else:
        try:
            lines = Path(problem.file).read_text("utf-8-sig", errors="replace").splitlines()
        except OSError:
            return None
    return lines[problem.line - 1] if problem.line <= len(lines) else None


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the one of `known` that `word` is most like, "" where it is like none.

    Capitals and what stands between the letters count for nothing.
    """
    names = sorted(known)
    if len(names) > MOST_NAMES or len(word) > LONGEST_NAME:  # it takes their product
        return ""
    bare = {_bare(name): name for name in reversed(names)}
    found = bare.get(_bare(word)) if _bare(word) else None
    if found is not None:
        return found
    for each, choices in ((word, names), (_bare(word), list(bare))):
        near = difflib.get_close_matches(each, choices, n=1, cutoff=0.6)
        if near:
            return bare.get(near[0], near[0]) if each != word else near[0]
    return ""


def nearest_file(name: str, there: Iterable[str]) -> str:
    """Return the one of the files `there` that `name` is most like, but for its suffix."""
    stems = {Path(each).stem: each for each in sorted(there, reverse=True)}
    return stems.get(nearest(Path(name).stem, stems), "")


def suggest_file(name: str, there: Iterable[str]) -> str:
    """Return the hint for a file that there is none of: the nearest one, else all of a few."""
    names = sorted(there)
    near = nearest_file(name, names)
    if near:
        return f"did you mean {near}?"
    return f"there are: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def _bare(word: str) -> str:
    return "".join(c for c in word.lower() if c.isalnum())


def suggest(word: str, known: Iterable[str], *, what: str = "") -> str:
    """Return the hint for an unknown `word`: the nearest of `known`, else all of a short list.

    `what` names the list ("operations"), for the second case.
    """
    names = sorted(known)
    near = nearest(word, names)
    if near:
        return f"did you mean {near}?"
    if not names or len(names) > 12:
        return ""
    return f"{what or 'known'}: {', '.join(names)}"
