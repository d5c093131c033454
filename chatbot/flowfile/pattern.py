"""What a test expects of a value, in the short forms that it is written in. Pure."""

from __future__ import annotations

import re
from typing import Any

BOUND = re.compile(r"(<=|>=|<|>) ?(-?\d+(?:\.\d+)?)")


def fits(wanted: Any, found: Any) -> bool:
    """Whether a value is as expected: equal, within a bound (`"> 0.5"`), or like a pattern."""
    if isinstance(wanted, str):
        bound = BOUND.fullmatch(wanted)
        if bound is not None and isinstance(found, int | float):
            limit = float(bound[2])
            sign = bound[1]
            less = found < limit if sign[0] == "<" else found > limit
            return less or (len(sign) == 2 and found == limit)
        return isinstance(found, str) and like(wanted, found)
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return float(wanted) == float(found)
    return bool(wanted == found)


def like(pattern: str, text: str) -> bool:
    """Whether `text` is `pattern`, in which `*` stands for any text, and `\\*` for itself."""
    parts = re.split(r"(\\\*|\*)", pattern)
    regex = "".join({"*": ".*", "\\*": r"\*"}.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(regex, text, re.DOTALL) is not None


def resembles(pattern: str, text: str) -> bool:
    """Whether `text` is `pattern`, in any case; `*` stands for any text. Takes linear time."""
    first, *rest = pattern.casefold().split("*")
    text = text.casefold()
    if not rest:
        return text == first
    if not text.startswith(first):
        return False
    *inner, last = rest
    at = len(first)
    for part in inner:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - at >= len(last) and text.endswith(last)
