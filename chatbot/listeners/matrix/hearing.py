"""From syncs to messages: an own loop, that goes on only when what it had is safe.

The rule that it guards: the position is stored after all that came before it was taken by the
bridge, and what a sync leaves out of a room is fetched, so nothing is lost and all is in order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from chatbot.errors import ListenerError
from chatbot.listeners.bridge import Bridge
from chatbot.listeners.matrix import requests, text
from chatbot.listeners.matrix.breaker import LostError
from chatbot.listeners.matrix.encryption import Crypto
from chatbot.listeners.matrix.events import (
    Encrypted,
    Reacted,
    Redacted,
    Said,
    decoded,
    mapping,
    string,
)
from chatbot.listeners.matrix.history import Gap, earlier_events
from chatbot.listeners.matrix.joining import Joiner
from chatbot.listeners.matrix.memory import Memory
from chatbot.listeners.matrix.outbox import Outbox
from chatbot.listeners.matrix.rooms import Room, Rooms, events_of
from chatbot.listeners.matrix.settings import MatrixSettings, Timing
from chatbot.listeners.matrix.unreadable import Unreadable
from chatbot.listeners.matrix.wire import LimitedError, RefusedError, Wire
from chatbot.messages import ChatMessage

log = logging.getLogger(__name__)

AWAY = 120.0
"""Seconds without the server after which what was said meanwhile is old."""
HASTE = 1.0
"""Seconds within which no server says that there is nothing new; one that does is broken."""
HASTY_PAUSE = 5.0
INSIDE = ("join", "invite")
"""Memberships with which what is said is for us: who invites us speaks before we have come."""
WELCOME = 300
"""Events before our coming among which the invitation is looked for."""
FIRST_SYNC = 600.0
"""Seconds that a sync without a position may take: the server computes the state of all rooms."""


class Ear:
    """Hears what is said, for as long as one login lasts."""

    def __init__(
        self,
        network: str,
        settings: MatrixSettings,
        timing: Timing,
        *,
        bridge: Bridge,
        wire: Wire,
        rooms: Rooms,
        outbox: Outbox,
        memory: Memory,
        joiner: Joiner,
        unreadable: Unreadable,
        crypto: Crypto | None,
    ) -> None:
        self._network = network
        self._settings = settings
        self._timing = timing
        self._bridge = bridge
        self._wire = wire
        self._rooms = rooms
        self._outbox = outbox
        self._memory = memory
        self._joiner = joiner
        self._unreadable = unreadable
        self._crypto = crypto
        self._since = ""
        self._is_resumed = False
        self._born = 0.0
        """When the bot was started for the first time, if that was now."""

    async def begin(self) -> None:
        """Learn which rooms there are, and where to go on: at the stored position, else now."""
        begun = time.time()
        first = await self._wire.request(
            *requests.sync("", 0, page=1), timeout=FIRST_SYNC, has="next_batch"
        )
        await self._learn(first)
        for room_id, section in _sections(first, "join"):
            room = self._rooms.take_joined(room_id, section)
            for event in events_of(section, "timeline"):
                room.take(event)
        stored = await self._bridge.position()
        user, _, since = stored.partition(" ")
        if user == self._rooms.user and since:
            self._since, self._is_resumed = since, True
        else:
            self._born = begun
            await self._start_at(first)

    async def run(self) -> None:
        """Hear for ever. Raises `DeniedError` when the token is not taken any more."""
        loop = asyncio.get_running_loop()
        reached, is_first, hasty = loop.time(), True, 0
        while True:
            asked = loop.time()
            answer = await self._poll(at_once=is_first)
            if answer is None:
                continue
            old = (is_first and self._is_resumed) or loop.time() - reached > AWAY
            is_news = answer.get("next_batch") != self._since
            await self._take(answer, old=old)
            reached, is_first = loop.time(), False
            hasty = 0 if is_news or reached - asked > HASTE else min(hasty + 1, 10)
            if hasty:
                await asyncio.sleep(min(0.01 * 2**hasty, HASTY_PAUSE))

    async def _poll(self, *, at_once: bool) -> Mapping[str, Any] | None:
        """Return what is new; `None` if that cannot be had now."""
        now = requests.sync(self._since, 0)
        method, path, _ = now if at_once else requests.sync(self._since, self._timing.poll)
        patience = self._timing.poll + self._timing.late
        try:
            return await self._wire.once(
                method, path, timeout=patience, probe=now[1], has="next_batch"
            )
        except LimitedError as error:
            await asyncio.sleep(max(error.seconds, 1.0))
        except LostError:
            pass  # the breaker makes us wait
        except RefusedError as error:
            await self._refused(error)
        return None

    async def _refused(self, error: RefusedError) -> None:
        if error.status != 400:
            raise ListenerError(f"{self._network} refuses to let the bot hear: {error}") from error
        log.warning("lost the position on %s (%s): hearing from now on", self._network, error)
        now = await self._wire.request(
            *requests.sync("", 0, page=1), timeout=FIRST_SYNC, has="next_batch"
        )
        await self._start_at(now)

    async def _start_at(self, answer: Mapping[str, Any]) -> None:
        self._since = string(answer.get("next_batch"))
        await self._bridge.advance(f"{self._rooms.user} {self._since}")

    async def _learn(self, answer: Mapping[str, Any]) -> None:
        """Take all of a sync but what was said."""
        if self._crypto is not None:
            await self._crypto.take(answer)
        self._rooms.take_account(events_of(answer, "account_data"))
        for room_id, section in _sections(answer, "invite"):
            self._joiner.invited(room_id, events_of(section, "invite_state"))
        for room_id, _ in _sections(answer, "leave"):
            if room_id in self._rooms:
                log.info("no longer in %s on %s", room_id, self._network)
            self._rooms.leave(room_id)

    async def _take(self, answer: Mapping[str, Any], *, old: bool) -> None:
        batch = string(answer.get("next_batch"))
        await self._learn(answer)
        for room_id, section in _sections(answer, "join"):
            await self._take_room(room_id, section, old=old)
        if self._crypto is not None:
            for room_id, event in self._crypto.readable_now():
                await self._take_event(self._rooms.get(room_id), event, old=old)
        if batch != self._since:
            await self._bridge.advance(f"{self._rooms.user} {batch}")
        self._since = batch

    async def _take_room(self, room_id: str, section: Mapping[str, Any], *, old: bool) -> None:
        is_known = room_id in self._rooms
        room = self._rooms.take_joined(room_id, section)
        events = events_of(section, "timeline")
        timeline = mapping(section.get("timeline"))
        if timeline.get("limited") is True:
            start = string(timeline.get("prev_batch"))
            gap = Gap(room_id, start, self._since)
            if any(map(self._is_own_membership, events)) and not is_known:
                gap = Gap(room_id, start, "", self._is_our_coming, WELCOME)
            events = [*await earlier_events(self._wire, gap, events, room.take), *events]
        standing = self._standing_before(events)
        for event in events:
            if "state_key" in event:
                standing = self._standing_after(event, standing)
                room.take(event)
            elif standing == "join" or (standing == "invite" and not self._is_history(event)):
                await self._take_event(room, event, old=old)

    def _standing_before(self, events: list[Mapping[str, Any]]) -> object:
        """Return our membership when the first of `events` came.

        Our first own membership among them says it, by what it was before.
        """
        first = next(filter(self._is_own_membership, events), None)
        return "join" if first is None else _membership_before(first)

    def _standing_after(self, event: Mapping[str, Any], standing: object) -> object:
        if not self._is_own_membership(event):
            return standing
        return mapping(event.get("content")).get("membership")

    def _is_own_membership(self, event: Mapping[str, Any]) -> bool:
        return event.get("type") == requests.MEMBER and event.get("state_key") == self._rooms.user

    def _is_our_coming(self, event: Mapping[str, Any]) -> bool:
        """Whether what is before it is not for us."""
        return self._standing_after(event, "") in INSIDE and _membership_before(event) not in INSIDE

    def _is_history(self, event: Mapping[str, Any]) -> bool:
        """Whether it was said before the bot was ever started: an invitation may be older."""
        said = event.get("origin_server_ts")
        return isinstance(said, int) and said < self._born * 1000

    async def _take_event(self, room: Room, event: Mapping[str, Any], *, old: bool) -> None:
        if event.get("sender") == self._rooms.user:
            self._memory.own.add(string(event.get("event_id")))
            return
        if event.get("type") == "m.room.encrypted" and self._crypto is not None:
            event = self._crypto.decrypted(room.id, event)
        found = decoded(event)
        if found is None or found.id in self._memory.heard:
            return
        match found:
            case Said():
                await self._bridge.hear(await self._message(room, found, old=old))
            case Reacted():
                await self._take_reaction(room, found, old=old)
            case Redacted():
                await self._take_redaction(room, found, old=old)
            case Encrypted():
                await self._unreadable.met(room.id)
                return
        self._memory.heard.put(found.id, True)

    async def _message(self, room: Room, said: Said, *, old: bool) -> ChatMessage:
        return ChatMessage(
            id=said.id,
            network=self._network,
            room=room.id,
            sender=said.sender,
            text=said.text,
            time=said.time,
            addressed=room.private or await self._is_addressed(room, said),
            private=room.private,
            nick=self._rooms.nick(room),
            name=room.name(said.sender),
            account=said.sender,
            kind=said.kind,
            reply_to=said.reply_to,
            thread=said.thread,
            repository=room.repository,
            old=old,
        )

    async def _is_addressed(self, room: Room, said: Said) -> bool:
        if self._rooms.user in said.mentions:
            return True
        if text.is_addressed(said.text, self._rooms.names_of_ours(room)):
            return True
        if not said.reply_to or said.declared:
            return said.reply_to in self._memory.own
        return await self._memory.is_ours(self._wire, room.id, said.reply_to)

    async def _take_reaction(self, room: Room, reacted: Reacted, *, old: bool) -> None:
        if self._settings.reactions:
            heard = self._reaction(room, reacted, "reaction", reacted, old=old)
            self._memory.reacted(reacted)
            await self._bridge.hear(heard)

    async def _take_redaction(self, room: Room, redacted: Redacted, *, old: bool) -> None:
        """Forget what was taken back, whether it was heard, or waits to be answered."""
        self._outbox.forget(redacted.about)
        await self._bridge.forget(redacted.about)
        reacted = self._memory.taken_back(redacted.about)
        if reacted is not None:
            await self._bridge.hear(self._reaction(room, reacted, "unreaction", redacted, old=old))

    def _reaction(
        self, room: Room, reacted: Reacted, kind: str, event: Reacted | Redacted, *, old: bool
    ) -> ChatMessage:
        return ChatMessage(
            id=event.id,
            network=self._network,
            room=room.id,
            sender=reacted.sender,
            text=reacted.key,
            time=event.time,
            private=room.private,
            nick=self._rooms.nick(room),
            name=room.name(reacted.sender),
            account=reacted.sender,
            kind=kind,
            reply_to=reacted.about,
            repository=room.repository,
            old=old,
        )


def _membership_before(event: Mapping[str, Any]) -> object:
    """Return what somebody was in the room before this event of theirs."""
    return mapping(mapping(event.get("unsigned")).get("prev_content")).get("membership")


def _sections(answer: Mapping[str, Any], membership: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the rooms of a sync with that membership, each with its section."""
    rooms = mapping(mapping(answer.get("rooms")).get(membership))
    return [(room, mapping(section)) for room, section in rooms.items()]
