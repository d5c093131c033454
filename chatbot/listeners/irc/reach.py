"""Reaching a host that has several addresses, some of which may not answer (RFC 8305).

asyncio can do it, but uvloop, on which the program runs, cannot.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

HEAD_START = 0.25
"""Seconds that an address has for itself before the next one is tried as well."""

Info = tuple[Any, ...]
"""What `getaddrinfo` gives: family, type, protocol, canonical name, address."""


async def reach(host: str, port: int) -> socket.socket:
    """Return a socket that is connected to the first address of `host` that answers.

    Raises the first address's `OSError` when none does. The socket is the caller's to close.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    race = _Race()
    try:
        await race.run(alternating(found))
    except BaseException:
        race.close()
        raise
    if race.winner is None:
        raise race.failures[0]
    return race.winner


def alternating(found: Sequence[Info]) -> list[Info]:
    """Return the addresses with the families in turn, beginning with the first one's."""
    first = [info for info in found if info[0] == found[0][0]]
    others = [info for info in found if info[0] != found[0][0]]
    pairs = chain.from_iterable(zip_longest(first, others))
    return [info for info in pairs if info is not None]


class _Race:
    """Attempts of which the first to connect wins."""

    def __init__(self) -> None:
        self.winner: socket.socket | None = None
        self.failures: list[OSError] = []

    async def run(self, infos: Sequence[Info]) -> None:
        async with asyncio.TaskGroup() as group:
            running: set[asyncio.Task[None]] = set()
            for info in infos:
                running.add(group.create_task(self._attempt(info)))
                running = await _one_of(running, HEAD_START)
                if self.winner is not None:
                    break
            while running and self.winner is None:
                running = await _one_of(running, None)
            for task in running:
                task.cancel()

    def close(self) -> None:
        if self.winner is not None:
            self.winner.close()

    async def _attempt(self, info: Info) -> None:
        family, kind, protocol, _, address = info
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError as error:
            self.failures.append(error)
            return
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, address)
            if self.winner is None:
                self.winner = connection
        except OSError as error:
            self.failures.append(error)
        finally:
            if self.winner is not connection:
                connection.close()


async def _one_of(
    running: set[asyncio.Task[None]], seconds: float | None
) -> set[asyncio.Task[None]]:
    _, still = await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return still
