"""What a flow file may say about an IRC network, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from chatbot.listeners.irc.text import is_channel, is_nick

Problem = tuple[str, str]
"""The key that is wrong, and what is wrong with its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IrcSettings:
    """One IRC network.

    Values may come as a YAML reader gives them: a list of channels becomes a tuple, a path
    given as text a `Path`. Nothing is checked before `problems` is called.
    """

    server: str
    """Host name or address; there is no default, so that no bot joins a network by accident."""
    port: int = 6697
    """6697 is TLS by custom, 6667 is not."""
    tls: bool = True
    """TLS with the certificate verified. `false` sends everything in clear."""
    ca_file: Path | None = None
    """PEM file with the authorities to trust instead of the system's (a private CA)."""
    nick: str = "chatbot"
    """The nick wanted; when it is taken, a similar one is used until this one is free."""
    username: str = ""
    """What stands before the @ in the bot's mask; the nick where it is empty."""
    realname: str = ""
    """What WHOIS shows; the nick where it is empty."""
    password: str = field(default="", repr=False)
    """The server's password (PASS), where it has one."""
    channels: tuple[str, ...] = ()
    """The channels to join, with their `#`."""
    rate: float = 1.0
    """Lines a second, once `burst` is used up; everything sent counts, on one bucket."""
    burst: int = 4
    """Lines that may leave at once after a silence."""
    lines: int = 5
    """Lines that one reply may take; a longer one is cut there and ends in an ellipsis."""
    delivery: Literal["at-least-once", "at-most-once"] = "at-least-once"
    """What happens to a reply when the bot or the server dies while it is being said: said
    again (`at-least-once`), or perhaps never (`at-most-once`). IRC offers no third."""

    def __post_init__(self) -> None:
        """Bring what YAML gives into the declared types, as far as it is unambiguous."""
        if isinstance(self.channels, str):
            object.__setattr__(self, "channels", (self.channels,))
        elif isinstance(self.channels, list):
            object.__setattr__(self, "channels", tuple(self.channels))
        if isinstance(self.ca_file, str):
            object.__setattr__(self, "ca_file", Path(self.ca_file))

    def problems(self) -> list[Problem]:
        """Return all that is wrong, in the order of the fields; empty where nothing is."""
        found: list[Problem] = []
        for key, is_right, wanted in _CHECKS:
            if not is_right(getattr(self, key)):
                found.append((key, wanted))
        if isinstance(self.channels, tuple):
            found += [
                ("channels", f"{channel!r} is not a channel (quote it, as '#' starts a comment)")
                for channel in self.channels
                if not (isinstance(channel, str) and is_channel(channel))
            ]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every duration that the listener works with, in seconds. Tests shorten some of them."""

    connect: float = 20.0
    """For the connection, TLS included."""
    register: float = 45.0
    """From the connection until the server's welcome (ident and host look-ups are slow)."""
    ping: float = 30.0
    """Silence after which the server is asked for a sign of life."""
    silence: float = 65.0
    """Silence after which the connection is given up."""
    receipt: float = 20.0
    """How long a talking server may leave a receipt unanswered before we stop asking."""
    rejoin: float = 5.0
    """Before the first attempt to join again; doubled each time."""
    rejoin_attempts: int = 6
    """Attempts to join a channel in which we have not stayed for `stay`."""
    stay: float = 600.0
    """A stay in a channel that wipes out earlier failures."""
    regain: float = 60.0
    """Between attempts to get the wanted nick back."""
    backoff: float = 0.5
    """Before the first attempt to connect again; doubled each time, with jitter."""
    backoff_most: float = 60.0
    stable: float = 30.0
    """A connection that lasted this long makes the next attempt a quick one."""
    leave: float = 0.5
    """For the server to answer our QUIT, and again for the bridge to take what is left."""


def _is_text(value: object, most: int, *, blanks: bool, empty: bool = True) -> bool:
    if not isinstance(value, str) or len(value.encode(errors="replace")) > most:
        return False
    allowed = value.isprintable() and (blanks or " " not in value)
    return allowed and (empty or bool(value))


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and _is_number(value, least, most)


_CHECKS: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    (
        "server",
        lambda v: _is_text(v, 255, blanks=False, empty=False) and "/" not in str(v),
        "must be a host name or an address, like irc.libera.chat",
    ),
    ("port", lambda v: _is_whole(v, 1, 65535), "must be a port, 1 to 65535"),
    ("tls", lambda v: isinstance(v, bool), "must be true or false"),
    ("ca_file", lambda v: v is None or (isinstance(v, Path) and v.is_file()), "is not a file"),
    ("nick", lambda v: isinstance(v, str) and is_nick(v), "must be a nick, like chatbot"),
    ("username", lambda v: _is_text(v, 64, blanks=False), "must be one short word"),
    ("realname", lambda v: _is_text(v, 200, blanks=True), "must be one line, at most 200 bytes"),
    ("password", lambda v: _is_text(v, 400, blanks=True), "must be one line, at most 400 bytes"),
    ("channels", lambda v: isinstance(v, tuple), "must be a list of channels"),
    ("rate", lambda v: _is_number(v, 0.01, 100000), "must be a number of lines a second"),
    ("burst", lambda v: _is_whole(v, 1, 100000), "must be a number of lines, 1 or more"),
    ("lines", lambda v: _is_whole(v, 1, 100), "must be a number of lines, 1 to 100"),
    (
        "delivery",
        lambda v: v in ("at-least-once", "at-most-once"),
        "must be at-least-once or at-most-once",
    ),
)
