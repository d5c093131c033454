"""What is wrong with a text that is no JSON, in words for who wrote it; pure.

Python's parser says what it expected, and where it stood then; the rule here is to point at what
was meant instead: the comma before the bracket, the bracket that is never closed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from chatbot.flowfile.syntax import Fault

_COMMENT = re.compile(r"//|#|/\*")
_WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null", "NULL": "null"}
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_DOUBLE = 'JSON has texts and keys in double quotes: "…"'

_Look = Callable[[str, int, str], tuple[int, str, str] | None]


def fault_of(error: json.JSONDecodeError, text: str) -> Fault:
    """Return what `error` says of `text`."""
    for look in _LOOKS:
        found = look(text, error.pos, error.msg)
        if found is not None:
            return _at(text, *found)
    return _at(text, error.pos, f"{error.msg[:1].lower()}{error.msg[1:]}", "")


def _at(text: str, position: int, message: str, hint: str) -> Fault:
    line = text.count("\n", 0, position)
    return Fault(line, position - text.rfind("\n", 0, position) - 1, message, hint)


def _comment(text: str, position: int, message: str) -> tuple[int, str, str] | None:  # noqa: ARG001
    if _COMMENT.match(text, position) is None:
        return None
    hint = "take it out, or write the file as YAML, which has them"
    return position, "JSON has no comments", hint


def _comma(text: str, position: int, message: str) -> tuple[int, str, str] | None:
    before = text[:position].rstrip()
    after = text[position : position + 1]
    if message.startswith("Illegal trailing comma") and after == ",":
        before = text[: position + 1]
    elif not (before.endswith(",") and after in ("}", "]")):
        return None
    return len(before) - 1, "there is a comma too many: nothing follows it", "take it out"


def _quotes(text: str, position: int, message: str) -> tuple[int, str, str] | None:
    if not message.startswith("Expecting") or "delimiter" in message:
        return None
    word = re.match(r"\w+", text[position:])
    if word and word[0] in _WORDS:
        return position, f"`{word[0]}` means nothing in JSON", f"write {_WORDS[word[0]]}"
    if word or text[position : position + 1] in ("'", "“", "‘", "`"):
        return position, "a text or a key has no double quotes here", _DOUBLE
    return None


def _open(text: str, position: int, message: str) -> tuple[int, str, str] | None:
    """The text ends, and a bracket was not closed."""
    if message.startswith("Unterminated string") or "control character" in message:
        start = text.rfind('"', 0, position + 1)
        return start, "this quote is never closed", "a text ends in the line that it begins in"
    if text[position:].strip():
        return None
    opened: list[int] = []
    for place, sign in enumerate(_STRING.sub(lambda found: " " * len(found[0]), text)):
        if sign in "[{":
            opened.append(place)
        elif sign in "]}" and opened:
            opened.pop()
    if not opened:
        return None
    sign = text[opened[-1]]
    close = "close it with " + ("}" if sign == "{" else "]")
    return opened[-1], f"this {sign} is never closed", close


def _delimiter(text: str, position: int, message: str) -> tuple[int, str, str] | None:
    if "':' delimiter" in message:
        return position, "a colon is missing before this", 'write "key": value'
    if "',' delimiter" not in message:
        return None
    if text[position : position + 1] in ("}", "]"):
        return position, f"there is a `{text[position]}` too many, or the other kind is wanted", ""
    return len(text[:position].rstrip()), "a comma is missing here", "entries are parted by commas"


_LOOKS: tuple[_Look, ...] = (_comment, _comma, _open, _quotes, _delimiter)
