"""Requests to a homeserver, each under the network's breaker.

The rule that it guards: whatever a server or a proxy answers becomes JSON or one of four errors,
and no secret is in any of them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import yarl

from chatbot.errors import ListenerError
from chatbot.listeners.matrix.breaker import Breaker, LostError, Strikes, at_once
from chatbot.listeners.matrix.events import mapping, string
from chatbot.listeners.matrix.settings import Timing

log = logging.getLogger(__name__)

LARGEST = 128 * 1024 * 1024
"""Bytes of an answer; a first sync in very many rooms has some tens of MB."""
PAUSE = 5.0
"""Seconds to wait for a server that limits us and does not say for how long."""
LONGEST_PAUSE = 3600.0
DENIED = ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_LOCKED")


class RefusedError(Exception):
    """The server understood and says no; `code` is Matrix's (M_FORBIDDEN), `reason` its words."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}" if reason else code)
        self.status = status
        self.code = code
        self.reason = reason


class DeniedError(Exception):
    """The token is not, or not any more, one that the server takes."""


class LimitedError(Exception):
    """The server wants us to wait for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"limited for {seconds:.1f} s")
        self.seconds = seconds


class Wire:
    """HTTP to one homeserver. Use it as a context manager."""

    def __init__(
        self, base: str, context: ssl.SSLContext, timing: Timing, breaker: Breaker
    ) -> None:
        self.breaker = breaker
        self.token = ""
        self._base = base.rstrip("/")
        self._context = context
        self._timing = timing
        self._session: aiohttp.ClientSession | None = None
        self._reached = False

    async def __aenter__(self) -> Wire:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context, limit=32),
            headers={"User-Agent": "chatbot"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def request(
        self, *request: Any, timeout: float = 0.0, has: str = ""
    ) -> Mapping[str, Any]:
        """Return what the server answers, however long that takes.

        Waits where the server limits us. Raises `RefusedError`, `DeniedError`, and
        `ListenerError` when the certificate cannot be verified at the first contact.
        """
        strikes = Strikes()
        while True:
            try:
                return await self.once(*request, timeout=timeout, has=has)
            except LimitedError as error:
                log.info("limited by the server: again in %.0f s", error.seconds)
                await asyncio.sleep(strikes.limited(error.seconds))
            except LostError as error:
                await strikes.wait(error)

    async def once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout: float = 0.0,
        probe: str = "",
        when: Callable[[], Awaitable[None]] = at_once,
        has: str = "",
    ) -> Mapping[str, Any]:
        """Try once, when the breaker lets us and `when` has returned; return the answer.

        `probe` is the path to use while the server is in doubt: one that it answers at once.
        `has` is the key of a text without which the answer makes no sense.
        Raises `LostError`, `LimitedError`, `RefusedError`, `DeniedError`.
        """
        async with self.breaker.attempt(when):
            quick = probe and not self.breaker.is_closed
            answer = await self.apart(method, probe if quick else path, body, timeout=timeout)
            if has and not string(answer.get(has)):
                raise LostError(f"an answer without {has}")
            return answer

    async def apart(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout: float = 0.0,
    ) -> Mapping[str, Any]:
        """Try once whatever the breaker says: for what another server has a part in."""
        try:
            status, headers, data = await self._exchange(method, path, body, timeout)
        except aiohttp.ClientConnectorCertificateError as error:
            raise self._unverified(error) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise LostError(_shown(error)) from error
        answer = _decoded(data)
        if status == 429:
            raise LimitedError(_pause(answer, headers))
        if answer is None:
            raise LostError(f"an answer that is no JSON (status {status})", status)
        if 200 <= status < 300 and "errcode" not in answer:
            return answer
        raise _error(status, answer)

    async def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        assert self._session is not None
        limits = aiohttp.ClientTimeout(
            total=timeout or self._timing.request, sock_connect=self._timing.connect
        )
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self._session.request(
            method,
            yarl.URL(self._base + path, encoded=True),
            json=body,
            headers=headers,
            timeout=limits,
            allow_redirects=method == "GET",
        ) as response:
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > LARGEST:
                    raise LostError("an answer without end")
            self._reached = True
            return response.status, response.headers, bytes(data)

    def _unverified(self, error: aiohttp.ClientConnectorCertificateError) -> Exception:
        told = f"cannot verify the certificate of {error.host}:{error.port}"
        if self._reached:
            return LostError(told)
        return ListenerError(told, hint="name the authority with `ca_file`")


def tls_context(ca_file: Any) -> ssl.SSLContext:
    """Return a context that verifies; it reads files. Raises `ListenerError`."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (ssl.SSLError, OSError) as error:
        raise ListenerError(
            f"no certificate in {ca_file}", hint="`ca_file` is a PEM file"
        ) from error


def _decoded(data: bytes) -> Mapping[str, Any] | None:
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _error(status: int, answer: Mapping[str, Any]) -> Exception:
    code = string(answer.get("errcode"))
    if code == "M_LIMIT_EXCEEDED":
        return LimitedError(_pause(answer, {}))
    if not code or not 400 <= status < 500:
        return LostError(f"status {status} {code}".strip(), status)
    if code in DENIED:
        return DeniedError(_line(code))
    return RefusedError(status, _line(code), _line(string(answer.get("error"))))


def _pause(answer: Mapping[str, Any] | None, headers: Mapping[str, str]) -> float:
    """Return for how many seconds the server wants to be left alone."""
    given: object = mapping(answer).get("retry_after_ms")
    try:
        if isinstance(given, int | float) and not isinstance(given, bool):
            seconds = given / 1000
        else:
            seconds = float(headers.get("Retry-After", PAUSE))
    except (ValueError, OverflowError):  # a date; a number with hundreds of digits
        seconds = PAUSE
    return min(max(seconds, 0.05), LONGEST_PAUSE) if seconds == seconds else PAUSE


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:200])


def _shown(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return _line(str(error)) or type(error).__name__
