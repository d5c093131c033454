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
from chatbot.listeners.irc.names import alternatives, is_addressed
from chatbot.listeners.irc.people import People, Person
from chatbot.listeners.irc.replay import Replay, instant
from chatbot.listeners.irc.text import heard
from chatbot.listeners.irc.wire import Wire
from chatbot.messages import ChatMessage, digest

log = logging.getLogger(__name__)

LIMIT = 1000
"""Messages that may wait for IN. What one read gave when it fills up still comes on top."""


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

    An id is derived from the server's `msgid` where it gives one, so what is replayed has the id
    it had; else from the network, this connection and the place in it. Of history, only what has
    a `msgid` is heard: it is stored once, and not answered twice. What was said in a
    channel before we first came there is not heard.
    """

    def __init__(
        self,
        network: str,
        *,
        wire: Wire,
        heard: Heard,
        membership: Membership,
        people: People,
        replay: Replay,
        nick: str,
    ) -> None:
        self._network = network
        self._wire = wire
        self._heard = heard
        self._membership = membership
        self._people = people
        self._nicks = (nick, *alternatives(nick))
        self._replay = replay
        self._connection = secrets.token_hex(8)
        self._count = 0

    def handlers(self) -> list[dict[str, Callable[[Event], None]]]:
        """Return what to call for which event; NOTICEs are not heard, so bots cannot loop."""
        own = dict.fromkeys(("pubmsg", "privmsg", "action"), self._on_message)
        return [self._replay.handlers(), {**own, "tagmsg": self._on_tags}]

    def _on_message(self, event: Event) -> None:
        self._count += 1
        tags = _tags_of(event)
        text = heard(event.arguments[0]) if event.arguments else ""
        if text and self._is_heard(event, tags):
            kind = "action" if event.type == "action" else "message"
            self._take(event, text, tags, kind, _reply(tags))

    def _on_tags(self, event: Event) -> None:
        """Hear a reaction: https://ircv3.net/specs/client-tags/react"""
        self._count += 1
        tags = _tags_of(event)
        for key, kind in _REACTIONS.items():
            text, about = heard(tags.get(key) or "")[:100], _reply(tags)
            if text and about and self._is_heard(event, tags):
                self._take(event, text, tags, kind, about)
                return

    def _is_heard(self, event: Event, tags: dict[str, str | None]) -> bool:
        if not event.source or "." in event.source.nick:  # the latter is a server
            return False
        if self._wire.is_me(event.source.nick):
            if tags.get("msgid"):
                self._people.own(str(tags["msgid"]))
            return False
        if not self._replay.is_history(event.target, tags):
            return True
        # We may have been called otherwise when we said it.
        own = any(self._wire.same(event.source.nick, nick) for nick in self._nicks)
        return bool(tags.get("msgid")) and not own and self._replay.is_missed(event.target, tags)

    def _take(
        self, event: Event, text: str, tags: dict[str, str | None], kind: str, about: str
    ) -> None:
        # A source without `!` is given as an object of the library's, which no message may hold.
        sender, nick = str(event.source.nick), self._wire.nickname_now
        private = not self._membership.is_channel(event.target)
        old = self._replay.is_history(event.target, tags)
        person = Person(sender) if old else self._people.seen(event.source)
        message = ChatMessage(
            id=self._id(tags.get("msgid")),
            network=self._network,
            room=sender if private else self._membership.spelling(event.target),
            sender=sender,
            text=text,
            time=instant(tags.get("time")) or datetime.now(UTC),
            addressed=private
            or self._people.is_own(about)
            or is_addressed(text, nick, self._wire.casemapping, action=kind == "action"),
            private=private,
            nick=nick,
            name=sender,
            account=self._people.account_of(person, tags),
            kind=kind,
            reply_to=digest(self._network, about) if about else "",
            old=old,
        )
        self._people.spoke(message.id, person, tags.get("msgid"))
        self._heard.put(message, self._wire)

    def _id(self, given: str | None) -> str:
        if given:
            return digest(self._network, given)
        return digest(self._network, self._connection, str(self._count))


_REACTIONS = {"+draft/react": "reaction", "+draft/unreact": "unreaction"}


def _tags_of(event: Event) -> dict[str, str | None]:
    return {tag["key"]: tag["value"] for tag in event.tags or ()}


def _reply(tags: dict[str, str | None]) -> str:
    return tags.get("+draft/reply") or tags.get("+reply") or ""
