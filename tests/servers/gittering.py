"""The classic Gitter listener on our server: in a test's body, and as a venue."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chatbot.listeners.bridge import Listener
from chatbot.listeners.gitter import GitterListener, GitterSettings, Timing
from chatbot.messages import Action, ChatMessage, Outcome, Reply
from tests.servers.gitter import TOKEN, GitterServer, Place
from tests.servers.listening import MemoryBridge
from tests.servers.processes import until

NETWORK = "venue"
QUICK = Timing(
    connect=2.0,
    answer=2.0,
    settle=0.1,
    silence=5.0,
    poll=0.3,
    check=30.0,
    missed=1.0,
    rooms=0.5,
    refused=0.3,
    backoff=0.25,
    backoff_most=0.5,
)


def settings(server: GitterServer, **changes: Any) -> GitterSettings:
    usual: dict[str, Any] = {
        "server": server.address,
        "stream": server.stream_address,
        "token": TOKEN,
        "rooms": ("org/room",),
        "rate": 100_000,
    }
    return GitterSettings(**{**usual, **changes})


def quick(**changes: float) -> Timing:
    return dataclasses.replace(QUICK, **changes)


@asynccontextmanager
async def listening(
    server: GitterServer,
    bridge: MemoryBridge | None = None,
    *,
    timing: Timing = QUICK,
    present: bool = True,
    **changes: Any,
) -> AsyncIterator[MemoryBridge]:
    """Run a listener for the block's duration; `present`: wait until it hears all rooms."""
    bridge = bridge or MemoryBridge()
    rooms = [room for room in server.rooms.values() if "bot" in room.members]
    opened = {room.id: room.opened for room in rooms}
    listener = GitterListener(NETWORK, settings(server, **changes), timing)
    running = asyncio.ensure_future(listener.run(bridge))
    try:
        if present:
            for room in rooms:
                await server.streaming(room, opened[room.id] + 1)
        yield bridge
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        async with asyncio.timeout(3.0):
            with contextlib.suppress(asyncio.CancelledError):
                await running


def outcome(room: Place, name: str, *texts: str, **more: Any) -> Outcome:
    replies = more.pop("replies", tuple(Reply(text) for text in texts))
    return Outcome(name, NETWORK, room.uri, "ann", replies, **more)


def acting(room: Place, name: str, *actions: Action) -> Outcome:
    return outcome(room, name, actions=actions)


async def texts_heard(bridge: MemoryBridge, count: int) -> list[str]:
    return [(await bridge.next()).text for _ in range(count)]


async def nothing_more(bridge: MemoryBridge, server: GitterServer, room: Place) -> None:
    """See that nothing is heard but what is said now."""
    server.say("ann", room, "the next")
    message: ChatMessage = await bridge.next()
    assert message.text == "the next"
    assert bridge.heard.empty()


async def said(server: GitterServer, room: Place, count: int) -> list[str]:
    await until(lambda: len(server.texts(room)) >= count)
    return server.texts(room)


class GitterVenue:
    """The classic Gitter listener on our reading of the server."""

    room = "org/room"
    has_history = True
    is_idempotent = True
    has_notices = False
    secrets = (TOKEN,)

    def __init__(self, server: GitterServer) -> None:
        self._server = server
        self._place = server.room(self.room, "ann", "ben", "bot")
        self._private = server.room("", "ben", "bot")

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[GitterVenue]:
        async with GitterServer.running() as server:
            yield cls(server)

    def listener(self) -> Listener:
        return GitterListener(NETWORK, settings(self._server), QUICK)

    def sender(self, who: str) -> str:
        return who

    async def present(self) -> None:
        await self._server.streaming(self._place)
        await self._server.streaming(self._private)

    async def say(self, who: str, text: str) -> None:
        self._server.say(who, self._place, text)

    async def whisper(self, who: str, text: str) -> None:
        self._server.say(who, self._private, text)

    async def notice(self, who: str, text: str) -> None:
        raise NotImplementedError("there are none")

    async def act(self, who: str, text: str) -> None:
        self._server.say(who, self._place, text, status=True)

    def address(self, text: str) -> str:
        return f"@bot {text}"

    async def shown(self) -> list[str]:
        return self._server.texts(self._place)

    async def restart(self) -> None:
        await self._server.kill()
        await self._server.start()
