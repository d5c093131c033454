"""What instances that the program itself makes of a flow file are called where people read it.

`help~1` is an expression of `help`, `help~room` leads to one of its instances, `help~room2` is
one of these, and `help~sure` what they give, from whichever it comes. Pure.
"""

from __future__ import annotations

import re

EXPRESSION = "{{ … }}"

_MADE = re.compile(r"(?<![\w./~-])[A-Za-z_][\w/-]*~(?:\d+(?!\.?\w)|room\d*(?!\w)(?:/[\w-]+)*)")
_VARIANT = re.compile(r"~room\d+")


def told(path: str) -> str:
    """Return what an instance is called in the file: `a/help {{ … }}` for `a/help~1`."""
    if "~" not in path:
        return path
    within, slash, own = in_any_room(path).rpartition("/")
    name, _, made = own.partition("~")
    expression = f" {EXPRESSION}" if made.isdigit() else ""
    return f"{within}{slash}{name}{expression}"


def in_any_room(path: str) -> str:
    """Return the path of the instance that `path` is a variant of, in some room; else `path`."""
    return _VARIANT.sub("", path)


def is_ours(path: str) -> bool:
    """Whether an instance stands for nothing in the file: it leads messages to others."""
    own = in_any_room(path).rpartition("/")[2]
    return "~" in own and not own.rpartition("~")[2].isdigit()


def in_terms_of_the_file(text: str) -> str:
    """Return what is said of instances with the names that they have in the file."""
    return _MADE.sub(lambda found: told(found[0]), text) if "~" in text else text
