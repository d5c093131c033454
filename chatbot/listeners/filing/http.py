"""One request and its answer, whatever the server does; no answer is longer than `LONGEST`."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from chatbot import __version__
from chatbot.listeners.filing.orders import UnavailableError

LONGEST = 16 * 1024 * 1024
SECONDS = 30.0
LIMITED = 60.0
"""Seconds to wait after a refusal that does not say for how long (what GitHub asks for)."""

LONGEST_WAIT = 3600.0
_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers in small letters, and what the body is as JSON (`None`: it is none)."""

    status: int
    headers: Mapping[str, str]
    content: Any


class Http:
    """Requests to one server. Made by `open`."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def open(
        cls, ca_file: Path | None = None, seconds: float = SECONDS
    ) -> AsyncIterator[Http]:
        trusted: ssl.SSLContext | bool = True
        if ca_file is not None:
            trusted = ssl.create_default_context(cafile=str(ca_file))
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted),
            timeout=aiohttp.ClientTimeout(total=seconds),
            headers={"User-Agent": f"chatbot/{__version__}"},
        ) as session:
            yield cls(session)

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Return the answer; raises `UnavailableError` where there is none, or none of use.

        Those with a status of 408, 425, 429 or over 499 are of no use.
        """
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                content = await _read(response)
                heads = {key.lower(): value for key, value in response.headers.items()}
        except aiohttp.ClientConnectorError as error:  # whose text may hold a secret address
            raise UnavailableError(f"cannot connect ({_kind(error)})", undone=True) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise UnavailableError(f"no answer ({_kind(error)})") from None
        status = response.status
        if status == 429 or (status in (403, 503) and is_limited(heads)):
            raise UnavailableError(f"status {status}", waiting(heads), undone=True)
        if status in (408, 425) or status >= 500:
            raise UnavailableError(f"status {status}")
        return Answer(status, heads, content)


def is_limited(headers: Mapping[str, str]) -> bool:
    """Whether a refusal says to come back later."""
    return "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"


def waiting(headers: Mapping[str, str], now: float | None = None) -> float:
    """Return in how many seconds to try again (RFC 9110, 10.2.3; GitHub's X-RateLimit-Reset)."""
    now = time.time() if now is None else now
    after = headers.get("retry-after", "")
    if after.isdecimal():
        return min(float(after), LONGEST_WAIT)
    try:
        return min(max(parsedate_to_datetime(after).timestamp() - now, 0.0), LONGEST_WAIT)
    except (ValueError, TypeError, OverflowError):
        pass
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return min(max(float(reset) - now, 1.0), LONGEST_WAIT)
    return LIMITED


def address_problems(key: str, url: str) -> list[tuple[str, str]]:
    """Return what is wrong with an address that a secret is sent to (`problems`)."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return [(key, "is no address")]
    if parts.scheme not in ("https", "http") or not host:
        return [(key, "must be an address that begins with https://")]
    if parts.scheme == "http" and host not in _HERE:
        return [(key, "must begin with https://: what is sent there is nobody else's business")]
    if parts.username or parts.password:
        return [(key, "has a password in it; give it in a setting of its own")]
    return []


async def _read(response: aiohttp.ClientResponse) -> Any:
    data = bytearray()
    async for portion in response.content.iter_chunked(65536):
        data += portion
        if len(data) > LONGEST:
            raise ValueError("its answer is too long")
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        return None


def _kind(error: BaseException) -> str:
    return type(error).__name__
