"""Nicks as servers compare them, and as people write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase

_ASCII = str.maketrans(ascii_uppercase, ascii_lowercase)
_FOLDS = {
    "ascii": _ASCII,
    "strict-rfc1459": {**_ASCII, **str.maketrans("[]\\", "{}|")},
    "rfc1459": {**_ASCII, **str.maketrans("[]\\~", "{}|^")},
}
_SHORT = 9
"""The length of a nick that every server takes (RFC 1459, 1.2)."""


def fold(name: str, casemapping: str) -> str:
    """Return `name` so that what the server takes for the same is equal (CASEMAPPING)."""
    table = _FOLDS.get(casemapping)
    return name.casefold() if table is None else name.translate(table)


def is_addressed(text: str, nick: str, casemapping: str, *, action: bool = False) -> bool:
    """Whether `text` begins with `nick:`, `nick,` or `@nick`; of an action, whether it names it."""
    if action:
        words = re.findall(r"[\w\-\[\]\\`^{}|]+", text)
        return any(fold(word, casemapping) == fold(nick, casemapping) for word in words)
    at = text.startswith("@")
    start = text[at:][: len(nick)]
    if not nick or fold(start, casemapping) != fold(nick, casemapping):
        return False
    following = text[at:][len(nick) : len(nick) + 1]
    if at:
        return not following or re.match(r"[\w\-\[\]\\`^{}|]", following) is None
    return following in (":", ",")


def alternatives(nick: str) -> Iterator[str]:
    """Yield what to try when `nick` is taken, none longer than `nick` or nine characters."""
    longest = max(len(nick), _SHORT)
    suffixes = ["_", "__", *(str(number) for number in range(1, 30))]
    found = dict.fromkeys(nick[: longest - len(suffix)] + suffix for suffix in suffixes)
    found.pop(nick, None)
    yield from found
