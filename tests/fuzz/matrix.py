"""What a homeserver may answer: an event, a whole sync, without the socket."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from chatbot.errors import ListenerError
from chatbot.listeners.bridge import Bridge
from chatbot.listeners.matrix import MatrixSettings, Timing, discovery, mutes, wire
from chatbot.listeners.matrix.content import MOST, contents
from chatbot.listeners.matrix.events import decoded, is_event_id
from chatbot.listeners.matrix.hearing import Ear
from chatbot.listeners.matrix.joining import Joiner
from chatbot.listeners.matrix.memory import Memory
from chatbot.listeners.matrix.notes import Notes
from chatbot.listeners.matrix.outbox import Outbox
from chatbot.listeners.matrix.rooms import NAMES, Room, Rooms
from chatbot.listeners.matrix.text import LONGEST, NAME, pieces, size
from chatbot.listeners.matrix.unreadable import Unreadable
from chatbot.listeners.matrix.wire import RefusedError, Wire
from chatbot.messages import ChatMessage, Outcome, Reply

USER = "@bot:example.org"
SETTINGS = MatrixSettings(user=USER, token="x", reactions=True, invites=("*:example.org",))


class Refusing:
    """A wire to a server that wants nothing more."""

    async def request(self, *_: Any, **__: Any) -> Mapping[str, Any]:
        raise RefusedError(403, "M_FORBIDDEN", "")


class Checking:
    """A bridge that looks at what it is given."""

    def __init__(self) -> None:
        self.position_now = ""

    async def hear(self, message: ChatMessage) -> None:
        assert ChatMessage.decode(message.encode()) == message
        assert is_event_id(message.id)
        assert message.name.isprintable()
        assert 0 < len(message.name) <= NAME
        assert 0 < len(message.text) <= LONGEST
        assert not set(message.text) & set("\x00\x1b\r")
        assert message.account == message.sender != USER
        outcome = Outcome(
            message.id, "net", message.room, message.sender, (Reply(message.text, markdown=True),)
        )
        for content in contents(outcome, SETTINGS):
            assert len(json.dumps(content, ensure_ascii=False).encode()) <= MOST + 2000

    async def forget(self, message_id: str) -> None:
        assert is_event_id(message_id)

    async def advance(self, position: str) -> None:
        self.position_now = position


def event(data: bytes) -> None:
    """Decode an answer as an event, and as all else that answers are read for."""
    answer = wire._decoded(data)
    if answer is None:
        return
    decoded(answer)
    room = Room("!room")
    room.take(answer)
    assert room.name("@ann:example.org").isprintable()
    assert wire._pause(answer, {}) <= wire.LONGEST_PAUSE
    wire._error(403, answer)
    mutes._mute(answer)
    with contextlib.suppress(ListenerError):
        assert urlsplit(discovery._address(answer, "example.org")).scheme == "https"


def sync(data: bytes) -> None:
    """Hear a sync, once and again."""
    answer = wire._decoded(data)
    if answer is not None:
        _loop().run_until_complete(_heard(answer))


def text(data: bytes) -> None:
    """Split a text into pieces, of which none is too long."""
    said = data.decode("utf-8", "surrogateescape" if len(data) % 2 else "replace")
    for piece in pieces(said, limit=64, most=3):
        assert 0 < size(piece) <= 64
        assert not set(piece) & set("\x00\x1b\r")


async def _heard(answer: Mapping[str, Any]) -> None:
    refusing = cast(Wire, Refusing())
    rooms, memory, bridge = Rooms(USER), Memory(USER), Checking()
    ear = Ear(
        "net",
        SETTINGS,
        Timing(),
        bridge=cast(Bridge, bridge),
        wire=refusing,
        rooms=rooms,
        outbox=Outbox(),
        memory=memory,
        joiner=Joiner("net", SETTINGS, Timing(), refusing, rooms),
        unreadable=Unreadable("net", refusing, Notes(refusing, USER), crypto=True),
        crypto=None,
    )
    for _ in range(2):
        await ear._take(answer, old=False)
    assert all(len(room.names) <= NAMES for room in rooms._rooms.values())


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


TARGETS: dict[str, Callable[[bytes], None]] = {
    "matrix_event": event,
    "matrix_sync": sync,
    "matrix_text": text,
}
