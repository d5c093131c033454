"""A primary's intake: messages from IN become contexts, their outcomes go to OUT.

The rule that it guards: a message is acknowledged after its outcome is stored, and never
before. A rerun's outcome is refused by OUT: the first one stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from dffml.df.base import StringInputSetContext

from chatbot.backlog import ANSWER, TOO_OLD, Backlog
from chatbot.broker import Broker, Pull, Taken, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.kept import Kept
from chatbot.messages import ChatMessage, OperationRecord, Outcome, PrimaryRecord
from chatbot.nodes.roster import Roster, announce
from chatbot.orchestrator.commands import Commands
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.deadline import deadline_for
from chatbot.orchestrator.decision import outcome_of, silenced
from chatbot.orchestrator.given import Given
from chatbot.orchestrator.held import Running
from chatbot.orchestrator.keeping import Keeping
from chatbot.orchestrator.lacking import Lacking
from chatbot.orchestrator.mutes import MUTED, Mutes
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.orchestrator.order import Order
from chatbot.orchestrator.outbox import Outbox
from chatbot.orchestrator.run import NatsOrchestratorContext
from chatbot.orchestrator.silence import Silence
from chatbot.orchestrator.tally import Tally
from chatbot.orchestrator.trials import Trials
from chatbot.orchestrator.turn import Turn
from chatbot.policy import Rules

log = logging.getLogger(__name__)

IN_FLIGHT = {Lane.PEOPLE: 512, Lane.BULK: 256}
"""Contexts that one primary runs at once."""

PARKED = 128
"""Contexts that may wait for an operation that no node offers; further ones are handed back."""

WAITING = 128
"""Messages that may wait for another one's end; further ones are handed back until it is there."""

LATER = 1.0
"""Seconds until such a one comes again."""

HANDED_BACK = 3.0

