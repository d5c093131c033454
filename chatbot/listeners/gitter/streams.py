"""The streams of the rooms: one connection each, until it ends or falls silent."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chatbot.errors import ListenerError
from chatbot.listeners.gitter import records
from chatbot.listeners.gitter.api import LIMITED, untrusted
from chatbot.listeners.gitter.chunks import Chunks
from chatbot.listeners.gitter.faults import LimitedError, RefusedError, UnavailableError
from chatbot.listeners.gitter.pace import Budget, Gate
from chatbot.listeners.gitter.records import Event, Room
from chatbot.listeners.gitter.settings import GitterSettings, Timing

log = logging.getLogger(__name__)

SHORT = 5.0
"""Seconds: a stream that ends before is a failure, and is not opened again at once."""


class Streams:
    """Opens streams. Made by `opened`."""

    def __init__(self, settings: GitterSettings, timing: Timing, budget: Budget, client: Any):
        self._address = settings.stream.rstrip("/")
        self._timing = timing
        self._budget = budget
        self._client = client
        self._gate = Gate(settings.stream, timing.backoff, timing.backoff_most)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, settings: GitterSettings, token: str, timing: Timing, budget: Budget
    ) -> AsyncIterator[Streams]:
        """Have connections for the block's duration. Raises `ListenerError` for `ca_file`."""
        import aiohttp

        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # what is compressed may wait for more of it
        }
        connector = aiohttp.TCPConnector(ssl=await asyncio.to_thread(_context, settings), limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=timing.connect)
        async with aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=timeout
        ) as client:
            yield cls(settings, timing, budget, client)

    @asynccontextmanager
    async def open(self, room: Room) -> AsyncIterator[AsyncIterator[Event]]:
        """Connect to the stream of `room`; yields what it says from then on, until it ends.

        Raises `UnavailableError` when it cannot be had, or falls silent, `RefusedError`, and
        `ListenerError` where its certificate cannot be verified.
        """
        began = asyncio.get_running_loop().time()
        response = await self._connect(room)
        try:
            yield self._events(response)
        except UnavailableError as error:
            if asyncio.get_running_loop().time() - began < SHORT:
                self._gate.failed(str(error))
            raise
        finally:
            response.close()

    async def _connect(self, room: Room) -> Any:
        async with self._gate.attempt():
            await self._budget.take(urgent=False)
            response = await self._ask(room)
            if response.status == 200:
                return response
            response.close()
            if response.status == 429:
                self._budget.pause(LIMITED)
                raise LimitedError
            if response.status >= 500:
                raise UnavailableError(f"status {response.status}")
            raise RefusedError(response.status)

    async def _ask(self, room: Room) -> Any:
        import aiohttp

        url = f"{self._address}/rooms/{room.id}/chatMessages"
        try:
            async with asyncio.timeout(self._timing.answer):
                return await self._client.get(url, allow_redirects=False)
        except aiohttp.ClientConnectorCertificateError:
            raise untrusted(self._address) from None
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise UnavailableError(type(error).__name__) from None

    async def _events(self, response: Any) -> AsyncIterator[Event]:
        import aiohttp

        chunks = Chunks()
        while True:
            try:
                async with asyncio.timeout(self._timing.silence):
                    data = await response.content.readany()
            except TimeoutError:
                raise UnavailableError("a stream fell silent") from None
            except (aiohttp.ClientError, OSError) as error:
                raise UnavailableError(type(error).__name__) from None
            if not data:
                raise UnavailableError("a stream ended")
            for chunk in chunks.feed(data):
                found = _event(chunk)
                if found is not None:
                    yield found


def _event(chunk: bytes) -> Event | None:
    try:
        found = records.event(records.load(chunk))
    except ValueError:
        found = None
    if found is None:
        log.warning("ignored %d bytes of a stream: no message", len(chunk))
    return found


def _context(settings: GitterSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ListenerError(
            f"cannot read the certificates in {settings.ca_file}: {error.strerror or error}",
            hint="ca_file must be a PEM file",
        ) from error
