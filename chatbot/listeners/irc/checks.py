"""What is wrong with the values of an IRC network's settings, one by one. Pure but for files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chatbot.listeners.irc.text import is_nick


def is_text(value: object, most: int, *, blanks: bool, empty: bool = True) -> bool:
    """Whether `value` is one line of at most `most` bytes."""
    if not isinstance(value, str) or len(value.encode(errors="replace")) > most:
        return False
    allowed = value.isprintable() and (blanks or " " not in value)
    return allowed and (empty or bool(value))


def is_host(value: object) -> bool:
    """Whether `value` can be a host name or an address."""
    return is_text(value, 255, blanks=False, empty=False) and "/" not in str(value)


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and _is_number(value, least, most)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_file(value: object) -> bool:
    return value is None or (isinstance(value, Path) and value.is_file())


def _are_masks(value: object) -> bool:
    return isinstance(value, bool) or (
        isinstance(value, tuple)
        and all(is_text(mask, 200, blanks=False, empty=False) for mask in value)
    )


VALUES: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("server", is_host, "must be a host name or an address, like irc.libera.chat"),
    ("port", lambda v: _is_whole(v, 1, 65535), "must be a port, 1 to 65535"),
    ("servers", lambda v: isinstance(v, tuple), "must be a list of hosts, like [host:6697]"),
    ("tls", _is_bool, "must be true or false"),
    ("ca_file", _is_file, "is not a file"),
    ("nick", lambda v: isinstance(v, str) and is_nick(v), "must be a nick, like chatbot"),
    ("username", lambda v: is_text(v, 64, blanks=False), "must be one short word"),
    ("realname", lambda v: is_text(v, 200, blanks=True), "must be one line, at most 200 bytes"),
    ("password", lambda v: is_text(v, 400, blanks=True), "must be one line, at most 400 bytes"),
    ("password_file", _is_file, "is not a file"),
    ("account", lambda v: is_text(v, 255, blanks=False), "must be one word"),
    (
        "account_password",
        lambda v: is_text(v, 1000, blanks=True),
        "must be one line, at most 1000 bytes",
    ),
    ("account_password_file", _is_file, "is not a file"),
    (
        "sasl",
        lambda v: v in (None, "plain", "external", "none"),
        "must be plain, external or none",
    ),
    ("certificate", _is_file, "is not a file"),
    ("account_required", _is_bool, "must be true or false"),
    ("nickserv", _is_bool, "must be true or false"),
    ("channels", lambda v: isinstance(v, tuple), "must be a list of channels"),
    ("invites", _are_masks, "must be true, false or a list of masks, like ['*!*@staff.example']"),
    ("rate", lambda v: _is_number(v, 0.01, 100000), "must be a number of lines a second"),
    ("burst", lambda v: _is_whole(v, 1, 100000), "must be a number of lines, 1 or more"),
    ("lines", lambda v: _is_whole(v, 1, 100), "must be a number of lines, 1 to 100"),
    ("overflow", lambda v: v in ("split", "cut"), "must be split or cut"),
    (
        "delivery",
        lambda v: v in ("at-least-once", "at-most-once"),
        "must be at-least-once or at-most-once",
    ),
)
"""The settings' fields in their order: key, whether the value is right, what is wrong if not."""
