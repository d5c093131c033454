"""What was heard, on its way to IN: in order, bounded, never dropped.

When it is full, the connection is not read, so that the server's TCP feels it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from irc.client import Event

from chatbot.listeners.bridge import Bridge
from chatbot.listeners.irc.membership import Membership
from chatbot.listeners.irc.names import is_addressed
from chatbot.listeners.irc.text import heard
from chatbot.listeners.irc.wire import Wire
from chatbot.messages import ChatMessage, digest

log = logging.getLogger(__name__)

LIMIT = 1000
"""Messages that may wait for IN. What one read gave when it fills up still comes on top."""

BATCHES = 64
"""Batches of history that may be open at once; of more, those begun first are forgotten."""


class Heard:
    """The queue between the connections of a network, one after the other, and the bridge."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._messages: deque[ChatMessage] = deque()
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._wire: Wire | None = None

    def put(self, message: ChatMessage, wire: Wire) -> None:
        """Add a message; pauses `wire` when that makes the queue full."""
        self._messages.append(message)
        self._arrived.set()
        self._empty.clear()
        if len(self._messages) >= self._limit and not wire.paused:
            log.warning("paused reading: %d messages wait to be stored", len(self._messages))
            wire.pause()
            self._wire = wire

    async def run(self, bridge: Bridge) -> None:
        """Hand the messages to `bridge` in their order, for ever."""
        while True:
            while self._messages:
                await bridge.hear(self._messages[0])
                self._messages.popleft()
                self._resume()
            self._empty.set()
            self._arrived.clear()
            await self._arrived.wait()

    async def flushed(self) -> None:
        """Wait until the bridge has all that was heard."""
        await self._empty.wait()

    def _resume(self) -> None:
        if self._wire is not None and len(self._messages) <= self._limit // 2:
            log.info("resumed reading")
            self._wire.resume()
            self._wire = None


class Ear:
    """Makes messages of one connection's events and puts them on the queue.

    An id is derived from the server's `msgid` where it gives one (so history that is replayed
    has the id it had), else from the network, this connection and the place in it.
    """

    def __init__(self, network: str, wire: Wire, heard: Heard, membership: Membership) -> None:
        self._network = network
        self._wire = wire
        self._heard = heard
        self._membership = membership
        self._connection = secrets.token_hex(8)
        self._count = 0
        self._history: dict[str, None] = {}

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event; NOTICEs are not heard, so bots cannot loop."""
        return {
            "batch": self._on_batch,
            "pubmsg": self._on_message,
            "privmsg": self._on_message,
            "action": self._on_message,
        }

    def _on_batch(self, event: Event) -> None:
        reference = event.target or ""
        if reference.startswith("+") and event.arguments[:1] == ["chathistory"]:
            self._history[reference[1:]] = None
            if len(self._history) > BATCHES:
                del self._history[next(iter(self._history))]
        elif reference.startswith("-"):
            self._history.pop(reference[1:], None)

    def _on_message(self, event: Event) -> None:
        self._count += 1
        tags = {tag["key"]: tag["value"] for tag in event.tags or ()}
        text = heard(event.arguments[0]) if event.arguments else ""
        if text and tags.get("batch") not in self._history and self._is_person(event):
            self._heard.put(self._message(event, text, tags), self._wire)

    def _is_person(self, event: Event) -> bool:
        if not event.source or self._wire.is_me(event.source.nick):
            return False
        return "." not in event.source.nick  # else it is a server

    def _message(self, event: Event, text: str, tags: dict[str, str | None]) -> ChatMessage:
        # A source without `!` is given as an object of the library's, which no message may hold.
        sender, nick = str(event.source.nick), self._wire.nickname_now
        private = not self._membership.is_channel(event.target)
        return ChatMessage(
            id=self._id(tags.get("msgid")),
            network=self._network,
            room=sender if private else self._membership.spelling(event.target),
            sender=sender,
            text=text,
            time=_instant(tags.get("time")),
            addressed=private or is_addressed(text, nick, self._wire.casemapping),
            private=private,
            nick=nick,
        )

    def _id(self, given: str | None) -> str:
        if given:
            return digest(self._network, given)
        return digest(self._network, self._connection, str(self._count))


def _instant(given: str | None) -> datetime:
    try:
        said = datetime.fromisoformat(given or "")
        return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # as 0001-01-01T00:00+01:00
        return datetime.now(UTC)
