"""What a flow file may say about a classic Gitter server, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from chatbot.listeners.secret import secret_of, secret_problems

Problem = tuple[str, str]
"""The key that is wrong, and what is wrong with its value."""

REQUIRED = ("gitterpy", "aiohttp")
"""What the extra `gitter` installs."""

_ROOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+){0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitterSettings:
    """One account on one server. Nothing is checked before `problems` is called."""

    server: str
    """The address of the API, like https://gitter.example.org/api/v1."""
    stream: str = ""
    """The address of the streams, like https://gitter.example.org:5003/v1; empty: there are none,
    and the rooms are asked for what is new every few seconds."""
    token: str = field(default="", repr=False)
    """The bot's access token."""
    token_file: Path | None = None
    """A file that holds it, instead."""
    rooms: tuple[str, ...] = ()
    """The rooms to listen in, like org/room; the bot joins those that it is not in."""
    private: bool = True
    """Whether to listen in one-to-one rooms."""
    ca_file: Path | None = None
    """PEM file with the authorities to trust instead of the system's (a private CA)."""
    rate: int = 100
    """Requests a minute that the server allows (its `web:apiRateLimit`)."""
    messages: int = 5
    """Messages that one reply may take; a longer one is cut there and ends in an ellipsis."""

    def __post_init__(self) -> None:
        """Bring what YAML gives into the declared types, as far as it is unambiguous."""
        if isinstance(self.rooms, str):
            object.__setattr__(self, "rooms", (self.rooms,))
        elif isinstance(self.rooms, list):
            object.__setattr__(self, "rooms", tuple(self.rooms))
        for key in ("token_file", "ca_file"):
            if isinstance(getattr(self, key), str):
                object.__setattr__(self, key, Path(getattr(self, key)))

    def secret(self) -> str:
        """Return the token; reads its file. Raises `ListenerError`."""
        return secret_of(self.token, self.token_file, "token")

    def problems(self) -> list[Problem]:
        """Return all that is wrong, in the order of the fields; empty where nothing is."""
        missing = [name for name in REQUIRED if find_spec(name) is None]
        found = [
            ("server", f"cannot be used without {name}: pip install 'chatbot[gitter]'")
            for name in missing
        ]
        found += [(key, wanted) for key, is_right, wanted in _CHECKS if not is_right(self._of(key))]
        found += secret_problems(self.token, self.token_file, "token", required=True)
        rooms = self.rooms if isinstance(self.rooms, tuple) else ()
        return found + [
            ("rooms", f"{room!r} is not a room, like org/room")
            for room in rooms
            if not (isinstance(room, str) and _ROOM.fullmatch(room))
        ]

    def _of(self, key: str) -> object:
        return getattr(self, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every duration that the listener works with, in seconds. Tests shorten some of them."""

    connect: float = 10.0
    """For a connection, TLS included."""
    answer: float = 20.0
    """For an answer, the connection included; who sent something does not know then if it was."""
    settle: float = 2.0
    """For the server to finish what it was told before it fell silent."""
    silence: float = 90.0
    """Without a byte on a stream, keep-alives included, after which it is given up."""
    poll: float = 5.0
    """Between questions for what is new, where the stream is away."""
    check: float = 60.0
    """Likewise where it is there; one that stays silent about messages is noticed so."""
    missed: float = 10.0
    """In which a stream that works has passed a message on."""
    rooms: float = 60.0
    """Between looks for new one-to-one rooms."""
    refused: float = 120.0
    """Before a room that does not let us in is tried again."""
    backoff: float = 0.5
    """Before the first new attempt after the server failed; doubled each time, with jitter."""
    backoff_most: float = 60.0
    leave: float = 0.5
    """For storing how far we heard, at the end."""


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return bool(
            parts.scheme in ("http", "https")
            and parts.hostname
            and parts.port != 0
            and "@" not in parts.netloc
            and not parts.query
            and not parts.fragment
        )
    except ValueError:
        return False


def _is_token(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and len(value) < 4096


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


_ADDRESS = "must be an address without a credential, like https://gitter.example.org/api/v1"

_CHECKS: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("server", _is_address, _ADDRESS),
    ("stream", lambda v: v == "" or _is_address(v), _ADDRESS),
    ("token", _is_token, "must be one line of ASCII"),
    ("rooms", lambda v: isinstance(v, tuple), "must be a list of rooms"),
    ("private", lambda v: isinstance(v, bool), "must be true or false"),
    ("ca_file", lambda v: v is None or (isinstance(v, Path) and v.is_file()), "is not a file"),
    ("rate", lambda v: _is_whole(v, 10, 100_000), "must be requests a minute, 10 or more"),
    ("messages", lambda v: _is_whole(v, 1, 100), "must be a number of messages, 1 to 100"),
)
