"""A listener and an actuator that do nothing but their part of the path (W4), each a process.

    python -m tests.benchmarks.chat listener|actuator URL FLOW NETWORK

They are `NatsBridge`, as every listener uses it. Times are of the machine's monotonic clock,
which all its processes share.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from chatbot import service
from chatbot.broker import connect
from chatbot.listeners.bridge import NatsBridge
from chatbot.messages import ChatMessage
from tests.benchmarks.companion import serve

AT_ONCE = 256
"""Messages that the listener publishes at once, where it is to be fast."""


class Listener:
    """Hears what it is asked to."""

    def __init__(self, bridge: NatsBridge, network: str) -> None:
        self._bridge = bridge
        self._network = network

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Hear `count` messages whose ids begin with `name`; one in `every` seconds, if given.

        What they say are the `texts`, if given.
        """
        heard = [self._message(request, number) for number in range(request["count"])]
        if "every" in request:
            return {"began": [await self._lone(message, request["every"]) for message in heard]}
        began = time.monotonic()
        waiting = iter(heard)
        await asyncio.gather(*(self._hear_all(waiting) for _ in range(AT_ONCE)))
        return {"began": began, "ended": time.monotonic()}

    async def _hear_all(self, messages: Any) -> None:
        for message in messages:
            await self._bridge.hear(message)

    async def _lone(self, message: ChatMessage, every: float) -> float:
        await asyncio.sleep(every)
        began = time.monotonic()
        await self._bridge.hear(message)
        return began

    def _message(self, request: dict[str, Any], number: int) -> ChatMessage:
        said = f"{number:08} how do I do this? {'x' * 80}"[:80]
        return ChatMessage(
            id=f"{request['name']}-{number}",
            network=self._network,
            room="#room",
            sender="anna",
            text=request["texts"][number] if "texts" in request else said,
            time=datetime.now(UTC),
        )


class Actuator:
    """Performs nothing, and says when."""

    def __init__(self, bridge: NatsBridge) -> None:
        self._bridge = bridge

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return when each of `count` outcomes came, by the number in its message's id."""
        ended = [0.0] * request["count"]
        left = request["count"]
        async with aclosing(self._bridge.outcomes()) as outcomes:
            async for delivery in outcomes:
                name, _, number = delivery.outcome.id.rpartition("-")
                if name == request["name"]:
                    assert delivery.outcome.replies[0].text.startswith("that is a ")
                    ended[int(number)] = time.monotonic()
                    left -= 1
                await delivery.done()
                if not left:
                    return {"ended": ended if request.get("each") else max(ended)}
        raise AssertionError("unreachable")


async def main() -> int:
    role, url, flow, network = sys.argv[1:]
    async with connect(url, name=role) as broker:
        if role == "listener":
            await serve(Listener(NatsBridge(broker, flow, network), network).answer)
        else:
            async with NatsBridge.open(broker, flow, network) as bridge:
                await serve(Actuator(bridge).answer)
    return 0


if __name__ == "__main__":
    sys.exit(service.run(main))
