"""A listener that runs in a test's body, with the rest of the program in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from chatbot.listeners.bridge import Delivery
from chatbot.listeners.irc import IrcListener, IrcSettings, Timing
from chatbot.messages import ChatMessage, Outcome, Reply

QUICK = Timing(
    connect=5,
    register=5,
    ping=0.3,
    silence=0.9,
    receipt=5,
    rejoin=0.1,
    regain=0.3,
    backoff=0.25,
    backoff_most=0.5,
)
PATIENCE = 20.0


class MemoryBridge:
    """The rest of the program, in memory; `open` is cleared while IN does not take anything."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        """Set when something was heard while it does not take anything."""
        self.heard: asyncio.Queue[ChatMessage] = asyncio.Queue()
        self.acknowledged: asyncio.Queue[str] = asyncio.Queue()
        self.may_acknowledge = asyncio.Event()
        self.may_acknowledge.set()
        self.stored = ""
        """The position that the listener stored last."""
        self.forgotten: list[str] = []
        self.marks: set[tuple[str, str]] = set()
        self._deliveries: asyncio.Queue[Delivery] = asyncio.Queue()

    async def forget(self, message_id: str) -> None:
        self.forgotten.append(message_id)

    async def position(self) -> str:
        return self.stored

    async def advance(self, position: str) -> None:
        self.stored = position

    async def hear(self, message: ChatMessage) -> None:
        if not self.open.is_set():
            self.asked.set()
        await self.open.wait()
        self.heard.put_nowait(message)

    async def outcomes(self) -> AsyncIterator[Delivery]:
        while True:
            yield await self._deliveries.get()

    async def next(self) -> ChatMessage:
        async with asyncio.timeout(PATIENCE):
            return await self.heard.get()

    async def next_acknowledged(self) -> str:
        async with asyncio.timeout(PATIENCE):
            return await self.acknowledged.get()

    def answer(self, room: str, *texts: str, name: str = "1", notice: bool = False) -> None:
        replies = tuple(Reply(text=text, notice=notice) for text in texts)
        self.decide(Outcome(id=name, network="test", room=room, sender="ann", replies=replies))

    def decide(self, outcome: Outcome, attempt: int = 1) -> None:
        """Deliver an outcome; its marks are those of all deliveries of it."""

        async def done() -> None:
            await self.may_acknowledge.wait()
            self.acknowledged.put_nowait(outcome.id)

        async def mark(name: str) -> float | None:
            known = (outcome.id, name) in self.marks
            self.marks.add((outcome.id, name))
            return 1.0 if known else None

        async def begin() -> bool:
            return await mark("begun") is None

        self._deliveries.put_nowait(Delivery(outcome, attempt, done, begin=begin, mark=mark))


@contextlib.asynccontextmanager
async def listening(chosen: IrcSettings, timing: Timing = QUICK) -> AsyncIterator[MemoryBridge]:
    bridge = MemoryBridge()
    running = asyncio.create_task(IrcListener("test", chosen, timing).run(bridge))
    try:
        yield bridge
    finally:
        running.cancel()
        async with asyncio.timeout(20):
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Wait until `text` has been logged."""
    async with asyncio.timeout(PATIENCE):
        while text not in caplog.text:
            await asyncio.sleep(0.01)  # a log says no word when it grows
