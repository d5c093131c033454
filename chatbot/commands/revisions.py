"""The revisions of its flow that a process runs, one after another.

The rule that it guards: a revision takes messages only when the nodes are ready for it; until
then, and whenever something is wrong with it, the one before goes on. What that one has begun it
ends itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from chatbot.broker import Broker, subjects
from chatbot.errors import ChatbotError, FlowError, OperationError, UsageError
from chatbot.flowfile.flow import Flow
from chatbot.messages import OperationRecord, Reloaded
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.deadline import DEADLINE
from chatbot.orchestrator.intake import Intake
from chatbot.orchestrator.primary import primary
from chatbot.orchestrator.turn import Turn

log = logging.getLogger(__name__)

READY = 60.0
"""Seconds in which nodes must be ready for a revision, or the one before goes on."""

Ready = Callable[[Sequence[OperationRecord]], Awaitable[None]]
"""Waits until nodes are ready to run these operations."""


class Revisions:
    """A flow's primary, replaced when the flow is reloaded. Use as `async with revisions.run(...)`.

    `load` reads the flow anew and checks it; `prepare` is told of the flow before anything has
    changed and returns what is called once it has (both raise what is wrong with it). `ready`
    waits for nodes; `listeners` says what the process announces of its own. `contexts` are of
    another class where they are watched.
    """

    def __init__(
        self,
        broker: Broker,
        roster: Roster,
        *,
        load: Callable[[], Flow],
        prepare: Callable[[Flow], Callable[[], None]],
        ready: Ready,
        listeners: Callable[[], list[str]],
        contexts: type[Context] = Context,
    ) -> None:
        self._broker = broker
        self._roster = roster
        self._load = load
        self._prepare = prepare
        self._ready = ready
        self._listeners = listeners
        self._contexts = contexts
        self._current: _Primary
        self._ending: set[_Primary] = set()
        self.calls = _Calls(self._running)
        self._one_at_a_time = asyncio.Lock()

    @property
    def flow(self) -> Flow:
        """The flow as it runs now."""
        return self._current.flow

    @asynccontextmanager
    async def run(self, flow: Flow) -> AsyncIterator[Intake]:
        """Run `flow`, and what it is reloaded as, for the block's duration; yields the first."""
        self._current = await self._start(flow, None)
        try:
            subject = subjects.reload_subject(flow.name)
            async with self._broker.answer(subject, self._asked):
                yield self._current.intake
        finally:
            self._current.stop()
            for former in self._ending:
                former.hurry()
            tasks = [each.task for each in (self._current, *self._ending)]
            await asyncio.gather(*tasks, return_exceptions=True)

    async def reload(self) -> tuple[Flow, Flow]:
        """Read the flow anew, and run it from the next message on; return it before and after.

        Where nothing of it has changed, nothing happens. Raises `FlowError` with all that is wrong
        with the file, `UsageError` where it is another flow's, and `OperationError` where an
        operation cannot be had, or nodes are not ready in `READY` seconds; then all is as before.
        """
        async with self._one_at_a_time:
            before = self._current
            flow = await asyncio.to_thread(self._load)
            if flow.name != before.flow.name:
                raise UsageError(
                    f"the file is now of the flow {flow.name}, and {before.flow.name} runs",
                    hint="start the bot anew to run another flow",
                )
            put_in = self._prepare(flow)
            if _behaviour(flow) != _behaviour(before.flow):
                self._current = await self._start(flow, self._ready_soon)
                try:
                    await before.intake.stop()  # or it would take some of what comes next
                finally:
                    self._retire(before)
            before_flow, before.flow = before.flow, flow
            put_in()
            return before_flow, flow

    def _running(self) -> list[_Primary]:
        return [self._current, *self._ending]

    async def _start(self, flow: Flow, ready: Ready | None) -> _Primary:
        own = _Primary(flow)
        await own.start(
            primary(
                self._broker,
                flow,
                self._roster,
                ready=ready,
                listeners=self._listeners,
                contexts=self._contexts,
            )
        )
        own.intake.calls.on_expired = self.calls.on_expired
        return own

    async def _ready_soon(self, records: Sequence[OperationRecord]) -> None:
        try:
            async with asyncio.timeout(READY):
                await self._ready(records)
        except TimeoutError as error:
            raise OperationError(
                f"no node is ready for the new revision after {READY:.0f} s",
                hint="see what the nodes say, and `chatbot status`",
            ) from error

    def _retire(self, former: _Primary) -> None:
        """Let a primary end what it has begun, beside the one that takes messages now."""
        former.stop(DEADLINE)
        self._ending.add(former)
        former.task.add_done_callback(lambda _: self._ending.discard(former))

    async def _asked(self, _: bytes) -> bytes:
        before = self.flow.revision
        error, hint, problems = "", "", list[str]()
        try:
            await self.reload()
        except FlowError as failure:
            error, problems = failure.message, [str(each) for each in failure.problems]
        except ChatbotError as failure:
            error, hint = failure.message, failure.hint
        return Reloaded(
            host=socket.gethostname(),
            pid=os.getpid(),
            before=before,
            after=self.flow.revision,
            error=error,
            hint=hint,
            problems=problems,
        ).encode()


