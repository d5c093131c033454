"""A gate between a listener's end and the program's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chatbot.listeners.gate import Conduct, Gate
from chatbot.listeners.gate.lasts import Lasts
from chatbot.messages import ChatMessage, Outcome, Reply
from chatbot.policy import Policy, Rules, Terms
from tests.servers.listening import MemoryBridge

NETWORK, ROOM = "irc", "#dev"
NIGHT = datetime(2026, 1, 1, 23, 0, tzinfo=UTC)
DAY = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
OPEN = Terms(person=None, room=None)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Network:
    """A gate with a listener's end and the program's end; time stands still unless told."""

    def __init__(
        self,
        terms: Terms = OPEN,
        rules: Rules | None = None,
        closed: bool = True,
        **policy: Any,
    ) -> None:
        self.bridge = MemoryBridge()
        self.clock = Clock()
        conduct = Conduct(Policy(terms, **policy), rules or Rules())
        self.gate = Gate(
            self.bridge,
            conduct,
            Lasts("flow", NETWORK, None, self.clock),
            name=NETWORK,
            closed=closed,
            clock=self.clock,
        )
        self._count = 0

    async def hear(self, text: str = "hello", **fields: Any) -> ChatMessage | None:
        """Return what is passed on of a message; `None` where nothing is."""
        self._count += 1
        known = {"id": f"m{self._count}", "room": ROOM, "sender": "anna", "time": DAY}
        message = ChatMessage(
            **{"network": NETWORK, "text": text, "nick": "bot", **known, **fields}
        )
        await self.gate.hear(message)
        return None if self.bridge.heard.empty() else self.bridge.heard.get_nowait()

    async def answer(
        self, message: ChatMessage, *texts: str, said: bool = True, **more: Any
    ) -> None:
        """Have the listener perform an outcome."""
        replies = tuple(Reply(text) for text in texts)
        self.bridge.decide(
            Outcome(message.id, NETWORK, message.room, message.sender, replies, **more)
        )
        delivery = await anext(self.gate.outcomes())
        assert delivery.outcome.replies == replies
        if said:
            await delivery.done()
            assert await self.bridge.next_acknowledged() == message.id

    async def asks(self, text: str, answer: str = "well", **fields: Any) -> bool:
        """Whether what somebody says is answered, after which time goes by for nobody."""
        message = await self.hear(text, **fields)
        if message is not None:
            await self.answer(message, answer)
        return message is not None
