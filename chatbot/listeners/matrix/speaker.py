"""Saying and doing what was decided: in each room in order, in all rooms at the same time.

The rule that it guards: a part has the same transaction id however often it is sent, so the
server shows it once; and it is not sent again when the server may have forgotten that.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Mapping
from typing import Any

from chatbot.listeners.bridge import while_in_doubt
from chatbot.listeners.excuses import excuse
from chatbot.listeners.matrix import requests
from chatbot.listeners.matrix.breaker import LostError, Strikes
from chatbot.listeners.matrix.content import Content, contents
from chatbot.listeners.matrix.encryption import Crypto, LockedError
from chatbot.listeners.matrix.events import string
from chatbot.listeners.matrix.memory import Own
from chatbot.listeners.matrix.moderation import Moderation
from chatbot.listeners.matrix.outbox import Outbox, Pending
from chatbot.listeners.matrix.rooms import Rooms
from chatbot.listeners.matrix.settings import MatrixSettings
from chatbot.listeners.matrix.wire import LimitedError, RefusedError, Wire
from chatbot.messages import Action, digest

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Requests that are under way at the same time."""
PATIENCE = 5
"""How often a part is sent that a proxy refuses, with a page instead of a reason."""
FAIR = 0.3
"""Seconds that a room which was just served lets others go first, when the server limits us."""


class _Skip(Exception):  # noqa: N818 - no failure
    """What was about to be sent shall not be."""


class Speaker:
    """Says what is in `outbox`, for as long as one login lasts."""

    def __init__(
        self,
        network: str,
        settings: MatrixSettings,
        forgetful: float,
        *,
        wire: Wire,
        outbox: Outbox,
        rooms: Rooms,
        own: Own,
        moderation: Moderation,
        crypto: Crypto | None,
    ) -> None:
        self._network = network
        self._settings = settings
        self._forgetful = forgetful
        self._wire = wire
        self._outbox = outbox
        self._rooms = rooms
        self._own = own
        self._moderation = moderation
        self._crypto = crypto
        self._working: set[str] = set()
        self._served: set[str] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Speak until cancelled. Raises `DeniedError` when the token is not taken any more."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._outbox.changed.clear()
                for room in self._outbox.rooms():
                    if room not in self._working:
                        self._working.add(room)
                        group.create_task(self._serve(room))
                await self._outbox.changed.wait()

    async def _serve(self, room: str) -> None:
        while (pending := self._outbox.next(room)) is not None:
            await self._perform(pending)
            await pending.delivery.done()
            self._outbox.remove(pending)
        self._working.discard(room)

    async def _perform(self, pending: Pending) -> None:
        outcome = pending.delivery.outcome
        steps: list[Content | Action] = [*contents(outcome, self._settings), *outcome.actions]
        while pending.done < len(steps) and not pending.gone:
            step, number = steps[pending.done], pending.done
            try:
                await self._do(pending, number, step)
                if len(steps) > 1:
                    await pending.delivery.mark(f"sent.{number}")
            except _Skip as skip:
                log.warning("left out a part on %s: %s", self._network, skip)
            except RefusedError as error:
                log.warning("dropped a part in %s on %s: %s", pending.room, self._network, error)
            except LockedError as error:
                log.warning("dropped a part in %s on %s: %s", pending.room, self._network, error)
            pending.done += 1

    async def _do(self, pending: Pending, number: int, step: Content | Action) -> None:
        outcome = pending.delivery.outcome
        transaction = digest(self._network, outcome.id, str(number), length=40)
        call = functools.partial(self._call, pending, number)
        if isinstance(step, Action):
            why = await self._moderation.perform(step, outcome, transaction, call)
            await excuse(pending.delivery, step, why)
            return
        kind, content = "m.room.message", step
        if self._rooms.get(outcome.room).encrypted and self._crypto is not None:
            kind, content = await self._crypto.encrypted(outcome.room, kind, content)
        request = requests.send(outcome.room, kind, content, transaction)
        answer = await call(*request, has="event_id")
        self._own.add(string(answer.get("event_id")))

    async def _call(
        self,
        pending: Pending,
        number: int,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        has: str = "",
    ) -> Mapping[str, Any]:
        """Make a request of the part `number`, again and again until the server has answered."""
        ready = functools.partial(self._ready, pending, number)
        strikes = Strikes()
        while True:
            try:
                async with self._slots:
                    answer = await self._wire.once(method, path, body, when=ready, has=has)
                self._served.add(pending.room)
                return answer
            except LimitedError as error:
                log.debug("limited in %s for %.1f s", pending.room, error.seconds)
                pause = strikes.limited(error.seconds) + self._courtesy(pending.room)
                await asyncio.sleep(pause)
            except LostError as error:
                if strikes.count >= PATIENCE and 400 <= error.status < 500:
                    reason = "something before the server does not let it pass"
                    raise RefusedError(error.status, f"status {error.status}", reason) from error
                await strikes.wait(error)

    async def _ready(self, pending: Pending, number: int) -> None:
        """Wait until it is ours to say, and note that it is being said; raise if it must not be."""
        delivery = pending.delivery
        await while_in_doubt(delivery.is_ours)
        tried = await delivery.mark(f"tried.{number}")
        if pending.gone:
            raise _Skip("its message was taken back")
        if tried is not None and tried > self._forgetful:
            if await delivery.mark(f"sent.{number}") is not None:
                raise _Skip("it was said long ago")
            raise _Skip("it was tried so long ago that the server may have forgotten it")

    def _courtesy(self, room: str) -> float:
        """Return how much longer to wait than the server says, so that rooms take turns."""
        was_served = room in self._served
        self._served.discard(room)
        return FAIR * was_served + random.uniform(0.0, 0.1)  # noqa: S311 - jitter, no secret
