"""Saying the replies: the oldest first that can be said, confirmed before acknowledged."""

from __future__ import annotations

import asyncio
import logging

from chatbot.listeners.bridge import while_in_doubt
from chatbot.listeners.excuses import excuse
from chatbot.listeners.irc.channels import Standing
from chatbot.listeners.irc.outbox import Outbox, Pending
from chatbot.listeners.irc.session import Session
from chatbot.listeners.irc.settings import IrcSettings
from chatbot.listeners.irc.text import lines
from chatbot.messages import Reply, origin

log = logging.getLogger(__name__)

ROUNDS = 3
"""How often a delivery is begun on a connection that dies before it confirms anything."""
UNCONFIRMED_LINES = 32
UNCONFIRMED_SECONDS = 5.0
"""A receipt costs a line, so it is for all that was said in a while."""


class Speaker:
    """Says what is in `outbox`, on one connection after the other."""

    def __init__(self, network: str, settings: IrcSettings, outbox: Outbox) -> None:
        self._network = network
        self._settings = settings
        self._outbox = outbox
        self._at_most_once = settings.delivery == "at-most-once"

    async def run(self, session: Session) -> None:
        """Speak for as long as the connection lasts; the session cancels it then."""
        asked = asyncio.get_running_loop().time()
        while not session.lost:
            self._outbox.changed.clear()
            pending = self._outbox.next(lambda room: session.standing(room) != Standing.WAITING)
            if pending is not None:
                await self._perform(session, pending)
            if self._is_receipt_due(asked, idle=pending is None):
                if await session.receipt():
                    self._outbox.confirm()
                asked = asyncio.get_running_loop().time()
            elif pending is None:
                await self._outbox.changed.wait()

    async def _perform(self, session: Session, pending: Pending) -> None:
        is_left = bool(pending.replies or pending.actions)
        if session.standing(pending.room) == Standing.CLOSED and is_left:
            log.warning("dropped a reply for %r on %s: not there", pending.room, self._network)
            self._outbox.remove(pending)
            return
        pending.replies = self._split(session, pending)
        if pending.rounds >= ROUNDS:
            log.warning("dropped a reply on %s: never confirmed", self._network)
            pending.replies, pending.actions = [], []
        if not pending.replies and not pending.actions:
            self._outbox.remove(pending)
        elif self._at_most_once:
            await self._say_at_most_once(session, pending)
        else:
            await self._say_at_least_once(session, pending)

    async def _say_at_least_once(self, session: Session, pending: Pending) -> None:
        # `sent` goes back when the server refuses a line, and a kick closes the room.
        while not pending.said and pending.rounds < ROUNDS:
            if not await self._turn(session, pending):
                return
            self._say(session, pending, pending.replies[pending.sent])
            pending.sent += 1
        while pending.said and pending.actions and pending.rounds < ROUNDS:
            await while_in_doubt(pending.delivery.is_ours)
            why = await session.act(pending.delivery.outcome, pending.actions[0])
            if why is None:
                pending.rounds += 1
                return
            await excuse(pending.delivery, pending.actions[0], why)
            del pending.actions[0]
            if not pending.actions and pending.said:
                # The receipt of the last action was for all that was said before it, too.
                pending.replies = []
                self._outbox.remove(pending)

    async def _say_at_most_once(self, session: Session, pending: Pending) -> None:
        self._outbox.hand_over(pending)
        await pending.acknowledged.wait()
        while pending.replies:
            if not await self._turn(session, pending):
                return
            self._say(session, pending, pending.replies.pop(0))
        while pending.actions and not session.lost:
            await while_in_doubt(pending.delivery.is_ours)
            action = pending.actions.pop(0)
            why = await session.act(pending.delivery.outcome, action)
            await excuse(pending.delivery, action, why or "")
        if not pending.actions:
            self._outbox.remove(pending)

    async def _turn(self, session: Session, pending: Pending) -> bool:
        """Wait until a line of `pending` may be said; false if it cannot be said now."""
        if not await session.turn():
            return False
        await while_in_doubt(pending.delivery.is_ours)
        return not session.lost and session.standing(pending.room) == Standing.OPEN

    def _say(self, session: Session, pending: Pending, line: Reply) -> None:
        about = "" if pending.begun else origin(pending.delivery.outcome.id)
        session.say(pending.room, line, about)
        pending.begun = True
        log.debug("said a line in %s on %s", pending.room, self._network)

    def _split(self, session: Session, pending: Pending) -> list[Reply]:
        return pending.replies[: pending.sent] + [
            Reply(text=line, notice=reply.notice)
            for reply in pending.replies[pending.sent :]
            for line in lines(
                reply.plain or reply.text,
                limit=session.limit(pending.room, notice=reply.notice),
                most=self._settings.lines,
                cut=self._settings.overflow == "cut",
            )
        ]

    def _is_receipt_due(self, asked: float, *, idle: bool) -> bool:
        unconfirmed = self._outbox.unconfirmed()
        late = asyncio.get_running_loop().time() - asked > UNCONFIRMED_SECONDS
        return unconfirmed > 0 and (idle or late or unconfirmed >= UNCONFIRMED_LINES)
