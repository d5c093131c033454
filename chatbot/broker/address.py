"""The address of a NATS server or cluster, and how to get in. Pure.

The rule that it guards: no credential is ever in a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from chatbot.errors import ConnectError


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server or a cluster is, and how to get in."""

    servers: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    pin: str | None = None
    """The SHA-256 of the server's certificate, where it is signed by itself."""

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `nats://[TOKEN@|USER:PASSWORD@]HOST[:PORT][?pin=…]`, several apart by commas."""
        try:
            parts = [_split(each) for each in url.split(",")]
            servers = tuple(f"{p.scheme}://{_host(p.hostname)}:{p.port or 4222}" for p in parts)
        except ValueError:
            raise ConnectError(
                f"not a NATS address: {redact(url)}",
                hint="write nats://HOST:PORT, or tls://TOKEN@HOST:PORT",
            ) from None  # its message may hold a part of the credential
        pin = next((each for p in parts for each in parse_qs(p.query).get("pin", ())), None)
        if pin and not all(p.scheme in {"tls", "wss"} for p in parts):
            raise ConnectError(
                f"{redact(url)} names a certificate, and would not use it", hint="write tls://"
            )
        named = next((p for p in parts if p.username), parts[0])
        user = unquote(named.username) if named.username else None
        password = unquote(named.password) if named.password else None
        return cls(
            servers=servers,
            user=user if password else None,
            password=password,
            token=None if password else user,
            pin=pin.lower() if pin else None,
        )


def redact(url: str) -> str:
    """Return `url` without its credentials, to show to people."""
    # A comma before a later "@" may be a credential's own, where no new address begins.
    before, at, after = url.rpartition("@")
    *whole, last = re.split(r",(?=[a-z]+://)", before)
    first, *others = after.split(",")
    addresses = [*whole, last + at + first, *others]
    return ",".join(
        each.rpartition("@")[2].partition("?")[0] if "@" in each else each.partition("?")[0]
        for each in addresses
    )


def _split(url: str) -> SplitResult:
    part = urlsplit(url if "://" in url else f"nats://{url}")
    if part.scheme not in {"nats", "tls", "ws", "wss"} or not part.hostname:
        raise ValueError("neither scheme nor host")
    return part


def _host(name: str | None) -> str:
    return f"[{name}]" if name and ":" in name else str(name)
