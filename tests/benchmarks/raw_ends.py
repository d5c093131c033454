"""The two ends of a raw path, in the process that measures: what is given, and what comes back."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.benchmarks.flows import text
from tests.benchmarks.raw import HELD, Giver, decode, encode, taking

_numbers = itertools.count()
"""No subject is used twice: IN and OUT keep one message each."""


class Ends:
    """Gives messages to one stream and takes what comes back from another. Made by `open`."""

    def __init__(self, client: Client, giver: Giver, there: str) -> None:
        self._client = client
        self._giver = giver
        self._there = there
        self._room = asyncio.Semaphore(HELD)
        self._back: asyncio.Queue[Msg] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def open(cls, client: Client, there: str, back: str) -> AsyncIterator[Ends]:
        giver = Giver(client)
        await giver.open()
        ends = cls(client, giver, there)
        async with taking(client, back, ends._back.put):
            yield ends

    async def rate(self, count: int, together: int = 1) -> None:
        """Send `count` texts there and back, `together` of them in each message."""
        messages = count // together
        giving = asyncio.ensure_future(self._give_all(messages, together))
        for _ in range(messages):
            msg = await self._back.get()
            assert decode(msg.data) == ["question"] * together
            await self._client.publish(msg.reply, b"+ACK")
            self._room.release()
        await giving

    async def lone(self) -> float:
        """Send one there and back; return how many ms that took."""
        began = time.perf_counter()
        await self._giver.give(f"{self._there}.{next(_numbers)}", encode([text(0)]))
        msg = await self._back.get()
        took = (time.perf_counter() - began) * 1000
        await self._client.publish(msg.reply, b"+ACK")
        return took

    async def _give_all(self, messages: int, together: int) -> None:
        for number in range(messages):
            await self._room.acquire()
            texts = [text(number) for _ in range(together)]
            await self._giver.give(f"{self._there}.{next(_numbers)}", encode(texts))
