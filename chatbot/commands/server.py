"""Which NATS server a command uses: the one named, or an embedded one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chatbot import settings
from chatbot.broker import Broker, EmbeddedServer, connect
from chatbot.broker.server import Listen, running
from chatbot.errors import ConnectError


@asynccontextmanager
async def serving(
    nats: str | None, data: Path | None, listen: Listen | None
) -> AsyncIterator[tuple[str, EmbeddedServer | None]]:
    """Yield the address to use, and the embedded server where we started it."""
    url = nats or settings.nats_url()
    if url is not None:
        yield url, None
        return
    async with EmbeddedServer.start(settings.data_folder(data), listen=listen) as server:
        yield server.url, server


def existing(nats: str | None, data: Path | None) -> str:
    """Return the address of a server that runs: the one named, or that of a bot on this machine.

    Raises `ConnectError` where none is named and none runs.
    """
    url = nats or settings.nats_url()
    if url is not None:
        return url
    folder = settings.data_folder(data)
    url = running(folder)
    if url is None:
        raise ConnectError(
            f"no NATS server is named, and no bot runs with the data folder {folder}",
            hint="name one with --nats URL or CHATBOT_NATS_URL, or start `chatbot run` first",
        )
    return url


@asynccontextmanager
async def connected(nats: str | None, data: Path | None, name: str) -> AsyncIterator[Broker]:
    """Connect to a server that runs, for the block's duration."""
    async with connect(existing(nats, data), name=name) as broker:
        yield broker
