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
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'""")
_UNCLOSED = re.compile(r"expected ',' or '([\]}])'")
_ESCAPE = re.compile(r"unknown escape character '(.*)'")
_ALIAS = re.compile(r"undefined alias '(.*)'")
_START = re.compile(r"found character '(.*)' that cannot start")
_CONFLICT = re.compile(r"(<{7}|={7}|>{7})( |$)")
_IN_LIST = re.compile(r"([\[{](?:[^\]}#]*[,\s])?)(#[\w#-][^,\s\]}]*)")
_OPENING = re.compile(r"""\s*(?:- )?[\w.-]+:\s+["']""")
_VALUE = re.compile(r"\s*(?:- )?[\w.-]+:\s+(?=\S)")
_UNQUOTED_TAG = re.compile(r"[:,\[{]\s+(!)[^\"']*$")
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


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the parser says: `problem`, where it stood then, where it had begun what it read."""

    problem: str
    at: _Place
    context: _Place
    lines: list[str]


def fault_of(error: Any, text: str) -> Fault | None:
    """Return what `error`, one of ruamel's with a mark, says of `text`; `None`: it has no place."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return None
    lines = text.split("\n")
    place = _Place(mark.line, mark.column)
    context = error.context_mark and _Place(error.context_mark.line, error.context_mark.column)
    seen = _Seen(str(error.problem), place, context or place, lines)
    for look in _LOOKS:
        found = look(seen)
        if found is not None:
            return found
    return Fault(place.line, place.column, str(error.problem))


def _line(lines: list[str], number: int) -> str:
    return lines[number] if 0 <= number < len(lines) else ""


def _tab(seen: _Seen) -> Fault | None:
    if "'\\t'" not in seen.problem:
        return None
    return Fault(seen.at.line, seen.at.column, "a tab", "indent with spaces, not with tabs")


def _conflict(seen: _Seen) -> Fault | None:
    for number, line in enumerate(seen.lines[: seen.at.line + 1]):
        if _CONFLICT.match(line):
            hint = "take one of the two versions, and the lines with <<<, === and >>> out"
            return Fault(number, 0, "two versions of this file were merged, and not united", hint)
    return None


def _comment(seen: _Seen) -> Fault | None:
    """A bracket with a text that begins with #, and so never closed: the rest is a comment."""
    if not (_UNCLOSED.search(seen.problem) or "<stream end>" in seen.problem):
        return None
    for number in range(min(seen.at.line, len(seen.lines) - 1), -1, -1):
        bare = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), seen.lines[number])
        found = _IN_LIST.search(bare)
        if found:
            hint = f'put it in quotes: "{found[2]}"'
            return Fault(number, found.start(2), "# begins a comment here", hint)
    return None


def _tag(seen: _Seen) -> Fault | None:
    line = _line(seen.lines, seen.at.line)
    found = _UNQUOTED_TAG.search(line, 0, seen.at.column)
    if not _UNCLOSED.search(seen.problem) or found is None:
        return None
    return Fault(seen.at.line, found.start(1), "a text cannot begin with !", _QUOTES)


def _variable(seen: _Seen) -> Fault | None:
    line = _line(seen.lines, seen.at.line)
    if not _UNCLOSED.search(seen.problem) or line[seen.at.column - 1 : seen.at.column + 1] != "${":
        return None
    hint = 'in { } and [ ] write "${NAME}"'
    return Fault(seen.at.line, seen.at.column - 1, "${…} needs quotes here", hint)


def _bracket(seen: _Seen) -> Fault | None:
    found = _UNCLOSED.search(seen.problem)
    if found is None:
        return None
    close = found[1]
    opened = "{" if close == "}" else "["
    if seen.at.line >= len(seen.lines) or (
        seen.context.line != seen.at.line and not _closes(seen.lines, seen.context)
    ):
        message = f"this {opened} is never closed"
        return Fault(seen.context.line, seen.context.column, message, f"close it with {close}")
    message = f"`,` or `{close}` is missing before this"
    before = _line(seen.lines, seen.at.line)[: seen.at.column]
    key = re.search(r"[\w-]+$", before)
    return Fault(
        seen.at.line,
        key.start() if key and seen.context.line != seen.at.line else seen.at.column,
        message,
        f"the {opened} is in column {seen.context.column + 1}",
    )


