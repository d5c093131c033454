"""The commands that we send of our own accord: joins, nicks, pings."""

from __future__ import annotations

import asyncio
import logging

from chatbot.listeners.irc.pace import Bucket
from chatbot.listeners.irc.wire import Wire

log = logging.getLogger(__name__)

MOST = 1000
"""Commands that may wait; it takes a server, or a host of friends, to make them more."""


class Commands:
    """Sends commands under the network's rate limit, in order, each one only once at a time."""

    def __init__(self, wire: Wire, bucket: Bucket) -> None:
        self._wire = wire
        self._bucket = bucket
        self._waiting: dict[str, None] = {}
        self._arrived = asyncio.Event()

    def put(self, line: str) -> None:
        """Send `line` when the rate limit allows it; one that waits already is not doubled."""
        if len(self._waiting) >= MOST:
            log.warning("dropped a command: %d wait already", MOST)
            return
        self._waiting[line] = None
        self._arrived.set()

    def send_now(self, line: str) -> None:
        """Send `line` at once; what waits pays for it."""
        self._bucket.spend()
        self._send(line)

    async def run(self) -> None:
        """Send what was put, for ever."""
        while True:
            await self._arrived.wait()
            await self._bucket.take()
            line = next(iter(self._waiting))
            del self._waiting[line]
            if not self._waiting:
                self._arrived.clear()
            self._send(line)

    def _send(self, line: str) -> None:
        try:
            self._wire.send_raw(line)
        except ValueError:  # a name in it, which the server made up, is longer than a line
            log.warning("dropped a command that is too long")
