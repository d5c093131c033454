"""A primary's intake: messages from IN become contexts, their outcomes go to OUT.

The rule that it guards: a message is acknowledged after its outcome is stored, and never
before. A rerun's outcome is refused by OUT: the first one stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from dffml.df.base import OperationException, StringInputSetContext
from dffml.df.types import DataFlow, Definition

import chatbot
from chatbot.backlog import ANSWER, TOO_OLD, Backlog
from chatbot.broker import Broker, Pull, Taken, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.errors import AlreadyPublished, RemoteError
from chatbot.messages import (
    ACTIONS,
    Action,
    ChatMessage,
    OperationRecord,
    Outcome,
    PrimaryRecord,
    Reply,
    is_retry,
)
from chatbot.nodes.attempts import MOST
from chatbot.nodes.limits import GRACE
from chatbot.nodes.roster import Roster, announce
from chatbot.nodes.watchdog import LEAST_ALARM
from chatbot.orchestrator.burial import dead_letter, encoded, root_of
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.orchestrator.run import NatsOrchestratorContext
from chatbot.orchestrator.trials import Trials
from chatbot.orchestrator.turn import Turn
from chatbot.orchestrator.values import Value

log = logging.getLogger(__name__)

IN_FLIGHT = {Lane.PEOPLE: 512, Lane.BULK: 256}
"""Contexts that one primary runs at once."""

PARKED = 128
"""Contexts that may wait for an operation that no node offers; further ones are handed back."""

LOOK = 0.1
"""Seconds between looks for nodes while messages come."""

HANDED_BACK = 3.0

RECOVERY = 15.0
"""Seconds until a node that ended is there again, or its work elsewhere."""

DEADLINE = 120.0
"""Seconds, at least, after which a context is given up and its message handed back."""

DRAIN = 5.0
ANSWER_ALL = Backlog(ANSWER)
PREFIX = "message."


@dataclass(slots=True)
class Running:
    """A message that we hold, and the context that runs for it."""

    taken: Taken
    message: ChatMessage
    lane: Lane
    started: float
    context: Context | None = None
    old: bool = False
    """It is not to be answered any more."""


class Intake:
    """Runs a flow for each message of IN. Made by `open`."""

    def __init__(
        self,
        broker: Broker,
        orchestrator: NatsOrchestrator,
        octx: NatsOrchestratorContext,
        roster: Roster,
        listeners: Callable[[], list[str]],
        backlog: Backlog,
        trials: Trials,
    ) -> None:
        self._broker = broker
        self._orchestrator = orchestrator
        self._octx = octx
        self._roster = roster
        self._listeners = listeners
        self._backlog = backlog
        self._trials = trials
        self.flow = orchestrator.flow
        self.grace = DRAIN
        """Seconds, at its end, for what runs."""

        self._fields = fields_of(octx.config.dataflow)
        self._running: dict[str, Running] = {}
        self._started = datetime.now(UTC)
        self._done = 0
        self._skipped = 0
        self._looked, self._lacking = 0.0, False
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=6)
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        broker: Broker,
        orchestrator: NatsOrchestrator,
        octx: NatsOrchestratorContext,
        roster: Roster,
        *,
        listeners: Callable[[], list[str]] = list,
        backlog: Backlog = ANSWER_ALL,
    ) -> AsyncIterator[Intake]:
        """Take messages for the block's duration; at its end finish what runs, briefly.

        What is old when its turn comes is dealt with as `backlog` says. What does not finish in
        `grace` seconds is handed back and runs elsewhere, or later.
        """
        async with contextlib.AsyncExitStack() as stack:
            trials = await stack.enter_async_context(
                Trials.open(broker, orchestrator.flow, orchestrator.id)
            )
            intake = cls(broker, orchestrator, octx, roster, listeners, backlog, trials)
            await stack.enter_async_context(
                announce(broker, f"primary.{orchestrator.id}", intake.record)
            )
            pulls = [
                await stack.enter_async_context(
                    Pull.open(
                        broker,
                        subjects.in_stream(intake.flow),
                        streams.in_consumer(intake.flow, lane),
                        functools.partial(intake._receive, lane),
                        limit=IN_FLIGHT[lane],
                    )
                )
                for lane in Lane
            ]
            watch = asyncio.ensure_future(intake._watch())
            try:
                yield intake
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
                for pull in pulls:
                    await pull.stop()
                await intake._drain()

    @property
    def records(self) -> list[OperationRecord]:
        """The operations of the flow that nodes run."""
        return self._orchestrator.records

    @property
    def calls(self) -> Turn:
        """The calls that run here, for a watchdog."""
        return self._orchestrator.dispatcher.turn

    @property
    def missing(self) -> list[str]:
        """The operations of the flow that no node offers now, by their instances' names."""
        return [
            record.instance
            for record in self._orchestrator.records
            if not self._roster.offers(record.key)
        ]

    def record(self) -> PrimaryRecord:
        """Return what the primary announces of itself."""
        now = time.monotonic()
        self._marks.append((now, self._done))
        since, before = self._marks[0]
        return PrimaryRecord(
            id=self._orchestrator.id,
            flow=self.flow,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=chatbot.__version__,
            started=self._started,
            contexts=len(self._running),
            done=self._done,
            rate=round((self._done - before) / (now - since), 1) if now > since else 0.0,
            listeners=self._listeners(),
            dropped=self._orchestrator.dispatcher.dropped,
            revision=self._orchestrator.revision,
            skipped=self._skipped,
            time=datetime.now(UTC),
        )

    def _receive(self, lane: Lane, taken: Taken) -> None:
        try:
            message = ChatMessage.decode(taken.data)
        except msgspec.MsgspecError:
            log.error("drop a message that is not understood, from %s", taken.subject)
            self._spawn(taken.term())
            return
        known = self._running.get(message.id)
        if known is not None and known.taken.identity != taken.identity:
            log.error("drop a message whose id another has, from %s", taken.subject)
            self._spawn(taken.term())
        elif known is not None:
            known.taken = taken  # delivered again while it runs: settle this delivery
        elif not self._backlog.runs and self._is_old(message):
            self._skip(lane, taken, message)
        elif len(self._running) >= PARKED and self._lacks_a_node():
            self._spawn(taken.nak(HANDED_BACK))
        else:
            self._start(lane, taken, message)

    def _is_old(self, message: ChatMessage) -> bool:
        """Whether it is not to be answered any more; who has one tried again wants an answer."""
        return self._backlog.is_old(message.time) and not is_retry(message.id)

    def _lacks_a_node(self) -> bool:
        """Whether an operation has no node; asked at each message, looked up now and then."""
        now = time.monotonic()
        if now > self._looked + LOOK:
            self._looked, self._lacking = now, bool(self.missing)
        return self._lacking

    def _skip(self, lane: Lane, taken: Taken, message: ChatMessage) -> None:
        running = self._hold(lane, taken, message)
        running.old = True
        self._spawn(self._settle(running, {}, None))

    def _hold(self, lane: Lane, taken: Taken, message: ChatMessage) -> Running:
        running = self._running[message.id] = Running(taken, message, lane, time.monotonic())
        self._idle.clear()
        return running

    def _start(self, lane: Lane, taken: Taken, message: ChatMessage) -> None:
        running = self._hold(lane, taken, message)
        running.old = self._is_old(message)
        if self._trials.alone or taken.attempt == 1:
            self._run(running)
        else:
            self._spawn(self._run_with_care(running))

    async def _run_with_care(self, running: Running) -> None:
        """Run what may have been a dead primary's, and what it died of."""
        trials = self._trials if await self._trials.suspected() else None
        if self._running.get(running.message.id) is running:
            self._run(running, trials)

    def _run(self, running: Running, trials: Trials | None = None) -> None:
        message = running.message

        def ended(_: Context, results: Any, error: BaseException | None) -> None:
            self._spawn(self._settle(running, results, error))

        running.context = self._octx.start(
            StringInputSetContext(message.id),
            message.id,
            inputs_of(message, self._fields),
            ended,
            lane=running.lane,
            trials=trials,
        )

    async def _settle(self, running: Running, results: Any, error: BaseException | None) -> None:
        message = running.message
        try:
            if error is not None:
                raise error
            outcome = outcome_of(message, results, self._orchestrator.revision)
            await self._publish(silenced(outcome) if running.old else outcome, running.lane)
        except Exception as failure:  # noqa: BLE001 - whatever an operation raised, or gave
            await self._publish(await self._bury(message, failure, running.lane), running.lane)
        await running.taken.ack()
        self._done += 1
        self._skipped += running.old
        self._forget(message.id)

    async def _publish(self, outcome: Outcome, lane: Lane) -> None:
        subject = subjects.out_subject(self.flow, outcome.network, outcome.id)
        try:
            if lane is Lane.BULK:
                await self._reserve(subject)
                subject = subjects.out_subject(self.flow, outcome.network, outcome.id, lane)
            await self._broker.publish(subject, encoded(outcome))
        except AlreadyPublished:
            log.debug("the outcome of %s stands already", outcome.id)

    async def _reserve(self, subject: str) -> None:
        """Have the one subject of a message say that its outcome is in the bulk lane.

        Raises `AlreadyPublished` if it has an outcome; having it reserved already is no harm.
        """
        try:
            await self._broker.publish(subject, b"")
        except AlreadyPublished:
            if await streams.last(self._broker, subjects.out_stream(self.flow), subject):
                raise

    async def _bury(self, message: ChatMessage, error: Exception, lane: Lane) -> Outcome:
        """Keep what failed, with its reason, in the dead-letter stream."""
        cause = root_of(error)
        what = in_general_terms(error, cause)
        log.error("a message ends in the dead letters: %s", what)
        letter = dead_letter(self.flow, lane, message, error)
        await self._broker.publish(subjects.dead_subject(self.flow), letter.encode())
        return Outcome(message.id, message.network, message.room, message.sender, error=what)

    async def _watch(self) -> None:
        """Give up what takes too long."""
        while True:
            await asyncio.sleep(1.0)
            deadline = deadline_for(self._orchestrator.longest)
            oldest = time.monotonic() - deadline
            late = [
                (message_id, running)
                for message_id, running in self._running.items()
                if running.started < oldest
            ]
            for message_id, running in late:
                await self._hand_back(message_id, running)
            if late:
                log.warning("hand back %d messages that took %.0f s", len(late), deadline)

    async def _hand_back(self, message_id: str, running: Running) -> None:
        if running.context is not None:
            await self._octx.give_up(running.context)
        self._forget(message_id)
        await running.taken.nak(HANDED_BACK)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self.grace if not self.missing else 0.0):
                await self._idle.wait()
        except TimeoutError:
            pass
        finally:
            for message_id, running in list(self._running.items()):
                if running.context is not None:
                    await self._octx.give_up(running.context)
                self._forget(message_id)

    def _forget(self, message_id: str) -> None:
        running = self._running.pop(message_id, None)
        if running is not None:
            running.context = None  # it holds us: what ends in a circle waits for the collector
        if not self._running:
            self._idle.set()

    def _spawn(self, coroutine: Any) -> None:
        self._orchestrator.dispatcher.spawn(coroutine)


