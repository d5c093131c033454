"""SASL, as IRC carries it. Pure. Source: https://ircv3.net/specs/extensions/sasl-3.1"""

from __future__ import annotations

import base64
from collections.abc import Iterator

CHUNK = 400
"""Bytes of base64 in one AUTHENTICATE; one of exactly so many says that another follows."""


def response(mechanism: str, account: str, password: str) -> bytes:
    """Return what proves who we are, upon the server's empty challenge.

    For EXTERNAL the certificate proves it, and the account may be empty: the certificate's.
    """
    if mechanism == "PLAIN":
        return b"\0".join((account.encode(), account.encode(), password.encode()))
    return account.encode()


def authentications(data: bytes) -> Iterator[str]:
    """Yield the AUTHENTICATE lines that carry `data`."""
    encoded = base64.b64encode(data).decode()
    for start in range(0, len(encoded), CHUNK):
        yield f"AUTHENTICATE {encoded[start : start + CHUNK]}"
    if len(encoded) % CHUNK == 0:
        yield "AUTHENTICATE +"
