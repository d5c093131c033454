"""A TOML text as a tree in which every node knows its place.

Python's own `tomllib` says whether it is TOML, and what its values are. It keeps no places, and
neither does `tomlkit`; so what it has accepted is gone through once more for them. The rule: the
tree without its places is what `tomllib` loads.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date, datetime, time
from typing import Any

from chatbot.flowfile.document import DEEPEST, Node
from chatbot.flowfile.problems import Mark, Report

_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_TABLE = re.compile(r"\((?:'[^']*',? ?)+\)")
_NOTHING = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_ARRAY = re.compile(r"[^=#]*=\s*\[(?=[^\]]*$)")
_HINTS = {
    "Invalid value": "a text needs quotes",
    "Unclosed array": "close it with ]",
    "Invalid initial character for a key part": "a line is `key = value`, or `[section]`",
    "Expected": "a line is `key = value`",
    "Cannot overwrite a value": "a key stands once",
}
_SCALAR = re.compile(r"[^,\]}#\n]*")


def parse_toml(text: str, start: Mark, report: Report) -> Node | None:
    """Return the tree of `text`; `None` where it holds nothing, or is no TOML (reported)."""
    try:
        if not tomllib.loads(text):
            return None
    except tomllib.TOMLDecodeError as error:
        place = _place_of(error, text, start)
        message = _message(error)
        if message == "Unclosed array" and (found := _last(_ARRAY, text, place.line)):
            place = Mark(start.file, *found)
        report.add(place, f"is not TOML: {message}", _HINTS.get(message.partition(" '")[0], ""))
        return None
    except RecursionError:
        report.add(start, f"is nested deeper than {DEEPEST} levels")
        return None
    tree = _Reader(text.replace("\r\n", "\n"), start).document()
    if _deeper(tree, DEEPEST):
        report.add(start, f"is nested deeper than {DEEPEST} levels")
        return None
    return tree


def _last(pattern: re.Pattern[str], text: str, line: int) -> tuple[int, int] | None:
    """Return the last place at or above `line` that `pattern` ends in."""
    for number, above in reversed(list(enumerate(text.split("\n")[:line], 1))):
        if found := pattern.match(above):
            return number, found.end()
    return None


def _message(error: tomllib.TOMLDecodeError) -> str:
    found = _PLACE.fullmatch(str(error))
    message = found[1] if found else str(error)
    return _TABLE.sub(
        lambda names: "`" + ".".join(re.findall(r"'([^']*)'", names[0])) + "`", message
    )


def _place_of(error: tomllib.TOMLDecodeError, text: str, start: Mark) -> Mark:
    found = _PLACE.fullmatch(str(error))
    if found is None:
        return start
    if found[2] is None:
        return Mark(start.file, text.count("\n") + 1, len(text) - text.rfind("\n"))
    return Mark(start.file, int(found[2]), int(found[3]))


class _Table(dict[str, "_Value"]):
    """A map on its way: `mark` is where it begins, `keys` where its names stand."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.keys_at: dict[str, Mark] = {}


_Value = Any
"""A `_Table`, a list of these, or a `Node`."""


