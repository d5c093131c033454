"""Reaching a host that has several addresses."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from chatbot.listeners.irc.reach import _Race, alternating, reach
from tests.servers.irc import RudeServer, free_port


def info(address: str, port: int) -> Any:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))


def test_families_are_tried_in_turn() -> None:
    found = [(6, "a"), (6, "b"), (6, "c"), (4, "d")]
    assert alternating(found) == [(6, "a"), (4, "d"), (6, "b"), (6, "c")]


async def test_a_host_with_a_family_that_nobody_listens_on_is_reached() -> None:
    async with RudeServer() as server:  # listens on 127.0.0.1 alone
        with await reach("localhost", server.port) as connection:
            assert connection.getpeername() == ("127.0.0.1", server.port)


async def test_an_address_that_does_not_answer_holds_up_nobody() -> None:
    # A listener whose backlog is full drops what comes, as a firewall would.
    deaf = socket.create_server(("127.0.0.1", 0), backlog=0)
    callers = [socket.socket() for _ in range(4)]
    try:
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        async with RudeServer() as server, asyncio.timeout(5):
            race = _Race()
            await race.run([info(*deaf.getsockname()), info("127.0.0.1", server.port)])
            assert race.winner is not None
            assert race.winner.getpeername()[1] == server.port
            race.close()
    finally:
        for each in (deaf, *callers):
            each.close()


async def test_an_attempt_that_is_cancelled_leaves_no_socket_open() -> None:
    async with RudeServer() as server:
        reaching = asyncio.create_task(reach("127.0.0.1", server.port))
        await asyncio.sleep(0)
        reaching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reaching


async def test_the_first_failure_is_told_when_nobody_answers() -> None:
    with pytest.raises(ConnectionRefusedError):
        await reach("127.0.0.1", free_port())
