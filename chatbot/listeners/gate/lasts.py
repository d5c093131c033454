"""The last message of each room, so that `!why` knows what it is about, after a restart, too.

What is noted is written a moment later, and of many only the last: a busy room costs one write a
second. What is said in private is never written, and soon forgotten: on some networks the room is
only a nick, which somebody else may take.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chatbot.broker.state import LastHeard, State
from chatbot.listeners.gate.recent import Recent
from chatbot.messages import ChatMessage

EVERY = 1.0
"""Seconds between writes."""

LEAVING = 1.0
"""Seconds in which the last of them must be written."""

PRIVATE_KEPT = 600.0
"""Seconds for which the last message of a private conversation is known."""

MOST = 1024


@dataclass(frozen=True, slots=True)
class _Last:
    heard: LastHeard
    account: str
    at: float


class Lasts:
    """The last messages of one network's rooms. Without a `state` they are kept in memory."""

    def __init__(
        self,
        flow: str,
        network: str,
        state: State | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._flow = flow
        self._network = network
        self._state = state
        self._clock = clock
        self._known: Recent[str, _Last] = Recent(MOST)
        self._unwritten: dict[str, LastHeard] = {}
        self._noted = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, flow: str, network: str, state: State | None) -> AsyncIterator[Lasts]:
        """Write what is noted for the block's duration; at its end what is left, briefly."""
        lasts = cls(flow, network, state)
        writing = asyncio.ensure_future(lasts._write())
        try:
            yield lasts
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVING):
                    await lasts.flush()

    def note(self, message: ChatMessage, dropped: str = "") -> None:
        """Note the last message of its room, and why it is not answered."""
        room = message.room
        heard = LastHeard(self._flow, self._network, room, message.id, message.sender, dropped)
        self._known.set(room, _Last(heard, message.account, self._clock()))
        if self._state is not None and not message.private:
            self._unwritten[room] = heard
            self._noted.set()

    async def before(self, message: ChatMessage) -> str:
        """Return the id of the last message before `message` in its room; empty for none known.

        What the primary must know of it is written by then.
        """
        last = self._known.get(message.room)
        if message.private:
            return last.heard.id if last and self._is_theirs(last, message) else ""
        if last is None:
            found = await self._state.last(self._network, message.room) if self._state else None
            return found.id if found else ""
        if last.heard.dropped and message.room in self._unwritten:
            await self.flush()
        return last.heard.id

    def _is_theirs(self, last: _Last, message: ChatMessage) -> bool:
        return last.account == message.account and self._clock() - last.at < PRIVATE_KEPT

    async def flush(self) -> None:
        """Write what was not."""
        while self._unwritten and self._state is not None:
            room, heard = next(iter(self._unwritten.items()))
            await self._state.remember(heard)
            if self._unwritten.get(room) is heard:
                del self._unwritten[room]

    async def _write(self) -> None:
        while True:
            await self._noted.wait()
            self._noted.clear()
            await self.flush()
            await asyncio.sleep(EVERY)
