"""Texts and names as they come from the network and as they may go onto it. Pure.

The rule that it guards: nothing that leaves here breaks an encoding, a log's line or a prompt.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import regex

LONGEST = 64 * 1024
"""Characters of a text that are looked at; the event limit of the network is 64 KiB."""
NAME = 100
"""Characters of a display name that are kept."""
ELLIPSIS = "…"

_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")
_FALLBACK = re.compile(r"\A> (?:\* )?<[^\n]*\n(?:>[^\n]*\n)*\n?")
_GRAPHEME = regex.compile(r"\X")


def heard(text: str) -> str:
    """Return what the person said, in lines: no control characters, nothing that is no Unicode."""
    return spoken(text[:LONGEST]).strip()


def spoken(text: str) -> str:
    """Return `text` as an event may hold it."""
    text = _LINE_END.sub("\n", _SURROGATE.sub("\ufffd", text))
    return _UNSPEAKABLE.sub("", text)


def without_fallback(text: str) -> str:
    """Return a reply's text without the quotation that older clients put before it."""
    return _FALLBACK.sub("", text, count=1)


def name(given: str) -> str:
    """Return a display name as one short, printable line that cannot turn the text around it."""
    kept = "".join(_seen(character) for character in given[: 4 * NAME])
    return " ".join(kept.split())[:NAME].strip()


def localpart(user: str) -> str:
    """Return what stands between `@` and `:` of a Matrix id."""
    return user[1:].partition(":")[0]


def is_addressed(text: str, names: frozenset[str]) -> bool:
    """Whether `text` begins with `name:` or `name,`, or has `@name` as a word, in any case."""
    lowered = text.casefold()
    for each in names:
        wanted = each.casefold()
        if not wanted:
            continue
        if lowered.startswith(wanted) and lowered[len(wanted) : len(wanted) + 1] in (":", ","):
            return True
        if re.search(rf"(?<![\w@])@{re.escape(wanted)}(?![\w-])", lowered):
            return True
    return False


def pieces(text: str, *, limit: int, most: int) -> list[str]:
    """Split `text` into at most `most` pieces of at most `limit` bytes of UTF-8 each.

    They break at lines, else at blanks, else between graphemes, else (a grapheme beyond
    `limit`) between code points. What exceeds `most` is cut, and the last piece then ends in an
    ellipsis. Returns an empty list where there is nothing to say.
    """
    rest = spoken(text).strip("\n")
    found: list[str] = []
    while rest.strip():
        piece, rest = _split(rest, limit)
        if not piece:
            continue  # blank lines
        if len(found) == most:
            found[-1] = _split(found[-1], limit - size(ELLIPSIS))[0] + ELLIPSIS
            break
        found.append(piece)
    return found


def size(text: str) -> int:
    """Return the bytes that `text` takes."""
    return len(text.encode(errors="replace"))


def _seen(character: str) -> str:
    category = unicodedata.category(character)
    return " " if category in ("Cc", "Zl", "Zp") else "" if category[0] == "C" else character


def _split(text: str, limit: int) -> tuple[str, str]:
    """Return the first piece of `text`, and what is left."""
    if size(text) <= limit:
        return text.rstrip(), ""
    end = _fitting(text, limit)
    for blank in ("\n", " "):
        at = text.rfind(blank, end // 2, end + 1)
        if at > 0:
            return text[:at].rstrip(), text[at:].lstrip(" ").removeprefix("\n")
    return text[:end], text[end:]


def _fitting(text: str, limit: int) -> int:
    """Return how many characters of `text` fit; at least one."""
    end = used = 0
    for part in _parts(text, limit):
        used += size(part)
        if used > limit:
            break
        end += len(part)
    return max(1, end)


def _parts(text: str, limit: int) -> Iterator[str]:
    for match in _GRAPHEME.finditer(text):
        grapheme: str = match.group()
        if size(grapheme) > limit:
            yield from grapheme
        else:
            yield grapheme
