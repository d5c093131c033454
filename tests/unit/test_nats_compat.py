"""The repairs of nats-py: no cancellation is lost, and no connection."""

from __future__ import annotations

import asyncio
from typing import Any

import nats.aio.client
import pytest

from chatbot.broker.nats_compat import Client


async def test_a_cancellation_beside_the_result_is_not_lost() -> None:
    waiting: Any = nats.aio.client.asyncio.wait_for
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(waiting(future, 5.0))
    await asyncio.sleep(0)
    future.set_result(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_waiting_ends_with_the_time() -> None:
    waiting: Any = nats.aio.client.asyncio.wait_for
    with pytest.raises(TimeoutError):
        await waiting(asyncio.Event().wait(), 0.01)


async def test_a_server_that_says_nothing_has_one_connection_at_a_time() -> None:
    taken, most, there = 0, 0, 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken, most, there
        taken, there = taken + 1, there + 1
        most = max(most, there)
        await reader.read()
        there -= 1
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    client = Client()
    connecting = asyncio.ensure_future(
        client.connect(
            f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            connect_timeout=0.1,  # type: ignore[arg-type]
            reconnect_time_wait=0.01,  # type: ignore[arg-type]
            max_reconnect_attempts=-1,
        )
    )
    async with asyncio.timeout(20):
        while taken < 5:
            await asyncio.sleep(0.01)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await client.close()
    server.close()
    await server.wait_closed()
    assert most == 1
