"""Saying the replies and doing the actions, each once.

The rule that it guards: what may have been said already is looked for in the room before it is
said (again), as the server takes the same message twice; a delivery is acknowledged when all of
it was said, or cannot be.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable

from chatbot.broker.subjects import Lane
from chatbot.listeners.bridge import Bridge, Delivery, while_in_doubt
from chatbot.listeners.gitter.api import Api, insist
from chatbot.listeners.gitter.faults import LimitedError, RefusedError, UnavailableError
from chatbot.listeners.gitter.records import Message, Room, User, clean
from chatbot.listeners.gitter.rooms import Rooms
from chatbot.listeners.gitter.settings import Timing
from chatbot.listeners.gitter.text import said
from chatbot.messages import Action, Outcome, origin

log = logging.getLogger(__name__)

SLACK = 2.0
"""Seconds by which the clocks of the two servers may differ, beside what headers tell."""

PAGES = 20
"""Pages that are looked through for what may have been said."""

PATIENCE = 600.0
"""Seconds in which something is tried that the server fails at, though it answers otherwise."""

PAUSE_MOST = 30.0
LANES = list(Lane)
_Queue = asyncio.PriorityQueue[tuple[int, int, Delivery]]
"""Of one room. What is in all of them is bounded by what a bridge hands out."""

REMEMBERED = 1000


class Speaker:
    """Performs what a bridge delivers: in each room one after the other, people's first.

    One limit holds for all rooms; one in which nothing can be said holds up no other.
    """

    def __init__(
        self, network: str, me: User, api: Api, rooms: Rooms, timing: Timing, *, most: int
    ) -> None:
        self._network = network
        self._me = me
        self._api = api
        self._rooms = rooms
        self._timing = timing
        self._most = most
        self._own: dict[str, None] = {}
        """Messages of ours that are accounted for."""
        self._queues: dict[str, _Queue] = {}
        self._count = itertools.count()

    async def run(self, bridge: Bridge) -> None:
        """Perform deliveries for ever. Raises groups of `ListenerError`."""
        async with asyncio.TaskGroup() as group:
            async for delivery in bridge.outcomes():
                room = delivery.outcome.room
                if room not in self._queues:
                    self._queues[room] = asyncio.PriorityQueue()
                    group.create_task(self._speak(room))
                rank = LANES.index(delivery.lane)
                self._queues[room].put_nowait((rank, next(self._count), delivery))

    async def _speak(self, room: str) -> None:
        while not self._queues[room].empty():
            *_, delivery = self._queues[room].get_nowait()
            await self._perform(delivery)
            await delivery.done()
        del self._queues[room]

    async def _perform(self, delivery: Delivery) -> None:
        outcome = delivery.outcome
        texts = said(outcome.replies, most=self._most)
        if not texts and not outcome.actions:
            return
        room = await self._room(outcome)
        if room is None:
            log.warning("dropped a reply for %r on %s: no such room", outcome.room, self._network)
            return
        for number, text in enumerate(texts):
            try:
                if not await self._say(delivery, room, f"sent.{number}", text):
                    break
            except RefusedError as error:  # to let us look whether it was said
                self._dropped(room, error)
                break
        for action in outcome.actions:
            await while_in_doubt(delivery.is_ours)
            await self._act(room, outcome, action)

    async def _room(self, outcome: Outcome) -> Room | None:
        try:
            return await insist(lambda: self._rooms.named(outcome.room, private=outcome.private))
        except RefusedError:
            return None

    async def _say(self, delivery: Delivery, room: Room, mark: str, text: str) -> bool:
        """Say one message; false if the server does not take it."""
        await while_in_doubt(delivery.is_ours)
        age = await delivery.mark(mark)
        since = self._api.now() - (age or 0.0) - SLACK
        doubt = age is not None
        settled = age is not None and age > self._timing.answer + self._timing.settle
        trouble = _Trouble()
        thread = delivery.outcome.thread
        while True:
            if doubt and await self._was_said(room, text, since, settled=settled):
                return True
            await while_in_doubt(delivery.is_ours)
            try:
                self._account(await self._api.post(room, text, thread))
                return True
            except LimitedError:
                doubt = False
            except UnavailableError as error:
                doubt, settled = True, False
                if not await trouble.pause():
                    return self._dropped(room, error)
            except RefusedError as error:
                if not thread:
                    return self._dropped(room, error)
                doubt, thread = False, ""  # it may be gone, the room may be there

    async def _was_said(self, room: Room, text: str, since: float, *, settled: bool) -> bool:
        if await self._find(room, text, since):
            return True
        if settled:
            return False
        # It may be on its way still: a server that stood still does what it was told first.
        await asyncio.sleep(self._timing.settle)
        return await self._find(room, text, since)

    async def _find(self, room: Room, text: str, since: float) -> bool:
        """Look for `text` among our own messages since `since` (the server's time)."""
        before = ""
        for _ in range(PAGES):
            page = await insist(
                lambda before=before: self._api.newest(room, before, urgent=True)  # type: ignore[misc]
            )
            for message in page.messages:
                if self._is_it(message, text, since):
                    self._account(message)
                    return True
            first = page.messages[0].sent.timestamp() if page.messages else 0.0
            if first < since or not page.keys or page.keys[0] == before:
                return False
            before = page.keys[0]
        return False

    def _is_it(self, message: Message, text: str, since: float) -> bool:
        return (
            message.sender.id == self._me.id
            and message.id not in self._own
            and message.sent.timestamp() >= since
            and message.text == clean(text)
        )

    def _account(self, message: Message | None) -> None:
        if message is not None:
            self._own[message.id] = None
        while len(self._own) > REMEMBERED:
            del self._own[next(iter(self._own))]

    def _dropped(self, room: Room, error: Exception) -> bool:
        log.warning("dropped a reply for %r on %s: %s", room.name, self._network, error)
        return False

    async def _act(self, room: Room, outcome: Outcome, action: Action) -> None:
        act = self._actions(room, outcome, action).get(action.kind)
        if act is None:
            log.warning("cannot %s on %s: classic Gitter has no such thing", action.kind, room.name)
            return
        trouble = _Trouble()
        while True:
            try:
                await act()
                return
            except LimitedError:
                continue
            except UnavailableError as error:
                if await trouble.pause():
                    continue
                log.warning("could not %s in %s: %s", action.kind, room.name, error)
                return
            except RefusedError as error:
                log.warning("could not %s in %s: %s", action.kind, room.name, _why(error))
                return

    def _actions(
        self, room: Room, outcome: Outcome, action: Action
    ) -> dict[str, Callable[[], Awaitable[None]]]:
        whom = action.to or outcome.sender
        which = action.to or origin(outcome.id)
        return {
            "kick": lambda: self._api.kick(room, whom),
            "ban": lambda: self._api.ban(room, whom),
            "unban": lambda: self._api.unban(room, whom),
            "delete": lambda: self._api.delete(room, which),
        }


class _Trouble:
    """How long something has come to nothing."""

    def __init__(self) -> None:
        self._began = 0.0
        self._next = 0.25

    async def pause(self) -> bool:
        """Wait before the next attempt; false if there were enough of them."""
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        if now - self._began > PATIENCE:
            return False
        await asyncio.sleep(self._next)
        self._next = min(2 * self._next, PAUSE_MOST)
        return True


def _why(error: RefusedError) -> str:
    reasons = {
        403: "the bot may not; make it an admin of the room",
        404: "there is no such person or message",
    }
    return reasons.get(error.status, str(error))
