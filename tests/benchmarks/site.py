"""Where a measurement takes place: a real server with its data in a folder, and who is there."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chatbot.broker import Broker, EmbeddedServer, connect
from chatbot.nodes.roster import Roster


class FsyncingServer(EmbeddedServer):
    """A server that writes each message through to the disk before it acknowledges it."""

    def _configuration(self) -> str:
        return (
            super()._configuration().replace("jetstream { ", "jetstream { sync_interval: always, ")
        )


@dataclass(frozen=True, slots=True)
class Site:
    """A server of its own, a connection to it, and the roster."""

    folder: Path
    url: str
    broker: Broker
    roster: Roster
    server: EmbeddedServer

    @classmethod
    @asynccontextmanager
    async def open(cls, server: type[EmbeddedServer] = EmbeddedServer) -> AsyncIterator[Site]:
        """Run a server for the block's duration, in a temporary folder."""
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            async with (
                server.start(folder) as running,
                connect(running.url, name="bench") as broker,
                Roster.follow(broker) as roster,
            ):
                yield cls(folder, running.url, broker, roster, running)
