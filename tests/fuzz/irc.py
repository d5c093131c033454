"""Lines of an IRC server, as they come off the wire: a whole session, without the socket."""

from __future__ import annotations

import asyncio
import atexit
import functools
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from irc.client_aio import AioConnection

from chatbot.listeners.irc.capabilities import WANTED
from chatbot.listeners.irc.hearing import Heard
from chatbot.listeners.irc.memory import Memory
from chatbot.listeners.irc.outbox import Outbox
from chatbot.listeners.irc.people import LENGTH, People
from chatbot.listeners.irc.session import Session
from chatbot.listeners.irc.settings import IrcSettings, Timing
from chatbot.listeners.irc.text import LINE, heard, is_nick, lines
from chatbot.listeners.irc.wire import UNREAD, Protocol
from chatbot.messages import ChatMessage
from tests.servers.listening import MemoryBridge

SETTINGS = IrcSettings(server="irc.example.org", tls=False, nick="bot", channels=("#chan", "#é"))
MOST_REMEMBERED = 4096
"""Things that a session may remember of what a server made up."""


class Sink(asyncio.Transport):
    """Where lines are written that nobody reads."""

    def __init__(self) -> None:
        super().__init__({"socket": _socket()})
        self.written = bytearray()
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def pause_reading(self) -> None:
        """It is not asked to read any more."""

    resume_reading = pause_reading


def server_lines(data: bytes) -> None:
    """Feed a session what a server sends, in two reads."""
    _run(_session(data))


async def _session(data: bytes) -> None:
    kept, outbox = Heard(), Outbox()
    address = SETTINGS.addresses[0]
    session = Session(
        "net",
        SETTINGS,
        Timing(),
        address=address,
        people=People(),
        memory=Memory(MemoryBridge()),
        heard=kept,
        outbox=outbox,
    )
    wire, sink = session._wire, Sink()
    # As if the server had granted them; without account-tag, people are followed.
    session._login.capabilities.enabled |= WANTED - ({"account-tag"} if len(data) % 2 else set())

    async def factory(protocol: Protocol, _: object) -> tuple[Sink, Protocol]:
        return sink, protocol

    await AioConnection.connect(wire, "s", 6667, "bot", connect_factory=factory)
    for part in (data[: len(data) // 2], data[len(data) // 2 :]):
        wire.protocol.data_received(part)
    for message in kept._messages:
        _check_message(message)
        session.standing(message.room)
        limit = session.limit(message.room, notice=True)
        assert all(len(line.encode()) <= limit for line in lines(message.text, limit=limit, most=3))
    assert len(sink.written) <= UNREAD + LINE, "the server asks, and does not read"
    assert all(len(line) + 2 <= LINE for line in bytes(sink.written).split(b"\r\n"))
    assert len(session._membership._channels._channels) <= MOST_REMEMBERED
    assert len(session._ear._replay._batches) <= MOST_REMEMBERED
    assert len(session._ear._replay._since) <= MOST_REMEMBERED
    assert len(session._commands._waiting) <= MOST_REMEMBERED
    assert len(vars(wire.features)) <= MOST_REMEMBERED
    assert len(session._login.capabilities.offered) <= len(WANTED) + 1
    for person in session._people._people.values():
        assert len(person.nick + person.userhost + person.account) <= 4 * LENGTH


def _check_message(message: ChatMessage) -> None:
    encoded = message.encode()
    assert ChatMessage.decode(encoded) == message
    assert message.text == heard(message.text), "what was heard holds what nobody said"


def text(data: bytes) -> None:
    """Split a text into lines that may leave: none too long, none that ends another's."""
    said = data.decode("utf-8", "surrogateescape" if len(data) % 2 else "replace")
    for line in lines(said, limit=80, most=4):
        assert len(line.encode(errors="replace")) <= 80
        assert not set(line) & set("\r\n\0\x01")
    heard(said)
    is_nick(said)


@functools.cache
def _socket() -> socket.socket:
    made = socket.socket()
    atexit.register(made.close)
    return made


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    _loop().run_until_complete(coroutine)


TARGETS: dict[str, Callable[[bytes], None]] = {"irc_lines": server_lines, "irc_text": text}
