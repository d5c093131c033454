"""Dispatch: a call runs here, or leaves as work and comes back as a result.

The rule that it guards: calls that are ready together leave together, sized in time and not in
count; every result is matched to its context and call, and a second one is dropped.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import functools
import logging
import secrets
import types
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import msgspec
from dffml.base import config
from dffml.df.base import BaseOperationImplementationNetwork
from dffml.util.entrypoint import entrypoint

from chatbot.broker import Broker, Pull, Taken, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.errors import BrokerError, RemoteError
from chatbot.messages import Call as WireCall
from chatbot.messages import OperationRecord, Raised, Result, Results, Work
from chatbot.nodes.implementations import ContextMaker, ImplementationNetworkContext
from chatbot.orchestrator import locked
from chatbot.orchestrator.context import Call
from chatbot.orchestrator.locks import NatsPrimaryLockNetworkContext

log = logging.getLogger(__name__)

caller_lane: ContextVar[Lane | None] = ContextVar("caller_lane", default=None)
"""The lane of the call that runs here: a subflow's contexts are of the lane of their caller."""

SECONDS_A_MESSAGE = 0.025
MOST_CALLS = 256
MOST_BYTES = 512 * 1024
RESULTS_HELD = 512
SMOOTHING = 0.3


class Dispatcher:
    """One primary's way to the nodes and back. Made by `open`; shared by all its flows.

    `id` is the incarnation: results of an earlier one are never taken for ours.
    """

    def __init__(self, broker: Broker) -> None:
        self.id = secrets.token_hex(8)
        self.broker = broker
        self.dropped = 0
        self._waiting: dict[tuple[str, Lane, str], list[Call]] = {}
        self._outstanding: dict[tuple[int, int], Call] = {}
        self._seconds: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._cheap: deque[Coroutine[Any, Any, None]] = deque()

    @classmethod
    @asynccontextmanager
    async def open(cls, broker: Broker) -> AsyncIterator[Dispatcher]:
        """Take results for the block's duration."""
        dispatcher = cls(broker)
        await streams.ensure(broker, streams.account_streams())
        # One for each lane: people's results do not wait behind bulk ones.
        consumers = [
            streams.done_consumer(subjects.done_address(dispatcher.id, lane)) for lane in Lane
        ]
        async with contextlib.AsyncExitStack() as stack:
            for consumer in consumers:
                pull = Pull.open(
                    broker, subjects.DONE, consumer, dispatcher._receive, limit=RESULTS_HELD
                )
                await stack.enter_async_context(pull)
            try:
                yield dispatcher
            finally:
                await dispatcher._close()
                with contextlib.suppress(*broker.errors):
                    for consumer in consumers:
                        name = str(consumer.durable_name)
                        await streams.drop_consumer(broker, subjects.DONE, name)

    def send(self, flow: str, lane: Lane, key: str, call: Call) -> None:
        """Have `call` run on a node; its context gets the result."""
        self._waiting.setdefault((flow, lane, key), []).append(call)
        self._outstanding[call.context.number, call.number] = call
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def forget(self, call: Call) -> None:
        """Drop the result of `call` when it comes: its context has ended."""
        self._outstanding.pop((call.context.number, call.number), None)

    def spawn(self, coroutine: Any) -> None:
        """Run `coroutine` beside, until the dispatcher closes. What it raises is logged."""
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def run_soon(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine`, which is short, with others of its kind in one turn of the loop.

        It gets a task of its own only if it has to wait. Until then it must not ask for the
        current task (as `asyncio.timeout` does): there is none that is its own.
        """
        if not self._cheap:
            asyncio.get_running_loop().call_soon(self._run_cheap)
        self._cheap.append(coroutine)

    def _run_cheap(self) -> None:
        # What these make ready is appended meanwhile, and run in the same turn.
        while self._cheap:
            coroutine = self._cheap[0]
            try:
                waits_for = coroutine.send(None)
            except StopIteration:
                pass
            else:
                self.spawn(_go_on(coroutine, waits_for))
            del self._cheap[0]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the primary failed: %s", type(error).__name__)
            log.debug("a task of the primary failed", exc_info=error)

    def _flush(self) -> None:
        """Send what became ready in this turn of the event loop, together."""
        self._scheduled = False
        waiting, self._waiting = self._waiting, {}
        for (flow, lane, key), calls in waiting.items():
            subject = subjects.work_subject(flow, lane, key)
            address = subjects.done_address(self.id, lane)
            size = self._calls_a_message(key)
            for start in range(0, len(calls), size):
                self.spawn(self._publish(subject, address, calls[start : start + size]))

    def _calls_a_message(self, key: str) -> int:
        seconds = self._seconds.get(key)
        if seconds is None:
            return 1  # the duration is unknown: spread them
        return max(1, min(MOST_CALLS, int(SECONDS_A_MESSAGE / max(seconds, 1e-6))))

    async def _publish(self, subject: str, address: str, calls: list[Call]) -> None:
        """Publish `calls`, in parts if they are large. A call that cannot cross fails alone."""
        try:
            data = Work(
                address,
                [WireCall(call.context.number, call.number, call.inputs) for call in calls],
            ).encode()
            most = min(MOST_BYTES, self.broker.max_payload) if len(calls) > 1 else None
            if most is not None and len(data) > most:
                raise OverflowError("too large together")
            await self.broker.publish(subject, data)
        except (TypeError, ValueError, OverflowError, BrokerError) as error:
            if len(calls) > 1:
                middle = len(calls) // 2
                await self._publish(subject, address, calls[:middle])
                await self._publish(subject, address, calls[middle:])
            else:
                self._fail(calls[0], error)

    def _fail(self, call: Call, error: Exception) -> None:
        self.forget(call)
        call.context.fail(call.number, error)

    def _receive(self, taken: Taken) -> None:
        try:
            results = Results.decode(taken.data)
        except msgspec.MsgspecError:
            log.error("drop results that are not understood")
            self.spawn(taken.term())
            return
        self._learn(results)
        for result in results.results:
            self._take(results.operation, result)
        self.spawn(taken.ack())

    def _learn(self, results: Results) -> None:
        if results.seconds > 0:
            known = self._seconds.get(results.operation, results.seconds)
            self._seconds[results.operation] = known + (results.seconds - known) * SMOOTHING

    def _take(self, operation: str, result: Result) -> None:
        call = self._outstanding.pop((result.context, result.number), None)
        if call is None:
            self.dropped += 1
            log.debug("drop a result of %s that nobody waits for", operation)
        elif result.error is not None:
            call.context.fail(call.number, _exception(call.step.name, result.error))
        else:
            call.context.complete(call.number, result.outputs)

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _exception(operation: str, raised: Raised) -> Exception:
    """Return what an operation raised on a node, as whoever ran it here would have had it.

    An exception of Python's own is made again, with the `RemoteError` as its cause; for any
    other class, whose name would have to be imported, it is the `RemoteError` itself.
    """
    remote = RemoteError(operation, raised.kind, raised.message, raised.trace)
    kind = getattr(builtins, raised.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return remote
    try:
        again = kind(raised.message)
    except TypeError:  # it wants more than a message
        return remote
    again.__cause__ = remote
    return again


@types.coroutine
def _go_on(coroutine: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that has begun, and waits for something."""
    while True:
        try:
            given = yield waits_for
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's, a cancellation too
            step = functools.partial(coroutine.throw, error)
        else:
            step = functools.partial(coroutine.send, given)
        try:
            waits_for = step()
        except StopIteration:
            return


@config
class NatsPrimaryOperationImplementationNetworkConfig:
    pass


class NatsPrimaryOperationImplementationNetworkContext(ImplementationNetworkContext):
    """Runs what runs here, and sends the rest to nodes.

    `remote` maps instance names to what nodes were told of them; an operation that is not in
    it is instantiated here. Those in `cheap` are declared to be short, and to await nothing but
    what they call.
    """

    def __init__(self, config: Any, parent: Any) -> None:
        super().__init__(config, parent)
        self.remote: dict[str, OperationRecord] = {}
        self.cheap: set[str] = set()

    async def contains(self, operation: Any) -> bool:
        return operation.instance_name in self.remote or await super().contains(operation)

    async def operation_completed(self) -> None:
        raise TypeError("a context is told of each result itself")

    async def dispatch(self, octx: Any, operation: Any, parameter_set: Any) -> None:
        raise TypeError("calls are dispatched with `send`")

    def send(
        self,
        dispatcher: Dispatcher,
        flow: str,
        lane: Lane,
        lctx: NatsPrimaryLockNetworkContext,
        call: Call,
    ) -> None:
        """Have `call` run, here or on a node, under its locks; its context gets the result."""
        send = functools.partial(self._send_now, dispatcher, flow, lane)
        if call.context.plan.locks and any(True for _ in call.parents):
            dispatcher.spawn(locked.run(lctx, send, dispatcher.forget, call))
        else:
            send(call)

    def _send_now(self, dispatcher: Dispatcher, flow: str, lane: Lane, call: Call) -> None:
        if (record := self.remote.get(call.step.name)) is not None:
            dispatcher.send(flow, lane, record.key, call)
        elif call.step.name in self.cheap:
            dispatcher.run_soon(self._run_here(call))
        else:
            dispatcher.spawn(self._run_in_lane(lane, call))

    async def _run_in_lane(self, lane: Lane, call: Call) -> None:
        caller_lane.set(lane)
        await self._run_here(call)

    async def _run_here(self, call: Call) -> None:
        context = call.context
        try:
            outputs = await self.outputs(
                context.ctx, context.octx, call.step.operation, call.inputs
            )
        except Exception as error:  # noqa: BLE001 - it is the result of this call
            context.fail(call.number, error)
        else:
            context.complete(call.number, outputs)


@entrypoint("nats_primary")
class NatsPrimaryOperationImplementationNetwork(BaseOperationImplementationNetwork, ContextMaker):
    """Instantiates what runs on the primary, and sends the rest to nodes."""

    CONTEXT = NatsPrimaryOperationImplementationNetworkContext
    CONFIG = NatsPrimaryOperationImplementationNetworkConfig
