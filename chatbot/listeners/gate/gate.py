"""The bridge that a listener gets: what must not be answered is not passed on.

The rule that it guards: a listener knows nothing of it. For what is dropped `hear` returns as for
anything else, so that the listener's position goes on; what is passed on has the roles, the
command and the order that the flow wants.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager

import msgspec

from chatbot.broker.state import State
from chatbot.listeners.bridge import Bridge, Delivery
from chatbot.listeners.gate.calling import command_in
from chatbot.listeners.gate.complaints import Complaints
from chatbot.listeners.gate.lasts import Lasts
from chatbot.listeners.gate.limits import Limits
from chatbot.listeners.gate.loops import LoopBreaker
from chatbot.listeners.gate.recent import Recent
from chatbot.listeners.gate.teaching import Spoken, command_of
from chatbot.messages import ChatMessage, Outcome
from chatbot.policy import OPERATOR, Policy, Rules, Terms, room_of

log = logging.getLogger(__name__)

TALK = ("message", "action")
"""The kinds of message that people say; the others are what they do to one."""

FORGOTTEN = 120.0
"""Seconds after which nobody waits any more for a person's former message."""

MOST = 4096


@dataclasses.dataclass(slots=True)
class Conduct:
    """How to behave on a network; may be replaced while the listener stays connected."""

    policy: Policy
    rules: Rules