def fields_of(dataflow: DataFlow) -> dict[str, Definition]:
    """Return the fields of a message that `dataflow` uses, with their definitions."""
    return {
        name.removeprefix(PREFIX): definition
        for name, definition in dataflow.definitions.items()
        if name.startswith(PREFIX)
    }


def inputs_of(message: ChatMessage, fields: dict[str, Definition]) -> list[Any]:
    """Return those fields of `message` that a flow uses, as values for its context."""
    return [Value(getattr(message, name), definition) for name, definition in fields.items()]


def outcome_of(message: ChatMessage, results: dict[str, Any], revision: str = "") -> Outcome:
    """Return what a flow's results decide for `message`."""
    return Outcome(
        id=message.id,
        network=message.network,
        room=message.room,
        sender=message.sender,
        replies=tuple(_reply(reply) for reply in results.get("replies", ())),
        understood=results.get("understood", {}),
        actions=tuple(_action(action) for action in results.get("actions", ())),
        thread=message.thread,
        private=message.private,
        revision=revision,
    )


def _reply(given: dict[str, Any]) -> Reply:
    return Reply(
        text=str(given["text"]),
        notice=bool(given.get("notice")),
        markdown=bool(given.get("markdown")),
    )


def _action(given: dict[str, Any]) -> Action:
    if given["kind"] not in ACTIONS:
        raise ValueError(f"there is no action of that kind: {', '.join(ACTIONS)}")
    return Action(
        kind=given["kind"],
        to=str(given.get("to") or ""),
        text=str(given.get("text") or ""),
        seconds=float(given.get("seconds") or 0.0),
    )


def deadline_for(longest: float) -> float:
    """Return the seconds that a context may take where one call may take `longest`.

    A call that ends its node by taking too long is tried elsewhere, and known by then.
    """
    if not longest:
        return DEADLINE
    return max(DEADLINE, MOST * (max(longest + 2 * GRACE, LEAST_ALARM) + RECOVERY))


def silenced(outcome: Outcome) -> Outcome:
    """Return the outcome of a message that is too old to be answered."""
    return msgspec.structs.replace(outcome, replies=(), actions=(), skipped=TOO_OLD)


def in_general_terms(error: Exception, cause: BaseException) -> str:
    """Say what failed without a word of what people wrote."""
    if isinstance(cause, RemoteError):
        return f"{cause.operation} raised {cause.kind}"
    if isinstance(error, OperationException):
        return f"{error} ({type(cause).__name__})"
    return f"the outcome cannot be had ({type(cause).__name__})"
