"""Replies as the server takes them: Markdown, in messages of at most 4096 characters. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

import regex

from chatbot.messages import Reply

LIMIT = 4096
"""What the server counts: UTF-16 code units, as its JavaScript does."""

ELLIPSIS = "…"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")
_LINE_END = re.compile(r"\r\n|\r")
_ADDRESS = re.compile(r"(https?://[^\s<>]+)")
_FORMAT = re.compile(r"[\\`*\[\]<>~]|(?<![^\W_])_|_(?![^\W_])")
_LEADING = re.compile(r"^(\s*)([#+-]|\d+\.)(?=\s)", re.MULTILINE)
_GRAPHEME = regex.compile(r"\X")


def said(replies: Iterable[Reply], *, most: int, limit: int = LIMIT) -> list[str]:
    """Return what to say for `replies`: at most `most` messages each, none of them empty.

    Long ones break at the ends of lines or at blanks, else between graphemes. What exceeds
    `most` is cut, and the last message ends in an ellipsis.
    """
    found: list[str] = []
    for reply in replies:
        text = _CONTROL.sub("", _LINE_END.sub("\n", reply.text))
        text = text.encode("utf-8", "replace").decode()
        found += _pieces(text if reply.markdown else plain(text), limit, most)
    return found


def plain(text: str) -> str:
    """Return `text` so that it is shown as it is, where Markdown is understood.

    Addresses are left alone, as they would lead elsewhere, and so are mentions.
    """
    parts = _ADDRESS.split(text)
    parts[::2] = (_LEADING.sub(_escaped, _FORMAT.sub(r"\\\g<0>", part)) for part in parts[::2])
    return "".join(parts)


def _escaped(match: re.Match[str]) -> str:
    sign = match[2]
    return f"{match[1]}{sign[:-1]}\\{sign[-1]}"


def _pieces(text: str, limit: int, most: int) -> list[str]:
    pieces: list[str] = []
    rest = text.strip()
    while rest:
        if len(pieces) == most:
            pieces[-1] = _cut(pieces[-1], limit - 1)[0].rstrip() + ELLIPSIS
            break
        piece, rest = _cut(rest, limit)
        pieces.append(piece.rstrip())
        rest = rest.lstrip()
    return pieces


def _cut(text: str, limit: int) -> tuple[str, str]:
    """Return as much of `text` as fits into `limit`, and the rest of it."""
    end = _fitting(text, limit)
    if end == len(text):
        return text, ""
    for sign in ("\n", " "):
        blank = text.rfind(sign, end // 2, end + 1)
        if blank > 0:
            return text[:blank], text[blank:]
    ends = [match.end() for match in _GRAPHEME.finditer(text[: end + 64]) if match.end() <= end]
    return text[: ends[-1] if ends else end], text[ends[-1] if ends else end :]


def _fitting(text: str, limit: int) -> int:
    """Return how many characters of `text` have `limit` UTF-16 code units or fewer."""
    size = 0
    for index, sign in enumerate(text[: limit + 1]):
        size += 2 if sign > "\uffff" else 1
        if size > limit:
            return index
    return min(len(text), limit + 1)