DRAIN = 5.0
ANSWER_ALL = Backlog(ANSWER)
NO_RULES = Rules(prefix="")


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
        commands: Commands | None = None,
        mutes: Mutes | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        self._orchestrator = orchestrator
        self._octx = octx
        self._lacking = Lacking(orchestrator, roster)
        self._listeners = listeners
        self._trials = trials
        self._commands = commands
        self._keeping = keeping
        self.flow = orchestrator.flow
        self.grace = DRAIN
        """Seconds, at its end, for what runs."""

        self._given = Given(octx.config.dataflow)
        self.silence = Silence(backlog, mutes, self._given.fields)
        self._running: dict[str, Running] = {}
        self._order = Order(broker, self.flow, self._running)
        self._outbox = Outbox(broker, self.flow)
        self._tally = Tally(orchestrator.id, self.flow)
        self._pulls: list[Pull] = []
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
        rules: Rules = NO_RULES,
        state: Sequence[Kept] = (),
    ) -> AsyncIterator[Intake]:
        """Take messages for the block's duration; at its end finish what runs, briefly.

        What is old when its turn comes is dealt with as `backlog` says, what is a command run as
        `rules` say. What does not finish in `grace` seconds is handed back and runs elsewhere, or
        later.
        """
        async with contextlib.AsyncExitStack() as stack:
            trials = await stack.enter_async_context(
                Trials.open(broker, orchestrator.flow, orchestrator.id)
            )
            mutes = commands = keeping = None
            flow, revision = orchestrator.flow, orchestrator.revision
            if rules.prefix:
                mutes = await stack.enter_async_context(Mutes.follow(broker, flow))
                commands = Commands(broker, roster, mutes, rules, flow=flow, revision=revision)
            if state:
                keeping = await Keeping.open(broker, flow, octx.config.dataflow, state)
            intake = cls(
                *(broker, orchestrator, octx, roster, listeners, backlog, trials, commands, mutes),
                keeping=keeping,
            )
            await stack.enter_async_context(
                announce(broker, f"primary.{orchestrator.id}", intake.record)
            )
            for lane in Lane:
                intake._pulls.append(
                    await stack.enter_async_context(
                        Pull.open(
                            broker,
                            subjects.in_stream(intake.flow),
                            streams.in_consumer(intake.flow, lane),
                            functools.partial(intake._receive, lane),
                            limit=IN_FLIGHT[lane],
                        )
                    )
                )
            watch = asyncio.ensure_future(intake._watch())
            try:
                yield intake
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
                await intake.stop()
                await intake._drain()

    async def stop(self) -> None:
        """Take no more messages, and finish what runs. Idempotent.

        When it returns, the server knows: what is published from then on, others take.
        """
        await asyncio.gather(*(pull.stop() for pull in self._pulls))

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
        """The operations that the flow needs and no node offers now, by their instances' names."""
        return self._lacking.missing

    def record(self) -> PrimaryRecord:
        """Return what the primary announces of itself."""
        return self._tally.record(
            self._orchestrator.revision,
            contexts=len(self._running),
            dropped=self._orchestrator.dispatcher.dropped,
            listeners=self._listeners(),
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
        elif not self.silence.backlog.runs and self.silence.is_old(message):
            self._skip(lane, taken, message, TOO_OLD)
        elif message.command and self._commands is not None and self._commands.takes(message):
            self._obey(lane, taken, message)
        elif len(self._running) >= PARKED and self._lacking.a_node():
            self._spawn(taken.nak(HANDED_BACK))
        elif message.after or message.kind in self.silence.unsaid or self.silence.muted:
            self._consider(lane, taken, message)
        else:
            self._start(self._hold(lane, taken, message))

    def _consider(self, lane: Lane, taken: Taken, message: ChatMessage) -> None:
        """Deal with a message that may not be answered, or not yet."""
        if self.silence.is_muted(message):
            self._skip(lane, taken, message, MUTED)
        elif message.kind in self.silence.unsaid:
            self._skip(lane, taken, message, "")
        elif not message.after:
            self._start(self._hold(lane, taken, message))
        else:
            self._follow(self._hold(lane, taken, message))

    def _skip(self, lane: Lane, taken: Taken, message: ChatMessage, why: str) -> None:
        running = self._hold(lane, taken, message)
        running.skipped = why
        self._spawn(self._settle(running, {}, None))

    def _obey(self, lane: Lane, taken: Taken, message: ChatMessage) -> None:
        """Run a command; one that is old may not be what anybody wants now."""
        if self.silence.is_old(message):
            self._skip(lane, taken, message, TOO_OLD)
            return
        running = self._hold(lane, taken, message)
        running.task = self._orchestrator.dispatcher.task(self._run_command(running))

    async def _run_command(self, running: Running) -> None:
        assert self._commands is not None
        results: dict[str, Any] = {}
        error: BaseException | None = None
        try:
            results = await self._commands.run(running.message)
        except Exception as failure:  # noqa: BLE001 - whatever a plug-in raised
            error = failure
        await self._settle(running, results, error)

    def _follow(self, running: Running) -> None:
        """Start a message when the one that it comes after has been done."""
        if self._order.waiting >= WAITING:  # those that they wait for might find no room
            running.task = self._orchestrator.dispatcher.task(self._start_or_hand_back(running))
            return
        running.started = math.inf  # its context's time has not begun
        self._order.waiting += 1
        running.task = self._orchestrator.dispatcher.task(self._start_in_turn(running))

    async def _start_or_hand_back(self, running: Running) -> None:
        due = await self._order.is_due(running.message)
        running.task = None
        if due:
            self._start(running)
        else:
            await self._hand_back(running.message.id, running, LATER)

    async def _start_in_turn(self, running: Running) -> None:
        try:
            await self._order.turn(running.message, deadline_for(self._orchestrator.longest))
        finally:
            self._order.waiting -= 1
        running.task, running.started = None, time.monotonic()
        self._start(running)

    def _hold(self, lane: Lane, taken: Taken, message: ChatMessage) -> Running:
        running = self._running[message.id] = Running(taken, message, lane, time.monotonic())
        self._idle.clear()
        return running

    def _start(self, running: Running) -> None:
        if self.silence.minds_age and self.silence.is_old(running.message):
            running.skipped = TOO_OLD
        if self._trials.alone or running.taken.attempt == 1:
            self._run(running)
        else:
            self._spawn(self._run_with_care(running))

    async def _run_with_care(self, running: Running) -> None:
        """Run what may have been a dead primary's, and what it died of."""
        trials = self._trials if await self._trials.suspected() else None
        if self._running.get(running.message.id) is running:
            self._run(running, trials)

    def _run(self, running: Running, trials: Trials | None = None) -> None:
        if self._keeping is None:
            self._begin(running, trials)
        else:
            running.task = self._orchestrator.dispatcher.task(self._recall(running, trials))

    async def _recall(self, running: Running, trials: Trials | None) -> None:
        assert self._keeping is not None
        recalled = await self._keeping.recall(running.message)
        running.task = None
        if self._running.get(running.message.id) is running:
            self._begin(running, trials, recalled)

    def _begin(self, running: Running, trials: Trials | None, recalled: Sequence[Any] = ()) -> None:
        message = running.message
        inputs = self._given.of(message)

        def ended(_: Context, results: Any, error: BaseException | None) -> None:
            self._spawn(self._settle(running, results, error))

        running.context = self._octx.start(
            StringInputSetContext(message.id),
            message.id,
            [*inputs, *recalled] if recalled else inputs,
            ended,
            lane=running.lane,
            trials=trials,
        )

    async def _settle(self, running: Running, results: Any, error: BaseException | None) -> None:
        message = running.message
        try:
            if error is not None:
                raise error
            decided = self._decide(running, results)
            stands = await self._outbox.publish(decided, running.lane)
        except Exception as failure:  # noqa: BLE001 - whatever an operation raised, or gave
            decided = await self._outbox.bury(message, failure, running.lane)
            stands = await self._outbox.publish(decided, running.lane)
        if self._keeping is not None:
            await self._keeping.keep(message, decided if stands else None)
        if not stands or decided.actions:
            await self._outbox.hand_over(message, decided if stands else None)
        if self._order.waiting:
            self._order.ended(message.id, decided=True)
        await running.taken.ack()
        self._tally.add(skipped=bool(running.skipped))
        self._forget(message.id)

    def _decide(self, running: Running, results: Any) -> Outcome:
        message = running.message
        outcome = outcome_of(message, results, self._orchestrator.revision)
        if self.silence.muted and not message.command and self.silence.is_muted(message):
            running.skipped = running.skipped or MUTED
        decided = silenced(outcome, running.skipped) if running.skipped else outcome
        return decided if self._keeping is None else self._keeping.signed(message, decided)

    async def _watch(self) -> None:
        """Give up what takes too long."""
        while True:
            await asyncio.sleep(1.0)
            deadline = deadline_for(self._orchestrator.longest)
            oldest = time.monotonic() - deadline
            late = [each for each in self._running.items() if each[1].started < oldest]
            for message_id, running in late:
                await self._hand_back(message_id, running)
            if late:
                log.warning("hand back %d messages that took %.0f s", len(late), deadline)

    async def _hand_back(
        self, message_id: str, running: Running, delay: float = HANDED_BACK
    ) -> None:
        await self._give_up(message_id, running)
        await running.taken.nak(delay)

    async def _give_up(self, message_id: str, running: Running) -> None:
        if running.task is not None:
            running.task.cancel()
        if running.context is not None:
            await self._octx.give_up(running.context)
        self._forget(message_id)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self.grace if not self.missing else 0.0):
                await self._idle.wait()
        except TimeoutError:
            pass
        finally:
            for message_id, running in list(self._running.items()):
                await self._give_up(message_id, running)

    def _forget(self, message_id: str) -> None:
        running = self._running.pop(message_id, None)
        if running is not None:
            running.context = None  # it holds us: what ends in a circle waits for the collector
        if self._order.waiting:
            self._order.ended(message_id, decided=False)
        if not self._running:
            self._idle.set()

    def _spawn(self, coroutine: Any) -> None:
        self._orchestrator.dispatcher.spawn(coroutine)
