"""A classic Gitter listener that runs in a test's body, beside the server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chatbot.listeners.gitter import GitterListener, Timing
from chatbot.messages import Action, ChatMessage, Outcome, Reply
from tests.servers.gitter import NETWORK, QUICK, GitterServer, Place, settings
from tests.servers.listening import MemoryBridge
from tests.servers.processes import until


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