def _unclosed(seen: _Seen) -> Fault | None:
    if "<stream end>" not in seen.problem:
        return None
    opened = _open(seen.lines)
    if not opened:
        return None
    last = opened[-1]
    sign = seen.lines[last.line][last.column]
    hint = f"close it with {'}' if sign == '{' else ']'}"
    return Fault(last.line, last.column, f"this {sign} is never closed", hint)


def _open(lines: list[str]) -> list[_Place]:
    """Return the brackets that are never closed."""
    opened: list[_Place] = []
    for number, line in enumerate(lines):
        bare = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), line).split(" #")[0]
        for column, sign in enumerate(bare):
            if sign in "[{":
                opened.append(_Place(number, column))
            elif sign in "]}" and opened:
                opened.pop()
    return opened


def _closes(lines: list[str], opened: _Place) -> bool:
    return opened not in _open(lines)


def _quote(seen: _Seen) -> Fault | None:
    if "unexpected end of stream" not in seen.problem:
        return None
    message = "this quote is never closed"
    return Fault(seen.context.line, seen.context.column, message, "close it at the end of the text")


def _folded(seen: _Seen) -> Fault | None:
    if "expected a comment or a line break" not in seen.problem:
        return None
    column = max(_line(seen.lines, seen.at.line).rfind(c, 0, seen.at.column) for c in ">|")
    sign = _line(seen.lines, seen.at.line)[column : column + 1]
    hint = f"{_QUOTES}; after {sign} alone, the text begins in the next line"
    return Fault(seen.at.line, column, f"a text cannot begin with {sign}", hint)


def _starting(seen: _Seen) -> Fault | None:
    found = _START.search(seen.problem)
    if found is None:
        return None
    return Fault(seen.at.line, seen.at.column, f"a text cannot begin with {found[1]}", _QUOTES)


def _alias(seen: _Seen) -> Fault | None:
    found = _ALIAS.search(seen.problem)
    if found is None:
        if "expected alphabetic or numeric character" not in seen.problem:
            return None
        return Fault(
            seen.context.line, seen.context.column, "a text cannot begin with * or &", _QUOTES
        )
    hint = f"an alias needs its anchor, &{found[1]}, before it; {_QUOTES} if it is none"
    return Fault(
        seen.at.line, seen.at.column, f"there is no anchor for the alias *{found[1]}", hint
    )


def _escape(seen: _Seen) -> Fault | None:
    found = _ESCAPE.search(seen.problem)
    hint = "write \\\\ for a backslash, or use single quotes"
    if found is not None:
        message = f"\\{found[1]} means nothing in double quotes"
        return Fault(seen.at.line, max(seen.at.column - 1, 0), message, hint)
    if "expected escape sequence" not in seen.problem:
        return None
    line = _line(seen.lines, seen.at.line)
    column = max(line.rfind("\\", 0, seen.at.column + 1), 0)
    message = f"{line[column : column + 2]} wants the number of a character after it"
    return Fault(seen.at.line, column, message, hint)


def _document(seen: _Seen) -> Fault | None:
    if "another document" not in seen.problem:
        return None
    return Fault(
        seen.at.line, seen.at.column, "a second one begins here", "a file is one document: no ---"
    )


def _closing(seen: _Seen) -> Fault | None:
    found = re.search(r"found '([\]},])'", seen.problem)
    if found is None:
        return None
    if "expected the node content" in seen.problem:
        return Fault(seen.at.line, seen.at.column, f"a value is missing before this `{found[1]}`")
    if "<block end>" not in seen.problem and "document start" not in seen.problem:
        return None
    sign = found[1]
    hint = "" if sign != "," else _QUOTES
    return Fault(seen.at.line, seen.at.column, f"there is a `{sign}` too many", hint)


