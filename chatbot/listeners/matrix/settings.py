"""What a flow file may say about an account on Matrix, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

Problem = tuple[str, str]
"""The key that is wrong, and what is wrong with its value."""

USER = re.compile(r"@([\x21-\x39\x3b-\x7e]*):([A-Za-z0-9.\-:\[\]]{1,230})")
"""A Matrix id: a localpart (old ones may hold nearly anything) and a server name."""
_ROOM = re.compile(r"!\S{1,254}|#[^\s:][^:\s]*:\S+")


def is_address(value: str, schemes: tuple[str, ...]) -> bool:
    """Whether `value` can be the base address of a client API."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    plain = not parts.query and not parts.fragment and parts.username is None
    clean = value.isascii() and value.isprintable() and " " not in value and len(value) <= 500
    return parts.scheme in schemes and bool(parts.hostname) and plain and clean


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixSettings:
    """One account on Matrix. Nothing is checked before `problems` is called."""

    user: str
    """The bot's Matrix id, as @helpbot:gitter.im; its server is found from it."""
    homeserver: str = ""
    """The address of the client API, where the server name does not lead to it."""
    token: str = field(default="", repr=False)
    """An access token; it belongs to one device, so no other program may use it."""
    token_file: Path | None = None
    password: str = field(default="", repr=False)
    """With a password the bot logs in by itself, always as the same device."""
    password_file: Path | None = None
    ca_file: Path | None = None
    """PEM file with the authorities to trust instead of the system's (a private CA)."""
    rooms: tuple[str, ...] = ()
    """Rooms to join: aliases (#room:server) or ids (!id)."""
    invites: bool | tuple[str, ...] = False
    """Whose invitations are accepted: everybody's, nobody's, or these (`*:example.org`)."""
    notice: bool = True
    """Say replies as notices, which no other bot answers; false: as a person's messages."""
    reply: bool = True
    """Show which message a reply is for."""
    reactions: bool = False
    """Hear reactions, too (kinds `reaction` and `unreaction`)."""
    parts: int = 3
    """Messages that one reply may take (16 KiB each); a longer one ends in an ellipsis."""

    def __post_init__(self) -> None:
        """Bring what YAML gives into the declared types, as far as it is unambiguous."""
        for key in ("rooms", "invites"):
            value = getattr(self, key)
            if isinstance(value, str):
                object.__setattr__(self, key, (value,))
            elif isinstance(value, list):
                object.__setattr__(self, key, tuple(value))
        for key in ("token_file", "password_file", "ca_file"):
            if isinstance(getattr(self, key), str):
                object.__setattr__(self, key, Path(getattr(self, key)))

    @property
    def server_name(self) -> str:
        """The part of the bot's id that names its server."""
        return self.user.partition(":")[2]

    def problems(self) -> list[Problem]:
        """Return all that is wrong, in the order of the fields; empty where nothing is."""
        found = [(k, wanted) for k, right, wanted in _CHECKS if not right(getattr(self, k))]
        if isinstance(self.rooms, tuple):
            found += [
                ("rooms", f"{room!r} is not a room (#room:server or !id, in quotes)")
                for room in self.rooms
                if not (isinstance(room, str) and _ROOM.fullmatch(room))
            ]
        if not (self.token or self.token_file or self.password or self.password_file):
            found.append(("user", "has no secret: set `token`, `password`, or one of their files"))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every duration that the listener works with, in seconds. Tests shorten some of them."""

    connect: float = 20.0
    """For a connection, TLS included."""
    request: float = 60.0
    """For any request but a sync and a join."""
    poll: float = 30.0
    """How long the server holds a sync while there is nothing new."""
    late: float = 20.0
    """How much longer a sync may take before the server is taken for dead."""
    join: float = 180.0
    """For a join: the room may be on a slow server elsewhere."""
    join_again: float = 5.0
    """Before a join is tried once more; doubled each time."""
    backoff: float = 0.5
    """Before the first attempt to reach the server again; doubled each time, with jitter."""
    backoff_most: float = 30.0
    forgetful: float = 20 * 3600.0
    """Seconds after which the server may have forgotten that it was sent something (24 h)."""


def _is_secret(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 4096 and value.strip().isprintable()


def _is_file(value: object) -> bool:
    return value is None or (isinstance(value, Path) and value.is_file())


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _are_patterns(value: object) -> bool:
    if isinstance(value, bool):
        return True
    return isinstance(value, tuple) and all(isinstance(v, str) and v for v in value)


_CHECKS: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    (
        "user",
        lambda v: isinstance(v, str) and len(v) <= 255 and USER.fullmatch(v) is not None,
        "must be a Matrix id in quotes, like '@helpbot:gitter.im'",
    ),
    (
        "homeserver",
        lambda v: isinstance(v, str) and (not v or is_address(v, ("https", "http"))),
        "must be an address, like https://matrix.example.org",
    ),
    ("token", _is_secret, "must be one line"),
    ("token_file", _is_file, "is not a file"),
    ("password", _is_secret, "must be one line"),
    ("password_file", _is_file, "is not a file"),
    ("ca_file", _is_file, "is not a file"),
    ("rooms", lambda v: isinstance(v, tuple), "must be a list of rooms"),
    ("invites", _are_patterns, "must be true, false or a list of Matrix ids (* stands for any)"),
    ("notice", _is_bool, "must be true or false"),
    ("reply", _is_bool, "must be true or false"),
    ("reactions", _is_bool, "must be true or false"),
    (
        "parts",
        lambda v: isinstance(v, int) and not isinstance(v, bool) and 1 <= v <= 100,
        "must be a number of messages, 1 to 100",
    ),
)
