"""What is wrong with a text that is no YAML, in words for who wrote it; pure.

The parser says where it could not go on; the rule here is to point at what was meant instead:
the bracket that is never closed, the line before, where the colon is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_KEY = re.compile(r"\s*(?:- )?[\w./-]+\s*$")
_GLUED = re.compile(r"(\s*(?:- )?)([\w-]+):(?=[^\s:/])")
_UNCLOSED = re.compile(r"expected ',' or '([\]}])'")
_ESCAPE = re.compile(r"unknown escape character '(.*)'")
_ALIAS = re.compile(r"undefined alias '(.*)'")
_START = re.compile(r"found character '(.*)' that cannot start")
_SAME_COLUMN = "keys of one map begin in the same column"
_QUOTES = "put the whole text in quotes"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong and where; `line` and `column` count from 0."""

    line: int
    column: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    line: int
    column: int


def fault_of(error: Any, text: str) -> Fault | None:
    """Return what `error`, one of ruamel's with a mark, says of `text`; `None`: it has no place."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return None
    lines = text.split("\n")
    place = _Place(mark.line, mark.column)
    context = error.context_mark and _Place(error.context_mark.line, error.context_mark.column)
    for look in _LOOKS:
        found = look(str(error.problem), place, context or place, lines)
        if found is not None:
            return found
    return Fault(place.line, place.column, str(error.problem))


def _line(lines: list[str], number: int) -> str:
    return lines[number] if 0 <= number < len(lines) else ""


def _tab(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    if "'\\t'" not in problem:
        return None
    return Fault(at.line, at.column, "a tab", "indent with spaces, not with tabs")


def _bracket(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    found = _UNCLOSED.search(problem)
    if found is None:
        return None
    close = found[1]
    opened = "{" if close == "}" else "["
    if context.line != at.line or at.line >= len(lines):
        message = f"this {opened} is never closed"
        return Fault(context.line, context.column, message, f"close it with {close}")
    message = f"`,` or `{close}` is missing before this"
    return Fault(at.line, at.column, message, f"the {opened} is in column {context.column + 1}")


def _quote(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    if "unexpected end of stream" not in problem:
        return None
    message = "this quote is never closed"
    return Fault(context.line, context.column, message, "close it at the end of the text")


def _starting(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    found = _START.search(problem)
    if found is None:
        return None
    return Fault(at.line, at.column, f"a text cannot begin with {found[1]}", _QUOTES)


def _alias(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    found = _ALIAS.search(problem)
    if found is None:
        if "expected alphabetic or numeric character" not in problem:
            return None
        return Fault(context.line, context.column, "a text cannot begin with * or &", _QUOTES)
    hint = f"an alias needs its anchor, &{found[1]}, before it; {_QUOTES} if it is none"
    return Fault(at.line, at.column, f"there is no anchor for the alias *{found[1]}", hint)


def _escape(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    found = _ESCAPE.search(problem)
    if found is None:
        return None
    message = f"\\{found[1]} means nothing in double quotes"
    hint = "write \\\\ for a backslash, or use single quotes"
    return Fault(at.line, max(at.column - 1, 0), message, hint)


def _document(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    if "another document" not in problem:
        return None
    return Fault(at.line, at.column, "a second one begins here", "a file is one document: no ---")


def _closing(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    found = re.search(r"found '([\]},])'", problem)
    if found is None:
        return None
    if "expected the node content" in problem:
        return Fault(at.line, at.column, f"a value is missing before this `{found[1]}`")
    if "<block end>" not in problem and "document start" not in problem:
        return None
    sign = found[1]
    hint = "" if sign != "," else _QUOTES
    return Fault(at.line, at.column, f"there is a `{sign}` too many", hint)


def _after_quote(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    before = _line(lines, at.line)[: at.column].rstrip()
    if "<block end>" not in problem or not before.endswith(("'", '"')):
        return None
    return Fault(at.line, at.column, "a text goes on after its closing quote", _QUOTES)


def _missing_colon(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    if "could not find expected ':'" not in problem:
        return None
    return _in_key(context.line, lines)


def _colon(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    if "mapping values are not allowed" not in problem:
        return None
    before = _line(lines, at.line)[: at.column]
    if not _KEY.match(before):
        hint = f"a text with a colon and a space in it: {_QUOTES}"
        return Fault(at.line, at.column, "a colon that begins a value in a value", hint)
    above = next((n for n in range(at.line - 1, -1, -1) if _is_text(_line(lines, n))), 0)
    if _indent(_line(lines, above)) >= _indent(before) or ":" not in _line(lines, above):
        return _in_key(above, lines)
    if _GLUED.match(_line(lines, above)):
        return _in_key(above, lines)
    hint = f"{_SAME_COLUMN}; what lies in a map is in lines after `key:`"
    return Fault(at.line, _indent(before), "the indentation fits no line above", hint)


def _in_key(line: int, lines: list[str]) -> Fault:
    """Return what is wrong with the key in `line`, which is none for want of `: `."""
    text = _line(lines, line)
    glued = _GLUED.match(text)
    if glued:
        hint = f"write `{glued[2]}: {text[glued.end() :].split('#')[0].strip()[:40]}`"
        return Fault(line, glued.end(1), "there must be a space after the colon", hint)
    words = text.split("#")[0].split()
    hint = f"write `{words[0]}: {' '.join(words[1:])[:40]}`".replace(": `", ":`") if words else ""
    return Fault(line, _indent(text), "there is no colon after this key", hint)


def _sequence(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    if "sequence entries are not allowed" not in problem:
        return None
    hint = "a list begins in the line after its key, or is written [a, b]"
    return Fault(at.line, at.column, "a list cannot begin here", hint)


def _indentation(problem: str, at: _Place, context: _Place, lines: list[str]) -> Fault | None:
    if "<block end>" not in problem:
        return None
    if "'-'" in problem or "'<block sequence start>'" in problem:
        return Fault(at.line, at.column, "a list item among the keys of a map", _SAME_COLUMN)
    return Fault(at.line, at.column, "the indentation fits no line above", _SAME_COLUMN)


def _is_text(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


_LOOKS: tuple[Callable[[str, _Place, _Place, list[str]], Fault | None], ...] = (
    *(_tab, _bracket, _quote, _starting, _alias, _escape, _document, _closing, _after_quote),
    *(_missing_colon, _colon, _sequence, _indentation),
)