class _Reader:
    """Goes through a text that is TOML."""

    def __init__(self, text: str, start: Mark) -> None:
        self._text = text
        self._start = start
        self._at = 0
        self._lines = [0, *(m.end() for m in re.finditer("\n", text))]

    def document(self) -> Node:
        root = here = _Table(self._start)
        while True:
            self._skip(_NOTHING)
            if self._at >= len(self._text):
                return _node(root, self._start)
            if self._text[self._at] == "[":
                here = self._header(root)
            else:
                self._pair(here)

    def _header(self, root: _Table) -> _Table:
        many = self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        *way, (name, mark) = self._key()
        self._at += 2 if many else 1
        table = _descend(root, way)
        table.keys_at.setdefault(name, mark)
        if many:
            items = table.setdefault(name, [])
            items.append(_Table(mark))
        else:
            table.setdefault(name, _Table(mark))
        found: _Table = table[name][-1] if many else table[name]
        return found

    def _pair(self, table: _Table) -> None:
        *way, (name, mark) = self._key()
        self._at += 1  # =
        self._skip(_SPACE)
        inner = _descend(table, way)
        inner.keys_at[name] = mark
        inner[name] = self._value()

    def _key(self) -> list[tuple[str, Mark]]:
        """Return the steps of a dotted key, and leave the place behind it and its blanks."""
        steps = []
        while True:
            self._skip(_SPACE)
            mark = self._mark()
            bare = _BARE.match(self._text, self._at)
            if bare:
                self._at = bare.end()
                steps.append((bare[0], mark))
            else:
                steps.append((str(self._string()), mark))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return steps
            self._at += 1

    def _value(self) -> _Value:
        mark = self._mark()
        sign = self._text[self._at]
        if sign == "[":
            return Node(mark, self._array(), mark)
        if sign == "{":
            return self._inline(mark)
        if sign in "\"'":
            return Node(mark, self._string(), mark)
        found = _SCALAR.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return Node(mark, _loaded(found[0].strip()), mark)

    def _array(self) -> list[Node]:
        self._at += 1
        items: list[Node] = []
        while True:
            self._skip(_NOTHING)
            if self._text[self._at] == "]":
                self._at += 1
                return items
            mark = self._mark()
            items.append(_node(self._value(), mark))
            self._skip(_NOTHING)
            if self._text[self._at] == ",":
                self._at += 1

    def _inline(self, mark: Mark) -> _Table:
        self._at += 1
        table = _Table(mark)
        while True:
            self._skip(_NOTHING)
            if self._text[self._at] == "}":
                self._at += 1
                return table
            self._pair(table)
            self._skip(_NOTHING)
            if self._text[self._at] == ",":
                self._at += 1

    def _string(self) -> str:
        begin, quote = self._at, self._text[self._at]
        long = self._text.startswith(quote * 3, begin)
        end = self._end_of_long(quote) if long else self._end_of_short(quote)
        self._at = end
        return str(_loaded(self._text[begin:end]))

    def _end_of_short(self, quote: str) -> int:
        at = self._at + 1
        while self._text[at] != quote:
            at += 2 if quote == '"' and self._text[at] == "\\" else 1
        return at + 1

    def _end_of_long(self, quote: str) -> int:
        at = self._at + 3
        while not self._text.startswith(quote * 3, at):
            at += 2 if quote == '"' and self._text[at] == "\\" else 1
        at += 3
        while self._text[at : at + 1] == quote:  # one or two more belong to the text
            at += 1
        return at

    def _skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _mark(self) -> Mark:
        low, high = 0, len(self._lines)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._lines[middle] <= self._at else (low, middle)
        return Mark(self._start.file, low + 1, self._at - self._lines[low] + 1)


def _descend(table: _Table, way: list[tuple[str, Mark]]) -> _Table:
    for name, mark in way:
        table.keys_at.setdefault(name, mark)
        found = table.setdefault(name, _Table(mark))
        table = found[-1] if isinstance(found, list) else found
    return table


def _loaded(text: str) -> Any:
    value = tomllib.loads(f"v = {text}")["v"]
    return text if isinstance(value, datetime | date | time) else value


def _node(value: _Value, key: Mark) -> Node:
    if isinstance(value, _Table):
        entries = {name: _node(each, value.keys_at[name]) for name, each in value.items()}
        return Node(value.mark, entries, key)
    if isinstance(value, list):
        return Node(key, [_node(each, each.mark) for each in value], key)
    assert isinstance(value, Node)
    return Node(value.mark, value.value, key)


def _deeper(node: Node, levels: int) -> bool:
    if not isinstance(node.value, dict | list):
        return False
    children = node.value.values() if isinstance(node.value, dict) else node.value
    return levels == 0 or any(_deeper(child, levels - 1) for child in children)
