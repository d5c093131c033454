"""Dispatch: a call runs here, or leaves as work and comes back as a result.

The rule that it guards: calls that are ready together leave together, sized in time and not in
count; every result is matched to its context and call, and a second one is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from chatbot import eager
from chatbot.broker import Broker, Pull, Taken, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.encoding import MESSAGE, is_packed, is_plain, limit_for, owner_of, shrink
from chatbot.errors import BrokerError, EncodingError
from chatbot.messages import Call as WireCall
from chatbot.messages import Part, Result, Results, Work
from chatbot.nodes.parts import UNWANTED, WANTED
from chatbot.orchestrator.call import Call
from chatbot.orchestrator.large import HeldValues, unpack_outputs
from chatbot.orchestrator.parts import Yielding
from chatbot.orchestrator.raised import exception
from chatbot.orchestrator.turn import Turn

log = logging.getLogger(__name__)

SECONDS_A_MESSAGE = 0.025
MOST_CALLS = 256
RESULTS_HELD = 512
SMOOTHING = 0.3

Route = Callable[[Call], None]


class Queue:
    """Calls of one operation that leave together, and where they go."""

    __slots__ = ("address", "calls", "key", "subject")

    def __init__(self, key: str, subject: str, address: str) -> None:
        self.key = key
        self.subject = subject
        self.address = address
        """Where their results come back to."""
        self.calls: list[Call] = []


class Dispatcher:
    """One primary's way to the nodes and back. Made by `open`; shared by all its flows.

    `id` is the incarnation: results of an earlier one are never taken for ours.
    """

    def __init__(self, broker: Broker) -> None:
        self.id = secrets.token_hex(8)
        self.broker = broker
        self.dropped = 0
        self._loop = asyncio.get_running_loop()  # asking each time is a system call (3.11)
        self.turn = Turn(self.spawn, self._adopt)
        self._queues: dict[tuple[str, Lane, str], Queue] = {}
        self._waiting: list[Queue] = []
        self._outstanding: dict[tuple[int, int], Call] = {}
        self._seconds: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._values = HeldValues(broker, self.id, self.spawn)
        self._yielding = Yielding(self._values, self.spawn, self._end)

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
            wanted = subjects.wanted_subject(dispatcher.id)
            await stack.enter_async_context(broker.answer(wanted, dispatcher._is_wanted))
            dispatcher.spawn(dispatcher.turn.watch())
            try:
                yield dispatcher
            finally:
                await dispatcher._close()
                with contextlib.suppress(*broker.errors):
                    for consumer in consumers:
                        name = str(consumer.durable_name)
                        await streams.drop_consumer(broker, subjects.DONE, name)

    def queue(self, flow: str, lane: Lane, key: str) -> Queue:
        """Return the queue of an operation's calls, for `send`."""
        name = (flow, lane, key)
        if name not in self._queues:
            self._queues[name] = Queue(
                key, subjects.work_subject(flow, lane, key), subjects.done_address(self.id, lane)
            )
        return self._queues[name]

    def send(self, queue: Queue, call: Call) -> None:
        """Have `call` run on a node; its context gets the result."""
        self._outstanding[call.context.number, call.number] = call
        if not queue.calls:
            if not self._waiting:
                self._loop.call_soon(self.flush)
            self._waiting.append(queue)
        queue.calls.append(call)

    def forget(self, call: Call) -> None:
        """Drop the result of `call` when it comes: its context has ended."""
        self._outstanding.pop((call.context.number, call.number), None)
        self._yielding.forget(call)

    @property
    def waits(self) -> bool:
        """Whether calls are out, whose results have not come."""
        return bool(self._outstanding)

    def spawn(self, coroutine: Any) -> None:
        """Run `coroutine` beside, until the dispatcher closes. What it raises is logged."""
        self.task(coroutine)

    def task(self, coroutine: Any) -> asyncio.Task[None]:
        """As `spawn`; return the task, so that it can be cancelled."""
        task = self._loop.create_task(coroutine)
        self._adopt(task)
        return task

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """As `spawn`, for one that needs no task until it waits (see `chatbot.eager`)."""
        try:
            rest = eager.begin(coroutine)
        except Exception as error:  # noqa: BLE001 - as a task's
            _log_failure(error)
        else:
            if rest is not None:
                self.spawn(rest)

    def flush(self) -> None:
        """Send at once what waits to be sent at the end of this turn of the event loop."""
        waiting, self._waiting = self._waiting, []
        for queue in waiting:
            calls, queue.calls = queue.calls, []
            size = self._calls_a_message(queue.key)
            for start in range(0, len(calls), size):
                self.begin(self._publish(queue, calls[start : start + size]))

    def _adopt(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log_failure(error)

    def _calls_a_message(self, key: str) -> int:
        seconds = self._seconds.get(key)
        if seconds is None:
            return 1  # the duration is unknown: spread them
        return max(1, min(MOST_CALLS, int(SECONDS_A_MESSAGE / max(seconds, 1e-6))))

    async def _publish(self, queue: Queue, calls: list[Call]) -> None:
        """Publish `calls`. One that cannot cross fails alone; large ones leave by themselves."""
        wire: list[WireCall] = []
        packed = False
        for call in calls:
            inputs = call.inputs
            if is_plain(inputs):
                wire.append(WireCall(call.context.number, call.number, inputs))
            elif (own := self._pack(queue, call, inputs)) is not None:
                wire.append(own)
                packed = True
        if wire:
            await self._publish_work(queue, Work(queue.address, wire, packed))

    async def _publish_work(self, queue: Queue, work: Work) -> None:
        """Publish `work`, in parts if it is large."""
        data = work.encode()
        if len(data) > MESSAGE and len(work.calls) > 1:
            middle = len(work.calls) // 2
            for part in (work.calls[:middle], work.calls[middle:]):
                await self._publish_work(queue, Work(queue.address, part, work.packed))
            return
        if len(data) > MESSAGE:
            self._shrink(queue, work.calls[0])
            return
        try:
            await self.broker.publish(queue.subject, data)
        except BrokerError as error:
            for each in work.calls:
                self._fail_wire(each, error)

    def _pack(self, queue: Queue, call: Call, inputs: dict[str, Any]) -> WireCall | None:
        """Return `call` as it can leave with others; `None` where it cannot."""
        try:
            packed = self._values.pack(call, inputs)
        except EncodingError as error:
            self._fail(call, error)
            return None
        own = WireCall(call.context.number, call.number, packed.values)
        if not packed.large:
            return own
        self.spawn(self._publish_large(queue, own, packed.large))
        return None

    def _shrink(self, queue: Queue, wire: WireCall) -> None:
        """Publish a call whose inputs are too large together, though none is by itself."""
        owner = owner_of(self.id, wire.context)
        packed = shrink(wire.inputs, owner, limit_for([wire.inputs]))
        own = WireCall(wire.context, wire.number, packed.values)
        self.spawn(self._publish_large(queue, own, packed.large))

    async def _publish_large(self, queue: Queue, wire: WireCall, large: dict[str, bytes]) -> None:
        call = self._outstanding.get((wire.context, wire.number))
        if call is None:
            return  # its context has ended
        try:
            await self._values.store(call.context, large)
            if not call.context.over:
                work = Work(queue.address, [wire], packed=True)
                await self.broker.publish(queue.subject, work.encode())
        except BrokerError as error:
            self._fail(call, error)

    def _fail_wire(self, wire: WireCall, error: Exception) -> None:
        call = self._outstanding.get((wire.context, wire.number))
        if call is not None:
            self._fail(call, error)

    def _end(self, call: Call, error: Exception | None) -> None:
        """End a call that yielded; all that it gave was taken."""
        self.forget(call)
        if error is None:
            call.context.complete(call.number, ())
        else:
            call.context.fail(call.number, error)

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
        for part in results.parts:
            self._take_part(part)
        if results.packed:
            self._take_packed(results)
        else:
            for result in results.results:
                self._take(results.operation, result)
        self.turn.run()
        self.flush()
        self.begin(taken.ack())

    def _learn(self, results: Results) -> None:
        if results.seconds > 0:
            known = self._seconds.get(results.operation, results.seconds)
            self._seconds[results.operation] = known + (results.seconds - known) * SMOOTHING

    def _take(self, operation: str, result: Result) -> None:
        call = self._outstanding.pop((result.context, result.number), None)
        if call is None:
            self.dropped += 1
            self._values.drop(result)
            log.debug("drop a result of %s that nobody waits for", operation)
        elif result.error is not None:
            self._yielding.forget(call)
            call.context.fail(call.number, exception(call.step.name, result.error))
        else:
            call.context.complete(call.number, result.outputs)

    def _take_packed(self, results: Results) -> None:
        for result in results.results:
            call = self._outstanding.get((result.context, result.number))
            if call is None or not any(map(is_packed, result.outputs)):
                self._take(results.operation, result)
                continue
            try:
                names = self._values.references(result.outputs)
                if names:
                    self.spawn(self._take_large(results.operation, call, result, names))
                else:
                    self._take_unpacked(results.operation, call, result, {})
            except EncodingError as error:
                self._fail(call, error)

    async def _take_large(
        self, operation: str, call: Call, result: Result, names: list[str]
    ) -> None:
        try:
            contents = await self._values.fetch(call.context, names)
            self._take_unpacked(operation, call, result, contents)
        except (EncodingError, BrokerError) as error:
            self._fail(call, error)

    def _take_unpacked(
        self, operation: str, call: Call, result: Result, contents: dict[str, bytes]
    ) -> None:
        outputs = unpack_outputs(call, result.outputs, contents)
        self._take(operation, Result(result.context, result.number, outputs))

    def _take_part(self, part: Part) -> None:
        call = self._outstanding.get((part.context, part.number))
        if call is None:
            self.dropped += 1
            self._values.drop(part)
        else:
            self._yielding.take(call, part)

    def _is_wanted(self, question: bytes) -> bytes:
        """Answer a node that asks whether a call is waited for."""
        try:
            key = msgspec.msgpack.decode(question, type=tuple[int, int])
        except msgspec.MsgspecError:
            return UNWANTED
        return WANTED if key in self._outstanding else UNWANTED

    async def _close(self) -> None:
        await self._values.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _log_failure(error: BaseException) -> None:
    log.error("a task of the primary failed: %s", type(error).__name__)
    log.debug("a task of the primary failed", exc_info=error)
