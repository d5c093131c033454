"""Orders: what outcomes want of a listener, done one after the other.

The rule that it guards: an order is begun by a note that outlives us, and ended by an answer that
does; whoever finds one that was begun and not ended knows that it may have been done.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from chatbot.errors import UsageError
from chatbot.listeners.bridge import Bridge, Delivery, while_in_doubt
from chatbot.listeners.gate.limits import Limits
from chatbot.messages import Action, Elsewhere, Outcome, Reply, answer_id, digest
from chatbot.policy import Rate
from operations.answer import fill

log = logging.getLogger(__name__)

T = TypeVar("T")

SKEW = timedelta(minutes=5)
"""How far our clock and a tracker's may be apart."""


class RefusedError(Exception):
    """It is never going to be done; the message says why, without a word of what people wrote."""


class UnavailableError(Exception):
    """Nobody knows whether it was done; it is to be looked up, and tried again."""

    def __init__(self, why: str, after: float = 0.0, *, undone: bool = False) -> None:
        """`after` is in seconds; `undone` says that it was certainly not done."""
        super().__init__(why)
        self.after = after
        self.undone = undone


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an order: where it can be seen, and its number there."""

    link: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """One action of an outcome.

    `id` is the same for the same order, for ever. `begun` says since when somebody may have done
    it, `None` that nobody has.
    """

    id: str
    action: Action
    outcome: Outcome
    begun: datetime | None
    delivery: Delivery

    async def earlier(self) -> Done | None:
        """Return what came of the order for the message that this one is about."""
        about = answer_id(self.action.to, self.outcome.network)
        found = await self.delivery.decided(self.outcome.source, about)
        if found is None or not found.understood.get("number"):
            return None
        return Done(str(found.understood.get("link", "")), int(found.understood["number"]))

    async def ours(self) -> None:
        """Return when it is ours to do: another may have taken our place while we stood still."""
        await while_in_doubt(self.delivery.is_ours)


Carry = Callable[[Order], Awaitable[Done]]
"""Do an order that was not begun, or was not done; may raise the errors above."""

Find = Callable[[Order], Awaitable[Done | None]]
"""Return what came of an order that may have been done; `None`: it was not."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who carries out orders: of which `kinds`, and how.

    With `dry` nothing is: it is only said. `limit` is for each person, `total` for all together.
    """

    network: str
    kinds: tuple[str, ...]
    carry: Carry
    find: Find | None = None
    dry: bool = False
    limit: Rate | None = None
    total: Rate | None = None
    backoff: float = 2.0
    backoff_most: float = 60.0
    limits: Limits = field(default_factory=Limits)

    async def run(self, bridge: Bridge) -> None:
        """Do what comes, until cancelled."""
        async for delivery in bridge.outcomes():
            for number, action in enumerate(delivery.outcome.actions):
                await self._one(delivery, number, action)
            await delivery.done()

    async def insist(self, do: Callable[[], Awaitable[T]]) -> T:
        """Do it again, after growing pauses, until it is no more `UnavailableError`."""
        pause = self.backoff
        while True:
            try:
                return await do()
            except UnavailableError as error:
                wait = max(error.after, pause * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
                log.warning("%s: %s; trying again in %.0f s", self.network, error, wait)
                await asyncio.sleep(wait)
                pause = min(pause * 2, self.backoff_most)

    async def _one(self, delivery: Delivery, number: int, action: Action) -> None:
        outcome = delivery.outcome
        answered = answer_id(outcome.id, self.network, number)
        if await delivery.decided(outcome.source, answered) is not None:
            return
        if action.kind not in self.kinds:
            told = " and ".join(self.kinds)
            log.warning("%s cannot do `%s`, only %s", self.network, action.kind, told)
            return
        done, shown = await self._outcome_of(delivery, number, action)
        if done.link and action.details.get("index"):
            await delivery.note(str(action.details["index"]), done.link)
        facts: dict[str, Any] = {"link": done.link, "number": done.number}
        values = {"link": shown, "number": str(done.number)}
        text = " ".join(fill(str(action.details.get("reply") or ""), **values).split())
        replies = (Reply(text),) if text else ()
        await delivery.answer(
            Outcome(
                id=answered,
                network=outcome.source,
                room=outcome.room,
                sender=outcome.sender,
                replies=() if action.room else replies,
                understood=facts,
                thread=outcome.thread,
                private=outcome.private,
                revision=outcome.revision,
                elsewhere=(Elsewhere(action.room, replies),) if action.room and replies else (),
            )
        )

    async def _outcome_of(
        self, delivery: Delivery, number: int, action: Action
    ) -> tuple[Done, str]:
        """Return what came of it, and what stands for the link where people read it."""
        if self.dry:
            log.info("dry run: %s would do one `%s`", self.network, action.kind)
            return Done(), "(dry run: nothing was posted)"
        if self._over_the_limit(delivery.outcome):
            log.warning("%s leaves out an order: too many", self.network)
            return Done(), "(not posted: too many)"
        try:
            done = await self._carried(delivery, number, action)
        except RefusedError as error:
            log.warning("%s did not take an order: %s", self.network, error)
            return Done(), f"(could not be posted: {error})"
        return done, done.link

    async def _carried(self, delivery: Delivery, number: int, action: Action) -> Done:
        outcome = delivery.outcome
        age = await delivery.mark(f"begun.{number}")
        begun = None if age is None else datetime.now(UTC) - timedelta(seconds=age) - SKEW
        began = datetime.now(UTC) - SKEW
        name = digest(self.network, outcome.source, outcome.id, str(number), length=32)

        async def attempt() -> Done:
            nonlocal begun
            try:
                return await self._attempt(Order(name, action, outcome, begun, delivery))
            except UnavailableError as error:
                if not error.undone:
                    begun = begun or began
                raise

        return await self.insist(attempt)

    async def _attempt(self, order: Order) -> Done:
        if order.begun is not None and self.find is not None:
            found = await self.find(order)
            if found is not None:
                return found
        await order.ours()
        return await self.carry(order)

    def _over_the_limit(self, outcome: Outcome) -> bool:
        """Whether it is beyond what one person, or all together, may have posted."""
        wanted: list[tuple[tuple[str, ...], Rate]] = []
        if self.limit is not None:
            wanted.append((("person", outcome.source, outcome.sender), self.limit))
        if self.total is not None:
            wanted.append((("all",), self.total))
        return self.limits.take(wanted) is not None


def rate_of(text: str) -> Rate | None:
    """Return the rate that a setting says, `None` for any number; raises `UsageError`."""
    return None if text in ("", "off") else Rate.parse(text)


def rate_problems(**given: str) -> list[tuple[str, str]]:
    """Return what is wrong with rates, as a listener's settings tell it (`problems`)."""
    found = []
    for key, text in given.items():
        try:
            rate_of(text)
        except UsageError as error:
            found.append((key, f"{error.message} ({error.hint})"))
    return found
