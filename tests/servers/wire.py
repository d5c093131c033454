"""A network between a process and its NATS server that stalls, breaks, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK = 65536


class Wire:
    """A proxy in front of a server. `url` is the server's address through it.

    What comes while it is stalled waits, as in a network whose cable was pulled; neither end is
    told. `lose_at` names bytes at whose first passage to the server it breaks, once.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._port = 0
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lose_at: bytes | None = None
        self.lost = asyncio.Event()
        """Set when it has broken at what `lose_at` named."""

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Wire]:
        """Stand in front of the server at `url`, for the block's duration."""
        wire = cls(url)
        server = await asyncio.start_server(wire._serve, "127.0.0.1", 0)
        wire._port = server.sockets[0].getsockname()[1]
        try:
            yield wire
        finally:
            server.close()
            for task in wire._tasks:
                task.cancel()
            await asyncio.gather(*wire._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"nats://{self._target.username}@127.0.0.1:{self._port}"

    def stall(self) -> None:
        """Let nothing through, in either direction."""
        self._flows.clear()

    def resume(self) -> None:
        """Let through what waited, and what comes."""
        self._flows.set()

    def cut(self) -> None:
        """Break all connections that there are; both ends are told."""
        for writer in self._writers:
            writer.transport.abort()

    def forget(self) -> None:
        """Let nothing through any more of what is connected now; new connections are good."""
        self._flows.clear()
        self._flows = asyncio.Event()
        self._flows.set()

    def lose_at(self, passing: bytes) -> None:
        """When `passing` comes from a client, drop it and break; let nothing through after it."""
        self.lost.clear()
        self._lose_at = passing

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError):
            there, here = await asyncio.open_connection(self._target.hostname, self._target.port)
            self._writers |= {writer, here}
            try:
                flows = self._flows
                both = (
                    self._pass(reader, here, flows, up=True),
                    self._pass(there, writer, flows, up=False),
                )
                await asyncio.gather(*both)
            finally:
                self._writers -= {writer, here}
                for each in (writer, here):
                    each.transport.abort()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flows: asyncio.Event,
        *,
        up: bool,
    ) -> None:
        while data := await reader.read(CHUNK):
            await flows.wait()
            if up and self._lose_at is not None and self._lose_at in data:
                self._lose_at = None
                self.stall()
                self.lost.set()
                self.cut()
                return
            writer.write(data)
            await writer.drain()
        writer.transport.abort()
