"""What waits to be said or done, by room, over all logins.

The rule that it guards: what is for one room leaves in order, people's first, and no room waits
for another.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from chatbot.broker.subjects import Lane
from chatbot.listeners.bridge import Bridge, Delivery
from chatbot.messages import origin


@dataclass(slots=True, eq=False)
class Pending:
    """A delivery, and how many of its steps are done. `gone`: its message was taken back."""

    delivery: Delivery
    done: int = 0
    gone: bool = False

    @property
    def room(self) -> str:
        """Where it is to be said."""
        return self.delivery.outcome.room


class Outbox:
    """Deliveries between the bridge and the rooms. `changed` is set when one is put."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._waiting: dict[str, list[Pending]] = {}

    async def fill(self, bridge: Bridge) -> None:
        """Take deliveries from `bridge` for ever; it holds no more than so many itself."""
        async for delivery in bridge.outcomes():
            outcome = delivery.outcome
            if not outcome.replies and not outcome.actions:
                await delivery.done()
                continue
            self._waiting.setdefault(outcome.room, []).append(Pending(delivery))
            self.changed.set()

    def rooms(self) -> list[str]:
        """Return the rooms for which something waits."""
        return list(self._waiting)

    def next(self, room: str) -> Pending | None:
        """Return what is to be done next in `room`: what was begun, else the oldest of people's."""
        waiting = self._waiting.get(room, [])
        for chosen in (_begun, _of_people):
            for pending in waiting:
                if chosen(pending):
                    return pending
        return waiting[0] if waiting else None

    def remove(self, pending: Pending) -> None:
        """Be done with `pending`."""
        waiting = self._waiting[pending.room]
        waiting.remove(pending)
        if not waiting:
            del self._waiting[pending.room]

    def forget(self, message_id: str) -> None:
        """Say nothing more to a message that was taken back."""
        for waiting in self._waiting.values():
            for pending in waiting:
                if origin(pending.delivery.outcome.id) == message_id:
                    pending.gone = True


def _begun(pending: Pending) -> bool:
    return pending.done > 0


def _of_people(pending: Pending) -> bool:
    return pending.delivery.lane is Lane.PEOPLE
