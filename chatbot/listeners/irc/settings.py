"""What a flow file may say about an IRC network, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from chatbot.listeners.irc.checks import VALUES, is_host
from chatbot.listeners.irc.text import is_channel

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
    servers: tuple[str, ...] = ()
    """More addresses of the network, `host` or `host:port`, tried in turn with `server`."""
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
    password_file: Path | None = None
    """A file that holds `password`."""
    account: str = ""
    """The bot's services account, to log in to before anything is said."""
    account_password: str = field(default="", repr=False)
    """The account's password."""
    account_password_file: Path | None = None
    """A file that holds `account_password`."""
    sasl: Literal["plain", "external", "none"] | None = None
    """How to log in: by password (`plain`), by `certificate` (`external`), or not (`none`).
    Left out: as what is given allows."""
    certificate: Path | None = None
    """PEM file with a client certificate and its key."""
    account_required: bool = True
    """Whether the bot stays away where it cannot log in. `false` goes on without, and warns."""
    nickserv: bool = False
    """Log in by a message to NickServ, where the network has no SASL."""
    channels: tuple[str, ...] = ()
    """The channels to join, with their `#`."""
    invites: bool | tuple[str, ...] = False
    """Who may invite the bot into other channels: nobody, all, or masks (`*!*@staff.example`,
    `account:ann`). It stays there until it is kicked or disconnected."""
    rate: float = 1.0
    """Lines a second, once `burst` is used up; everything sent counts, on one bucket."""
    burst: int = 4
    """Lines that may leave at once after a silence."""
    lines: int = 5
    """Lines that one reply may take; a longer one is cut there and ends in an ellipsis."""
    overflow: Literal["split", "cut"] = "split"
    """What becomes of a line that is too long for IRC: `split` into several, or `cut` to one,
    which ends in an ellipsis and in the link that was cut off, if there was one."""
    delivery: Literal["at-least-once", "at-most-once"] = "at-least-once"
    """What happens to a reply when the bot or the server dies while it is being said: said
    again (`at-least-once`), or perhaps never (`at-most-once`). IRC offers no third."""

    def __post_init__(self) -> None:
        """Bring what YAML gives into the declared types, as far as it is unambiguous."""
        for key in ("channels", "servers", "invites"):
            value = getattr(self, key)
            if isinstance(value, str):
                object.__setattr__(self, key, (value,))
            elif isinstance(value, list):
                object.__setattr__(self, key, tuple(value))
        for key in ("ca_file", "password_file", "account_password_file", "certificate"):
            if isinstance(value := getattr(self, key), str):
                object.__setattr__(self, key, Path(value))

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """The servers to try in turn: host and port."""
        more = (address_of(each, self.port) for each in self.servers)
        found = [(self.server, self.port), *(each for each in more if each is not None)]
        return tuple(dict.fromkeys(found))

    @property
    def mechanism(self) -> str:
        """The SASL mechanism to log in with; empty where there is none to use."""
        if self.sasl is not None:
            return "" if self.sasl == "none" else self.sasl.upper()
        if self.account and (self.account_password or self.account_password_file):
            return "PLAIN"
        return "EXTERNAL" if self.certificate is not None else ""

    def problems(self) -> list[Problem]:
        """Return all that is wrong, in the order of the fields; empty where nothing is."""
        found: list[Problem] = []
        for key, is_right, wanted in VALUES:
            if not is_right(getattr(self, key)):
                found.append((key, wanted))
        at = _ADDRESS.fullmatch(self.server) if isinstance(self.server, str) else None
        if at is not None and at["port"]:
            found.append(("server", f"has a port in it: write `port: {at['port']}` beside it"))
        if isinstance(self.channels, tuple):
            found += [
                ("channels", _no_channel(channel))
                for channel in self.channels
                if not (isinstance(channel, str) and is_channel(channel))
            ]
        if isinstance(self.servers, tuple):
            found += [
                ("servers", f"{each!r} is not an address: write host or host:port")
                for each in self.servers
                if not (isinstance(each, str) and address_of(each, 1))
            ]
        return found or self._contradictions()

    def _contradictions(self) -> list[Problem]:
        """Return what is missing for the way to log in that was chosen."""
        found: list[Problem] = []
        by_password = self.mechanism == "PLAIN" or self.nickserv
        if by_password and not self.account:
            found.append(("account", "must be given, to log in to"))
        if by_password and not (self.account_password or self.account_password_file):
            found.append(("account_password", "must be given, or account_password_file"))
        if self.mechanism == "EXTERNAL" and self.certificate is None:
            found.append(("certificate", "must be given for `sasl: external`"))
        if self.certificate is not None and not self.tls:
            found.append(("certificate", "is shown over TLS alone; set `tls: true`"))
        return found


def _no_channel(name: object) -> str:
    meant = f"#{name}"
    if isinstance(name, str) and is_channel(meant):
        return f'{name!r} is not a channel: write "{meant}", in quotes, as # begins a comment'
    return f"{name!r} is not a channel (quote it, as '#' starts a comment)"


def address_of(text: str, port: int) -> tuple[str, int] | None:
    """Return host and port of `host`, `host:port`, `address` or `[address]:port`; else `None`."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return (text, port) if is_host(text) and _is_ip6(text) else None
    host = match["host"] or match["bracketed"]
    found = int(match["port"]) if match["port"] else port
    return (host, found) if is_host(host) and 1 <= found <= 65535 else None


def _is_ip6(text: str) -> bool:
    try:
        return ip_address(text).version == 6
    except ValueError:
        return False


_ADDRESS = re.compile(
    r"(?:(?P<host>[^\s:/\[\]]+)|\[(?P<bracketed>[^\s/\[\]]+)\])(?::(?P<port>\d{1,5}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every duration that the listener works with, in seconds. Tests shorten some of them."""

    connect: float = 20.0
    """For the connection, TLS included."""
    register: float = 45.0
    """From the connection until the server's welcome (ident and host look-ups are slow)."""
    services: float = 20.0
    """For the network's services to answer a login, and to come back when they are away."""
    relist: float = 4.0
    """Between looks whether they are back."""
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