def _behaviour(flow: Flow) -> tuple[object, ...]:
    return flow.revision, flow.backlog, flow.storage, flow.rules, flow.schedules, flow.state


class Together:
    """The calls of several flows, for one watchdog."""

    def __init__(self, flows: Sequence[Revisions]) -> None:
        self._all = [each.calls for each in flows]

    @property
    def on_expired(self) -> Callable[[], None]:
        return self._all[0].on_expired

    @on_expired.setter
    def on_expired(self, call: Callable[[], None]) -> None:
        for calls in self._all:
            calls.on_expired = call

    @property
    def longest(self) -> float:
        return max(calls.longest for calls in self._all)

    def blocking(self) -> TimeoutError | None:
        return next(filter(None, (calls.blocking() for calls in self._all)), None)

    def heedless(self) -> str | None:
        return next(filter(None, (calls.heedless() for calls in self._all)), None)


class _Calls:
    """The calls that run here, of all revisions that still run; for a watchdog."""

    def __init__(self, running: Callable[[], list[_Primary]]) -> None:
        self._running = running
        self._on_expired: Callable[[], None] = lambda: None

    @property
    def on_expired(self) -> Callable[[], None]:
        return self._on_expired

    @on_expired.setter
    def on_expired(self, call: Callable[[], None]) -> None:
        self._on_expired = call
        for turn in self._turns():
            turn.on_expired = call

    @property
    def longest(self) -> float:
        return max(turn.longest for turn in self._turns())

    def blocking(self) -> TimeoutError | None:
        return next(filter(None, (turn.blocking() for turn in self._turns())), None)

    def heedless(self) -> str | None:
        return next(filter(None, (turn.heedless() for turn in self._turns())), None)

    def _turns(self) -> list[Turn]:
        return [each.intake.calls for each in self._running()]


class _Primary:
    """One revision's primary, in a task of its own: it may outlive what started it."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.intake: Intake
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        self.task: asyncio.Task[None]

    async def start(self, running: AbstractAsyncContextManager[Intake]) -> None:
        """Return when it takes messages; raises what prevents it, and leaves nothing then."""
        self.task = asyncio.ensure_future(self._run(running))
        started = asyncio.ensure_future(self._started.wait())
        try:
            await asyncio.wait({self.task, started}, return_when=asyncio.FIRST_COMPLETED)
            if self.task.done():
                self.task.result()
        except asyncio.CancelledError:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            raise
        finally:
            started.cancel()

    def stop(self, grace: float | None = None) -> None:
        """Take no more messages, and finish what runs, in `grace` seconds (a primary's own).

        The `task` ends then.
        """
        if grace is not None:
            self.intake.grace = grace
        self._stopped.set()

    def hurry(self) -> None:
        """Hand back at once what a primary that was stopped has not finished."""
        self.intake.grace = 0.0  # if it has not come so far
        self.task.cancel()  # if it has

    async def _run(self, running: AbstractAsyncContextManager[Intake]) -> None:
        async with running as self.intake:
            self._started.set()
            await self._stopped.wait()