def _after_quote(seen: _Seen) -> Fault | None:
    before = _line(seen.lines, seen.at.line)[: seen.at.column].rstrip()
    if "<block end>" not in seen.problem or not before.endswith(("'", '"')):
        return None
    if _OPENING.fullmatch(before):  # it closes what a line above has opened
        found = _opened_above(seen.lines, seen.at.line, before[-1])
        if found is not None:
            hint = "close it at the end of the text"
            return Fault(found.line, found.column, "this quote is never closed", hint)
    hint = f"{_QUOTES} of the other kind" if before.endswith("'") else _QUOTES
    return Fault(seen.at.line, seen.at.column, "a text goes on after its closing quote", hint)


def _opened_above(lines: list[str], number: int, sign: str) -> _Place | None:
    """Return the last quote above a line that is not closed in its own."""
    for above in range(number - 1, -1, -1):
        value = _VALUE.match(lines[above])
        if value and lines[above][value.end()] == sign:
            closed = _QUOTED.match(lines[above], value.end())
            return None if closed else _Place(above, value.end())
    return None


def _after_bracket(seen: _Seen) -> Fault | None:
    """A text that begins with a bracket, and goes on after it."""
    line = _line(seen.lines, seen.at.line)
    value = _VALUE.match(line)
    if "<block end>" not in seen.problem or value is None or value.end() >= seen.at.column:
        return None
    closed = line[: seen.at.column].rstrip().endswith(("]", "}"))
    return _begun_by_bracket(seen, value.end()) if line[value.end()] in "[{" and closed else None


def _begun_by_bracket(seen: _Seen, column: int) -> Fault:
    sign = seen.lines[seen.at.line][column]
    message = f"a text cannot begin with {sign}, which begins a {'list' if sign == '[' else 'map'}"
    return Fault(seen.at.line, column, message, _QUOTES)


def _missing_colon(seen: _Seen) -> Fault | None:
    if "could not find expected ':'" not in seen.problem:
        return None
    return _in_key(seen.context.line, seen.lines)


def _colon(seen: _Seen) -> Fault | None:
    if "mapping values are not allowed" not in seen.problem:
        return None
    before = _line(seen.lines, seen.at.line)[: seen.at.column]
    value = _VALUE.match(before)
    if value and value.end() < len(before) and before[value.end()] in "[{":
        return _begun_by_bracket(seen, value.end())
    if not _KEY.match(before):
        hint = f"a text with a colon and a space in it: {_QUOTES}"
        return Fault(seen.at.line, seen.at.column, "a colon that begins a value in a value", hint)
    above = next((n for n in range(seen.at.line - 1, -1, -1) if _is_text(_line(seen.lines, n))), 0)
    if _indent(_line(seen.lines, above)) >= _indent(before) or ":" not in _line(seen.lines, above):
        return _in_key(above, seen.lines)
    if _GLUED.match(_line(seen.lines, above)):
        return _in_key(above, seen.lines)
    hint = f"{_SAME_COLUMN}; what lies in a map is in lines after `key:`"
    return Fault(seen.at.line, _indent(before), "the indentation fits no line above", hint)


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


def _sequence(seen: _Seen) -> Fault | None:
    if "sequence entries are not allowed" not in seen.problem:
        return None
    hint = "a list begins in the line after its key, or is written [a, b]"
    return Fault(seen.at.line, seen.at.column, "a list cannot begin here", hint)


def _indentation(seen: _Seen) -> Fault | None:
    if "<block end>" not in seen.problem:
        return None
    if "'-'" in seen.problem or "'<block sequence start>'" in seen.problem:
        return Fault(
            seen.at.line, seen.at.column, "a list item among the keys of a map", _SAME_COLUMN
        )
    return Fault(seen.at.line, seen.at.column, "the indentation fits no line above", _SAME_COLUMN)


def _is_text(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


_LOOKS: tuple[Callable[[_Seen], Fault | None], ...] = (
    *(
        _conflict,
        _tab,
        _comment,
        _tag,
        _variable,
        _unclosed,
        _bracket,
        _quote,
        _folded,
        _starting,
        _alias,
        _escape,
        _document,
        _closing,
        _after_quote,
        _after_bracket,
    ),
    *(_missing_colon, _colon, _sequence, _indentation),
)
