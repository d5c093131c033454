"""A room in a test's body: what people say goes through a gate to IN, and outcomes come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from chatbot.broker import Broker, streams
from chatbot.broker.state import State
from chatbot.listeners.bridge import NatsBridge
from chatbot.listeners.gate import Conduct, Gate
from chatbot.messages import ChatMessage, Outcome
from chatbot.policy import Policy, Rules, Terms

NETWORK = "net"
FLOW = "test"
FREE = Policy(Terms(person=None, room=None))


class Room:
    """What a listener does, without a network."""

    def __init__(self, gate: Gate, name: str) -> None:
        self.gate = gate
        self.name = name
        self._count = 0
        self._outcomes: dict[str, Outcome] = {}
        self._arrived = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        broker: Broker,
        rules: Rules | None = None,
        policy: Policy = FREE,
        name: str = "#room",
        network: str = NETWORK,
    ) -> AsyncIterator[Room]:
        """Listen for the block's duration, as `chatbot run` does."""
        await streams.ensure(broker, streams.flow_streams(FLOW))
        conduct = Conduct(policy, rules or Rules())
        state = await State.open(broker, FLOW)
        async with (
            NatsBridge.open(broker, FLOW, network) as bridge,
            Gate.open(
                bridge, conduct, flow=FLOW, network=network, name=network, state=state
            ) as gate,
        ):
            room = cls(gate, name)
            performing = asyncio.ensure_future(room._perform())
            try:
                yield room
            finally:
                performing.cancel()
                await asyncio.gather(performing, return_exceptions=True)

    async def hear(self, text: str, **fields: Any) -> str:
        """Hear a message; return its id."""
        self._count += 1
        known = {"id": f"{self.name} {self._count}", "room": self.name, "sender": "anna"}
        known |= {"network": NETWORK, "nick": "bot", "text": text, "time": datetime.now(UTC)}
        message = ChatMessage(**{**known, **fields})
        await self.gate.hear(message)
        return message.id

    async def outcome(self, message_id: str, timeout: float = 30.0) -> Outcome:
        """Wait for what becomes of a message."""
        async with asyncio.timeout(timeout):
            while message_id not in self._outcomes:
                self._arrived.clear()
                await self._arrived.wait()
        return self._outcomes[message_id]

    async def ask(self, text: str, **fields: Any) -> str:
        """Say something; return what the bot says to it, or why it does not."""
        outcome = await self.outcome(await self.hear(text, **fields))
        said = " / ".join(reply.text for reply in outcome.replies)
        return said or outcome.skipped or outcome.error

    async def _perform(self) -> None:
        async for delivery in self.gate.outcomes():
            self._outcomes[delivery.outcome.id] = delivery.outcome
            self._arrived.set()
            await delivery.done()
