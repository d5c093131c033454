"""The listener of a network that is flooded, a process of its own (see `overload`).

    python -m tests.benchmarks.crowd URL FLOW NETWORK

It hears what it is asked to, performs each outcome by counting it, and says how long each one
that was spoken to the bot itself took. What it keeps of a message is a byte.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from chatbot import service
from chatbot.broker import connect
from chatbot.listeners.bridge import NatsBridge
from chatbot.messages import ChatMessage
from tests.benchmarks.companion import serve

AT_ONCE = 256
"""Messages that are published at once."""

EVERY = 0.05
"""Seconds between two messages that are spoken to the bot itself."""


class Crowd:
    """Hears a burst from many, and now and then somebody who speaks to the bot itself."""

    def __init__(self, bridge: NatsBridge, network: str) -> None:
        self._bridge = bridge
        self._network = network
        self._outcomes: Counter[str] = Counter()
        self._seen: dict[str, bytearray] = {}
        self._again = 0
        self._asked: dict[str, float] = {}
        self._took: list[float] = []
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do as `do` says: hear a `burst`, start or stop to `ask`, or `tell` what came."""
        if request["do"] == "burst":
            return await self._burst(request["name"], request["count"])
        if request["do"] == "ask":
            self._asking = asyncio.ensure_future(self._ask())
        if request["do"] == "stop":
            await self._stop()
        return {
            "outcomes": {name: seen.count(1) for name, seen in self._seen.items()},
            "again": self._again,
            "waiting": len(self._asked),
            "took": self._took if request["do"] == "stop" else [],
        }

    async def perform(self) -> None:
        """Count outcomes for ever."""
        async with aclosing(self._bridge.outcomes()) as outcomes:
            async for delivery in outcomes:
                outcome = delivery.outcome
                assert outcome.replies[0].text == "that is a question", outcome
                name, _, number = outcome.id.rpartition("-")
                if name == "asked":
                    self._took.append(time.monotonic() - self._asked.pop(outcome.id))
                else:
                    self._again += self._seen[name][int(number)]
                    self._seen[name][int(number)] = 1
                await delivery.done()

    async def _burst(self, name: str, count: int) -> dict[str, Any]:
        self._seen[name] = bytearray(count)
        began = time.monotonic()
        numbers = iter(range(count))
        await asyncio.gather(*(self._hear(name, numbers) for _ in range(AT_ONCE)))
        return {"seconds": time.monotonic() - began}

    async def _hear(self, name: str, numbers: Any) -> None:
        for number in numbers:
            await self._bridge.hear(self._message(f"{name}-{number}", addressed=False))

    async def _ask(self) -> None:
        number = 0
        while True:
            message = self._message(f"asked-{number}", addressed=True)
            self._asked[message.id] = time.monotonic()
            await self._bridge.hear(message)
            number += 1
            await asyncio.sleep(EVERY)

    async def _stop(self) -> None:
        """Ask no more, and wait for the last answers."""
        assert self._asking is not None
        self._asking.cancel()
        await asyncio.gather(self._asking, return_exceptions=True)
        async with asyncio.timeout(30.0):
            while self._asked:
                await asyncio.sleep(0.01)

    def _message(self, key: str, *, addressed: bool) -> ChatMessage:
        return ChatMessage(
            id=key,
            network=self._network,
            room="#room",
            sender="anna",
            text=f"{key} how do I do this? {'x' * 80}"[:80],
            time=datetime.now(UTC),
            addressed=addressed,
        )


async def main() -> int:
    url, flow, network = sys.argv[1:]
    async with (
        connect(url, name="crowd") as broker,
        NatsBridge.open(broker, flow, network, bulk=True) as bridge,
    ):
        crowd = Crowd(bridge, network)
        performing = asyncio.ensure_future(crowd.perform())
        await service.unless(performing, serve(crowd.answer))
        performing.cancel()
        await asyncio.gather(performing, return_exceptions=True)
    return 0


if __name__ == "__main__":
    sys.exit(service.run(main))
