"""What a key of a flow file is described by: its types, choices and bounds. Pure."""

from __future__ import annotations

from dataclasses import dataclass

NULL, TEXT, NUMBER, WHOLE, TRUTH, LIST, MAP = (
    *("null", "string", "number", "integer", "boolean", "array", "object"),
)
"""JSON Schema's names of types."""

ANY = (NULL, TEXT, NUMBER, TRUTH, LIST, MAP)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section.

    Its value has one of the `types` (JSON Schema's). Of a text, `choices` are all that there are,
    or `suggested` some of them, and `pattern` (of Python's `re`, the whole text) is what it looks
    like. A map is the section that `section` names, or has such sections under names of the
    author's choice (`each`); the items of a list are likewise of `each`, or have one of the types
    `items`, as the values of a map without a section have. Where no text may
    stand, `choices` are of the values of a map. `least` and `most` are of a number.
    """

    doc: str
    types: tuple[str, ...]
    default: object = None
    required: bool = False
    choices: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    pattern: str = ""
    section: str = ""
    each: str = ""
    items: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    example: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """A section: what it is for, and its keys; an `open` one takes others, too.

    What is open has keys of its own for each kind: a listener's settings, an operation's
    configuration.
    """

    doc: str
    keys: dict[str, Key]
    open: bool = False


OFF = "off"
RATE = r"off|\d{1,6} in \S.*"
QUIET = r"off|\d{1,2}:\d\d ?- ?\d{1,2}:\d\d \S+"
_WORDS = (
    *("hour", "day", "weekday", "weekend", "month", "sunday", "monday"),
    *("tuesday", "wednesday", "thursday", "friday", "saturday"),
)
EVERY = (
    r"\s*(\d{1,3} ?[MmHh][A-Za-z]*|("
    + "|".join("".join(f"[{c}{c.upper()}]" for c in word) for word in _WORDS)
    + r")(\s+[Aa][Tt]\s+(:\d\d|\d{1,2}(:\d\d)?))?)\s*"
)
"""What such texts look like, in any case; the checker knows more."""

NAME = r"[a-z0-9][a-z0-9_-]*"
DURATION = r"\d+(\.\d+)? ?(ms|s|min|m|h|d|w)?"
SOURCE = r"[^.\s]+\.\S+|\w+|.*\{\{.*"
PRIMITIVES = {
    "string": "string",
    "number": "float",
    "integer": "int",
    "boolean": "bool",
    "list": "array",
    "map": "map",
    "any": "generic",
}
"""The types that a subflow's inputs may have, and DFFML's words for them."""


def a_time(doc: str, default: str | None = None) -> Key:
    """Return a key whose value is a time such as `30s`."""
    return Key(doc, (TEXT, NUMBER), default=default, pattern=DURATION)
