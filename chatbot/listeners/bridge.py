"""Between a chat network and the streams; knows nothing of any one network.

The rule that it guards: what was heard is in IN before `hear` returns, and an outcome is
acknowledged only when the listener says that it has performed it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from chatbot.broker import (
    Broker,
    Pull,
    Taken,
    corrections,
    forgetting,
    questions,
    stored,
    streams,
    subjects,
)
from chatbot.broker.buckets import Bucket, open_bucket
from chatbot.broker.decided import decided
from chatbot.broker.subjects import Lane
from chatbot.errors import AlreadyPublished
from chatbot.listeners.spreading import PERFORMED, spread
from chatbot.messages import ChatMessage, Outcome, digest, origin

log = logging.getLogger(__name__)

OUTBOX = 1024
"""Outcomes of a lane that a listener holds at once; what is beyond waits in OUT.

Many: while a network lets nobody speak in one room, what is for that room must leave others theirs.
"""


LOOK = 0.5
"""Seconds between looks whether the network is ours, where it is in doubt."""


def always() -> bool:
    """Say that the network is ours: nobody else can have it."""
    return True


async def while_in_doubt(is_ours: Callable[[], bool]) -> None:
    """Return when the network is ours: at once, but where another has it, or soon may.

    The lease may have been renewed at the last moment. Mostly we are about to be cancelled.
    """
    while not is_ours():  # noqa: ASYNC110 - a clock says it, no event
        await asyncio.sleep(LOOK)


async def first() -> bool:
    """Say that nobody has begun to perform it: nobody else is given it."""
    return True


async def unanswered(_: Outcome) -> None:
    """Say it to nobody."""


async def unnoted(_: str, __: str) -> None:
    """Note it nowhere."""


async def unknown(_: str, __: str) -> Outcome | None:
    """Say that nothing was decided."""
    return None


async def unmarked(_: str) -> float | None:
    """Say that there was no such mark."""
    return None


class Delivery(msgspec.Struct, frozen=True):
    """An outcome to perform. Call `done` when it has been: it does not come again after that.

    `attempt` is 1 at the first delivery and may be larger without the outcome having been
    performed (it may have waited in a process that died). Those of `Lane.PEOPLE` go first.
    Where the network takes the same thing twice, ask `is_ours` right before each: a process that
    stood still must not say what another has said meanwhile. Where it must never be performed
    twice, call `begin` before: it is true for one, ever, whoever is killed afterwards, the
    server too. (That it was `done` a killed server may have forgotten, and delivers it again.)

    `mark` notes something of the outcome, such as that its second part was sent, for as long as
    the outcome is kept: it returns `None` when that is noted now, else the seconds since it was,
    by the server's clock.

    Who does something for a message of another network tells by `answer` what came of it: an
    outcome with an id of its own (`messages.answer_id`), which is said there, once. `decided`
    returns the outcome of a network and an id, such as one that was answered. `note` puts a link
    into an index (see `broker.questions`), beside what the message said.
    """

    outcome: Outcome
    attempt: int
    done: Callable[[], Awaitable[None]]
    lane: Lane = Lane.PEOPLE
    is_ours: Callable[[], bool] = always
    begin: Callable[[], Awaitable[bool]] = first
    mark: Callable[[str], Awaitable[float | None]] = unmarked
    answer: Callable[[Outcome], Awaitable[None]] = unanswered
    decided: Callable[[str, str], Awaitable[Outcome | None]] = unknown
    note: Callable[[str, str], Awaitable[None]] = unnoted


class Bridge(Protocol):
    """What a listener has to do with the rest of the program."""

    async def hear(self, message: ChatMessage) -> None:
        """Publish `message` to IN; return once it is stored. The same id twice is stored once.

        One that is `old` and does not address the bot waits behind those that are said now.

        When it returns, the network is still ours: the position behind `message` may be stored.

        While the server is away it waits and tries again, so a listener that awaits it feels
        the back-pressure; it raises only when it is cancelled.
        """

    async def forget(self, message_id: str) -> None:
        """Erase a message that was taken back on the network, and what came of it.

        It is not answered any more, unless the answer was yielded already. That it was never
        heard is no harm.
        """

    async def position(self) -> str:
        """Return how far the network was heard, as `advance` stored it last; empty at first."""

    async def advance(self, position: str) -> None:
        """Store how far the network was heard: all up to there was given to `hear`.

        Returns once it is stored. A position that is older than it could be is no harm: what is
        heard again is stored once.
        """

    def outcomes(self) -> AsyncIterator[Delivery]:
        """Yield what the flow decided for messages of this network, people's first.

        Otherwise in no certain order.
        """


class Listener(Protocol):
    """A connection to one chat network. Plug-in group: `chatbot.listener`.

    The class is called with the network's name and its section of the flow file (checked
    against the class's `settings_type`, a dataclass whose fields are the keys).
    """

    network: str

    async def run(self, bridge: Bridge) -> None:
        """Hear and speak until cancelled. Reconnect for ever with jittered back-off.

        Returns when there is nothing more to hear and everything was answered (a pipe that
        ended); raises `ListenerError` when the network refuses the bot for good. When it is
        cancelled it leaves politely and quickly.
        """


class NatsBridge:
    """The bridge of one network over the flow's streams. Made by `open`."""

    def __init__(
        self,
        broker: Broker,
        flow: str,
        network: str,
        *,
        transient: bool = False,
        bulk: bool = False,
        is_ours: Callable[[], bool] = always,
    ) -> None:
        self._broker = broker
        self._flow = flow
        self._network = network
        self._transient = transient
        self._bulk = bulk
        self._is_ours = is_ours
        self._arrived: dict[Lane, deque[Taken]] = {lane: deque() for lane in Lane}
        self._news = asyncio.Event()
        self._bucket: Bucket | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        broker: Broker,
        flow: str,
        network: str,
        *,
        transient: bool = False,
        bulk: bool = False,
        is_ours: Callable[[], bool] = always,
    ) -> AsyncIterator[NatsBridge]:
        """Take the network's outcomes for the block's duration.

        What is not performed by its end comes again to who opens the network next; a
        `transient` network (a terminal) is never opened again. On a `bulk` network only those
        who speak to the bot itself overtake the backlog. When it is not `is_ours` any more,
        `hear` does not return and nothing is yielded: another hears it, and performs it.
        """
        bridge = cls(broker, flow, network, transient=transient, bulk=bulk, is_ours=is_ours)
        stream = subjects.out_stream(flow)
        configs = {
            lane: streams.out_consumer(flow, network, lane, transient=transient) for lane in Lane
        }
        async with contextlib.AsyncExitStack() as stack:
            for lane, config in configs.items():
                take = functools.partial(bridge._take, lane)
                pull = Pull.open(broker, stream, config, take, limit=OUTBOX)
                await stack.enter_async_context(pull)
            yield bridge
        if transient:
            with contextlib.suppress(*broker.errors):
                for config in configs.values():
                    await streams.drop_consumer(broker, stream, str(config.durable_name))

    def lane_of(self, message: ChatMessage) -> Lane:
        """Return the lane of `message`: who speaks to the bot never waits for those who do not."""
        if message.addressed or message.private or message.command:
            return Lane.PEOPLE
        return Lane.BULK if self._bulk or message.old else Lane.PEOPLE

    async def hear(self, message: ChatMessage) -> None:
        if not self._is_ours():
            await while_in_doubt(self._is_ours)
        lane = self.lane_of(message)
        subject = subjects.in_subject(self._flow, lane, self._network, message.id)
        try:
            await self._broker.publish(subject, message.encode())
        except AlreadyPublished:
            log.debug("heard %s again", message.id)
        if not self._is_ours():
            await while_in_doubt(self._is_ours)  # it would store its position now

    async def forget(self, message_id: str) -> None:
        gone = digest(message_id)
        for arrived in self._arrived.values():
            for taken in [each for each in arrived if each.subject.rpartition(".")[2] == gone]:
                arrived.remove(taken)
                await taken.ack()
        said = forgetting.Said(self._flow, self._network, message_id)
        await forgetting.forget(self._broker, [said])
        await corrections.forget_message(self._broker, self._flow, self._network, message_id)

    async def position(self) -> str:
        key = subjects.position_key(self._flow, self._network)
        bucket = await self._positions()
        found = await self._broker.insist(lambda: bucket.get(key))
        return found.value.decode() if found else ""

    async def advance(self, position: str) -> None:
        await while_in_doubt(self._is_ours)
        bucket = await self._positions()
        await bucket.put(subjects.position_key(self._flow, self._network), position.encode())

    async def outcomes(self) -> AsyncIterator[Delivery]:
        while True:
            taken, lane = await self._next()
            if not self._is_ours():
                await while_in_doubt(self._is_ours)
            if not taken.data:  # stands for one in the other lane
                await taken.ack()
                continue
            try:
                outcome = Outcome.decode(taken.data)
            except msgspec.MsgspecError:
                log.error("drop an outcome that is not understood, on %s", taken.subject)
                await taken.term()
                continue
            if outcome.actions and not self._transient:  # a terminal only shows them
                outcome = self._own(outcome)
            begin = functools.partial(self._begin, outcome)
            mark = functools.partial(self._mark, outcome)
            delivery = Delivery(
                *(outcome, taken.attempt, taken.ack, lane, self._is_ours, begin, mark),
                answer=self._answer,
                decided=self._decided,
                note=functools.partial(self._note, outcome),
            )
            if not outcome.elsewhere:
                yield delivery
                continue
            async for part in spread(delivery, self._is_performed, self._begin, self._mark):
                yield part

    async def _is_performed(self, outcome: Outcome) -> bool:
        subject = subjects.mark_subject(self._flow, self._network, outcome.id, PERFORMED)
        stream = subjects.out_stream(self._flow)
        known = await self._broker.insist(lambda: stored.age_of(self._broker, stream, subject))
        return known is not None

    def _own(self, outcome: Outcome) -> Outcome:
        """Return `outcome` without what other listeners are to do."""
        mine = tuple(each for each in outcome.actions if each.on in ("", self._network))
        return msgspec.structs.replace(outcome, actions=mine)

    async def _answer(self, outcome: Outcome) -> None:
        subject = subjects.out_subject(self._flow, outcome.network, outcome.id)
        with contextlib.suppress(AlreadyPublished):
            await self._broker.publish(subject, outcome.encode())

    async def _note(self, outcome: Outcome, index: str, link: str) -> None:
        said = outcome.source or outcome.network, origin(outcome.id)
        await questions.answer(self._broker, index, *said, link, datetime.now(UTC))

    async def _decided(self, network: str, message_id: str) -> Outcome | None:
        found = await decided(self._broker, self._flow, network, message_id)
        return found.outcome if found is not None else None

    async def _begin(self, outcome: Outcome) -> bool:
        subject = subjects.begun_subject(self._flow, self._network, outcome.id)
        try:
            await self._broker.publish(subject, b"")
        except AlreadyPublished:
            return False
        return True

    async def _positions(self) -> Bucket:
        if self._bucket is None:
            self._bucket = await open_bucket(self._broker, subjects.POSITIONS)
        return self._bucket

    async def _mark(self, outcome: Outcome, mark: str) -> float | None:
        subject = subjects.mark_subject(self._flow, self._network, outcome.id, mark)
        try:
            await self._broker.publish(subject, b"")
        except AlreadyPublished:
            stream = subjects.out_stream(self._flow)
            return await self._broker.insist(lambda: stored.age_of(self._broker, stream, subject))
        return None

    def _take(self, lane: Lane, taken: Taken) -> None:
        self._arrived[lane].append(taken)
        self._news.set()

    async def _next(self) -> tuple[Taken, Lane]:
        while True:
            for lane in Lane:
                if self._arrived[lane]:
                    return self._arrived[lane].popleft(), lane
            self._news.clear()
            await self._news.wait()
