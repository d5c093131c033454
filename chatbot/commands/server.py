"""Which NATS server a command uses: the one named, or an embedded one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from chatbot import settings
from chatbot.broker import Broker, EmbeddedServer, connect
from chatbot.broker.address import redact
from chatbot.broker.server import Listen, running
from chatbot.errors import ConnectError, ServerError

PATIENCE = 3.0
"""Seconds in which a server must answer to `status`."""


@asynccontextmanager
async def serving(
    nats: str | None, data: Path | None, listen: Listen | None = None, *, shared: bool = False
) -> AsyncIterator[tuple[str, EmbeddedServer | None]]:
    """Yield the address to use, and the embedded server where we started it.

    `shared`: where a bot runs with the same data folder, its server will do.
    """
    url = nats or settings.nats_url()
    if url is not None:
        yield url, None
        return
    folder = settings.data_folder(data)
    async with AsyncExitStack() as stack:
        server = None
        try:
            server = await stack.enter_async_context(EmbeddedServer.start(folder, listen=listen))
            url = server.url
        except ServerError:
            url = running(folder) if shared else None
            if url is None:
                raise
        yield url, server


def existing(nats: str | None, data: Path | None) -> str:
    """Return the address of a server that runs: the one named, or that of a bot on this machine.

    Raises `ConnectError` where none is named and none runs.
    """
    url = nats or settings.nats_url()
    if url is not None:
        return url
    folder = settings.data_path(data)
    url = running(folder)
    if url is None:
        raise ConnectError(
            f"no NATS server is named, and no bot runs with the data folder {folder}",
            hint="name one with --nats URL or CHATBOT_NATS_URL, or start `chatbot run` first",
        )
    return url


@asynccontextmanager
async def connected(nats: str | None, data: Path | None, name: str) -> AsyncIterator[Broker]:
    """Connect to a server that runs, for the block's duration; impatient, for a person waits."""
    url = existing(nats, data)
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(PATIENCE):
                broker = await stack.enter_async_context(connect(url, name=name))
        except TimeoutError as error:
            raise ConnectError(
                f"no NATS server answers at {redact(url)}",
                hint="is it running, and is the address right?",
            ) from error
        yield broker
