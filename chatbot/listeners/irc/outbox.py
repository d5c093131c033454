"""The replies that wait to be said, over all connections of a network.

The rule that it guards: a delivery is acknowledged when its promise is kept (said and
confirmed by the server, or, at most once, before it is said), and its lines leave in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from chatbot.broker.subjects import Lane
from chatbot.listeners.bridge import OUTBOX, Bridge, Delivery
from chatbot.messages import Action, Reply

LIMIT = 2 * OUTBOX
"""Deliveries that wait here, of both lanes; more stay with the bridge."""


@dataclass(slots=True, eq=False)
class Pending:
    """A delivery and what is left to say of it.

    `sent` counts the first of `replies` that this connection was given; `rounds`, how
    often that came to nothing (the connection was lost first, the channel did not take it).
    `begun` says that a line was said once, on whatever connection. `actions` are what is left
    to do when all was said.
    """

    delivery: Delivery
    replies: list[Reply]
    actions: list[Action] = field(default_factory=list)
    sent: int = 0
    rounds: int = 0
    begun: bool = False
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    _handed: bool = False

    @property
    def room(self) -> str:
        """Where it is to be said."""
        return self.delivery.outcome.room

    @property
    def said(self) -> bool:
        """Whether all of it was given to this connection."""
        return self.sent >= len(self.replies)

    def forget_sent(self) -> None:
        """Drop what was sent: it is not said again."""
        del self.replies[: self.sent]
        self.sent = 0

    def begin_again(self) -> None:
        """Count what was sent as not said."""
        self.rounds += self.sent > 0
        self.sent = 0


class Outbox:
    """Deliveries between the bridge and the connection. `changed` is set when one is put."""

    def __init__(self, limit: int = LIMIT, *, at_most_once: bool = False) -> None:
        self.changed = asyncio.Event()
        self._at_most_once = at_most_once
        self._limit = limit
        self._waiting: list[Pending] = []
        self._room = asyncio.Event()
        self._acknowledge: asyncio.Queue[Pending] = asyncio.Queue()

    async def fill(self, bridge: Bridge) -> None:
        """Take deliveries from `bridge` for ever, as long as there is room."""
        async for delivery in bridge.outcomes():
            outcome = delivery.outcome
            if not outcome.replies and not outcome.actions:
                await delivery.done()
                continue
            pending = Pending(delivery, list(outcome.replies), list(outcome.actions))
            self._waiting.append(pending)
            self.changed.set()
            while len(self._waiting) >= self._limit:
                self._room.clear()
                await self._room.wait()

    async def acknowledge(self) -> None:
        """Acknowledge for ever what is handed over; apart, so that no lost connection cuts in."""
        while True:
            pending = await self._acknowledge.get()
            if self._at_most_once and not await pending.delivery.begin():
                # Another has said it, or was about to when it died.
                pending.replies, pending.actions = [], []
            await pending.delivery.done()
            pending.acknowledged.set()
            self._acknowledge.task_done()

    def next(self, is_open: Callable[[str], bool]) -> Pending | None:
        """Return the oldest delivery that can go on now: one that was begun, else people's first.

        Of each lane, those of a room keep their order.
        """
        for chosen in (_begun, _of_people, _of_bulk):
            blocked: set[str] = set()
            for pending in self._waiting:
                if not chosen(pending):
                    continue
                if not pending.replies and not pending.actions:
                    return pending
                if pending.said and not pending.actions:
                    continue  # waits for its receipt
                if pending.room not in blocked and is_open(pending.room):
                    return pending
                blocked.add(pending.room)
        return None

    def hand_over(self, pending: Pending) -> None:
        """Have `pending` acknowledged, once; it stays here until `remove`."""
        if not pending._handed:
            pending._handed = True
            self._acknowledge.put_nowait(pending)

    def remove(self, pending: Pending) -> None:
        """Be done with `pending`: acknowledge it if that is still to do, and forget it."""
        self.hand_over(pending)
        self._waiting.remove(pending)
        self._room.set()

    def confirm(self) -> None:
        """The server has processed all that this connection was given."""
        for pending in list(self._waiting):
            if pending.sent:
                pending.forget_sent()
                if pending.said and not pending.actions:
                    self.remove(pending)

    def rewind(self) -> None:
        """The connection is gone, and with it the certainty of what was not confirmed."""
        for pending in self._waiting:
            pending.begin_again()

    def undelivered(self, room: str) -> None:
        """The server did not pass on what was said in `room`."""
        for pending in self._waiting:
            if pending.room == room:
                pending.begin_again()
        self.changed.set()

    def unconfirmed(self) -> int:
        """Return the number of lines that wait for a receipt."""
        return sum(pending.sent for pending in self._waiting)

    async def flushed(self) -> None:
        """Wait until all that was handed over is acknowledged."""
        await self._acknowledge.join()


def _begun(pending: Pending) -> bool:
    return pending.sent > 0


def _of_people(pending: Pending) -> bool:
    return pending.delivery.lane is Lane.PEOPLE


def _of_bulk(pending: Pending) -> bool:
    return pending.delivery.lane is Lane.BULK