class Gate:
    """A `Bridge` around another. Made by `open`."""

    def __init__(
        self,
        bridge: Bridge,
        conduct: Conduct,
        lasts: Lasts,
        *,
        name: str,
        closed: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bridge = bridge
        self._conduct = conduct
        self._lasts = lasts
        self._name = name
        self._closed = closed
        self._clock = clock
        self._limits = Limits(clock=clock)
        self._loops = LoopBreaker(clock)
        self._complaints = Complaints(name, clock)
        self._charged: Recent[str, list[Hashable]] = Recent(MOST)
        self._former: Recent[tuple[str, str], tuple[str, float]] = Recent(MOST)
        self._spoken = Spoken()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        bridge: Bridge,
        conduct: Conduct,
        *,
        flow: str,
        network: str,
        name: str,
        state: State | None,
    ) -> AsyncIterator[Gate]:
        """Stand between a listener and its bridge for the block's duration.

        `name` is what the flow calls the network. Without a `state` it stands open: whoever
        started the program talks there, and each line is answered.
        """
        async with Lasts.open(flow, network, state) as lasts:
            yield cls(bridge, conduct, lasts, name=name, closed=state is not None)

    async def hear(self, message: ChatMessage) -> None:
        if self._closed and (ignored := self._ignored(message)):
            log.debug("ignore %s: %s", message.id, ignored)
            return
        message = self._introduced(message)
        dropped = self._objection(message) if self._closed else ""
        if message.command:
            message = msgspec.structs.replace(message, about=await self._about(message))
        elif message.kind in TALK and self._conduct.rules.prefix:
            self._lasts.note(message, dropped)
            if self._conduct.rules.learning is not None:
                self._spoken.note(message)
        if dropped:
            log.debug("drop %s: %s", message.id, dropped)
            return
        await self._bridge.hear(self._in_order(message))

    async def forget(self, message_id: str) -> None:
        await self._bridge.forget(message_id)

    async def position(self) -> str:
        return await self._bridge.position()

    async def advance(self, position: str) -> None:
        await self._bridge.advance(position)

    async def outcomes(self) -> AsyncIterator[Delivery]:
        async for delivery in self._bridge.outcomes():
            self._decided(delivery.outcome)
            yield self._watched(delivery) if delivery.outcome.replies else delivery

    def _introduced(self, message: ChatMessage) -> ChatMessage:
        """Return `message` with its sender's roles, and the command that it is."""
        rules = self._conduct.rules
        changes: dict[str, str | tuple[str, ...]] = {}
        if rules.roles and message.account:
            changes["roles"] = rules.roles_of(self._name, message.account)
        called = command_in(message, rules.prefix) if message.kind == "message" else None
        if message.roles:
            changes["roles"] = self._with_its_own(message, commands=called is not None)
        if called is not None:
            changes["command"], changes["arguments"] = called
        elif rules.learning is not None and message.kind not in TALK:
            roles = rules.roles_of(self._name, message.account)
            changes["command"] = command_of(message, rules.learning, roles)
            changes["arguments"] = rules.learning.reaction(message.text)
        return msgspec.structs.replace(message, **changes) if changes else message

    def _with_its_own(self, message: ChatMessage, *, commands: bool) -> tuple[str, ...]:
        """Return the sender's roles, with those that a listener may give: a terminal's alone.

        Who operates the bot has every role for what they command; what they say is said as by
        anybody, so that they see what others would.
        """
        rules = self._conduct.rules
        found = rules.roles_of(self._name, message.account)
        if self._closed:
            return found
        own = message.roles
        if own == OPERATOR:
            own = rules.every_role if commands else ()
        return tuple(dict.fromkeys((*found, *own)))

    async def _about(self, message: ChatMessage) -> str:
        """Return the id of the message that a command is about, empty where none is known."""
        if message.reply_to:
            return message.reply_to
        learning = self._conduct.rules.learning
        named = self._spoken.about(message, learning) if learning is not None else None
        return await self._lasts.before(message) if named is None else named

    def _ignored(self, message: ChatMessage) -> str:
        """Return why nothing at all is to be known of `message`, empty where it is heard."""
        policy, room = self._conduct.policy, room_of(message)
        if message.nick and message.sender.casefold() == message.nick.casefold():
            return "it is my own"
        if not policy.admits_room(room) or not policy.terms_in(room).listen:
            return "I do not listen here"
        return ""

    def _objection(self, message: ChatMessage) -> str:
        """Return why `message` is not to be answered, empty where it is."""
        terms = self._conduct.policy.terms_in(room_of(message))
        if not terms.admits(message):
            return "I do not answer this person"
        if message.kind in TALK and not message.addressed and not message.command:
            if terms.only_addressed:
                return "I answer here only who speaks to me"
            if terms.quiet is not None and terms.quiet.holds(message.time):
                return "these are quiet hours"
        return "" if message.old else self._too_often(message, terms)

    def _too_often(self, message: ChatMessage, terms: Terms) -> str:
        if message.kind in TALK:
            silence = self._loops.hear(message.room, message.sender, message.text)
            if silence:
                why = f"it looks like a loop, so I am silent for {silence:.0f} s"
                return self._complaint(message, message.sender, why)
        return "" if message.roles else self._over_the_limit(message, terms)

    def _complaint(self, message: ChatMessage, who: str, why: str) -> str:
        self._complaints.add(message.room, who, why)
        return why

    def _over_the_limit(self, message: ChatMessage, terms: Terms) -> str:
        person: Hashable = ("person", message.room, message.account or message.sender)
        room: Hashable = ("room", message.room)
        wanted = [(k, rate) for k, rate in ((person, terms.person), (room, terms.room)) if rate]
        empty = self._limits.take(wanted)
        if empty is None:
            self._charged.set(message.id, [key for key, _ in wanted])
            return ""
        if empty == person:
            why = f"that is more than {terms.person} from one person"
            return self._complaint(message, message.sender, why)
        why = f"that is more than {terms.room} in this room"
        return self._complaint(message, "many", why)

    def _in_order(self, message: ChatMessage) -> ChatMessage:
        """Return `message` with what has to be done before it, where the flow wants that."""
        rules = self._conduct.rules
        if not rules.in_order or message.kind not in TALK:
            return message
        if message.command and message.command not in rules.own:
            return message
        key, now = (message.room, message.sender), self._clock()
        former, heard = self._former.get(key) or ("", now)
        self._former.set(key, (message.id, now))
        if message.after or not former or former == message.id or now - heard > FORGOTTEN:
            return message  # a listener that hears one line at a time has said so itself
        return msgspec.structs.replace(message, after=former)

    def _decided(self, outcome: Outcome) -> None:
        """Note that a message was dealt with."""
        charged = self._charged.pop(outcome.id)
        if charged and not outcome.replies and not outcome.actions:
            self._limits.give_back(charged)
        key = (outcome.room, outcome.sender)
        former = self._former.get(key)
        if former is not None and former[0] == outcome.id:
            self._former.pop(key)

    def _watched(self, delivery: Delivery) -> Delivery:
        """Return `delivery` so that it is known when it has been said."""
        outcome = delivery.outcome
        self._loops.say(outcome.room, outcome.sender, [reply.text for reply in outcome.replies])
        done = functools.partial(self._done, delivery.done, outcome)
        return msgspec.structs.replace(delivery, done=done)

    async def _done(self, done: Callable[[], Awaitable[None]], outcome: Outcome) -> None:
        self._loops.said(outcome.room, outcome.sender)
        await done()
