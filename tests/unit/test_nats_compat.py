"""A cancellation that comes together with the result is not lost in nats-py's waiting."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import nats.aio.client
import pytest

import chatbot.broker  # noqa: F401 - installs the repair


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


def test_aiohttp_is_imported_when_a_websocket_is_opened_and_not_before() -> None:
    code = (
        "import sys, chatbot.broker, nats.aio.transport as transport\n"
        "assert 'aiohttp' not in sys.modules\n"
        "assert transport.aiohttp.WSMsgType.BINARY == 2\n"
        "assert 'aiohttp' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
