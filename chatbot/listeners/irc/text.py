"""Text as it comes off the wire and as it may go onto it. Pure.

The rule that it guards: what leaves `lines` holds no byte that ends an IRC line or wedges a
server (ngircd takes a bare CR for a line's end, and NUL stops it for good), and every line
arrives whole, since servers cut what exceeds 512 bytes with their own prefix counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import regex

LINE = 512
"""Bytes of a line, CR LF and the prefix that the server adds included (RFC 1459, 2.3)."""
ELLIPSIS = "…"

# mIRC's and Unicode-colour formatting: it is the platform's, not what the person said.
_FORMATTING = re.compile(
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?"
    r"|[\x02\x0f\x11\x16\x1d\x1e\x1f]"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LINE_END = re.compile(r"\r\n|\r|\n")
# Formatting may leave; \x01 may not, as it would make a CTCP request of an echoed text.
_UNSPEAKABLE = re.compile(r"[\x00\x01\x05-\x0e\x10\x12-\x15\x17-\x1c\x7f]")
_LINK = re.compile(r"https?://[^\s<>\"]+")
_GRAPHEME = regex.compile(r"\X")
_TARGET = re.compile(r"[^\x00-\x20,:$@\x7f][^\x00-\x20,\x7f]*")


def heard(text: str) -> str:
    """Return what the person said: no formatting codes, one line, no control characters."""
    return _CONTROL.sub(" ", _FORMATTING.sub("", text)).strip()


def lines(text: str, *, limit: int, most: int, cut: bool = False) -> list[str]:
    """Split `text` into at most `most` lines of at most `limit` bytes of UTF-8 each.

    Line ends in `text` make new lines; long ones break at blanks, else between graphemes,
    else (a grapheme beyond `limit`) between code points. What exceeds `most` is cut, and the
    last line then ends in an ellipsis. With `cut`, a long one is not broken but cut, too.
    Returns an empty list where there is nothing to say.
    """
    said: list[str] = []
    for line in _LINE_END.split(text):
        if cut:
            line = _shortened(_UNSPEAKABLE.sub("", line.replace("\t", " ")).strip(), limit)
        for piece in _pieces(_UNSPEAKABLE.sub("", line.replace("\t", " ")).strip(), limit):
            if not piece.strip():
                continue
            if len(said) == most:
                said[-1] = _cut(said[-1], limit)
                return said
            said.append(piece)
    return said


def room_for_text(prefix: str | None, command: str, target: str, *, reserve: int) -> int:
    """Return the bytes of text that arrive in `:prefix command target :text`.

    `reserve` stands for the length of a prefix that is not known yet.
    """
    length = _size(prefix) if prefix else reserve
    return max(64, LINE - length - _size(f": {command} {target} :\r\n"))


def is_target(name: str) -> bool:
    """Whether `name` may stand as the target of a PRIVMSG: one nick or one channel."""
    return _size(name) <= 200 and _TARGET.fullmatch(name) is not None


def is_channel(name: str, prefixes: str = "#&+!") -> bool:
    """Whether `name` is a channel that may be joined."""
    return is_target(name) and name[0] in prefixes


def is_nick(name: str) -> bool:
    """Whether `name` can be a nick; a server may still be stricter."""
    return (
        is_target(name)
        and name.isprintable()
        and not is_channel(name)
        and not name[0].isdigit()
        and name[0] not in "-~%"
        and not set(name) & set("!@*?.")
    )


def _pieces(line: str, limit: int) -> Iterator[str]:
    piece, size, blank = "", 0, 0
    for part in _parts(line, limit):
        if part == " " and not piece:
            continue
        piece += part
        size += _size(part)
        if part == " ":
            blank = len(piece)
        if size > limit:
            # A blank near the start would waste the line: long words are broken instead.
            end = blank if blank > len(piece) // 2 else len(piece) - len(part)
            yield piece[:end].rstrip()
            piece, blank = piece[end:].lstrip(" "), 0
            size = _size(piece)
    if piece:
        yield piece


def _parts(line: str, limit: int) -> Iterator[str]:
    for match in _GRAPHEME.finditer(line):
        grapheme: str = match.group()
        if _size(grapheme) > limit:
            yield from grapheme
        else:
            yield grapheme


def _shortened(line: str, limit: int) -> str:
    """Cut `line` to `limit` bytes; the last link that is cut off stands behind the ellipsis."""
    if _size(line) <= limit:
        return line
    links = _LINK.findall(line)
    tail = f" {links[-1]}" if links else ""
    if not tail or _size(tail) > limit // 2:
        return _cut(next(_pieces(line, limit)), limit)
    head = next(_pieces(line, limit - _size(tail) - _size(ELLIPSIS)))
    if links[-1] in head:
        return _cut(next(_pieces(line, limit)), limit)
    return head + ELLIPSIS + tail


def _cut(line: str, limit: int) -> str:
    if _size(line) + _size(ELLIPSIS) <= limit:
        return line + ELLIPSIS
    return next(_pieces(line, limit - _size(ELLIPSIS))) + ELLIPSIS


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
