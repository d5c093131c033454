"""One operation on one node: pull its work, run it in batches, send the results, acknowledge.

The rule that it guards: work is acknowledged after its results are stored, and never before.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
import traceback
from collections import deque
from dataclasses import dataclass

import msgspec
from dffml.df.types import Operation

from chatbot.broker import Broker, Pull, Taken, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.messages import Call, OperationRecord, OperationStats, Raised, Result, Results, Work
from chatbot.nodes.implementations import Outputs
from chatbot.nodes.networks import (
    NatsNodeInputNetworkContext,
    NatsNodeOperationImplementationNetworkContext,
)

log = logging.getLogger(__name__)

AHEAD = 0.05
"""Seconds of work that a worker holds beyond what runs: a fast node takes more."""

BATCHES_AHEAD = 2.0
"""The same for an operation that runs many calls in one go, whose next batch should be full."""

MOST_AHEAD = 64

BULK_SECONDS = 0.2
"""The longest that one batch of bulk work is to take: people's work waits for its end."""

DRAIN = 5.0
"""Seconds that what runs has to end when the worker is cancelled; then it is handed back."""

SMOOTHING = 0.2


@dataclass(frozen=True, slots=True)
class Held:
    """Work that we hold, with the message to settle."""

    taken: Taken
    work: Work


class Worker:
    """Runs one operation of one flow. `stats` is what the node announces of it."""

    def __init__(
        self,
        broker: Broker,
        node: str,
        flow: str,
        record: OperationRecord,
        operation: Operation,
        nctx: NatsNodeOperationImplementationNetworkContext,
        ictx: NatsNodeInputNetworkContext,
    ) -> None:
        self._broker = broker
        self._node = node
        self.flow = flow
        self.record = record
        self._operation = operation
        self._nctx = nctx
        self._ictx = ictx
        self._queues: dict[Lane, deque[Held]] = {lane: deque() for lane in Lane}
        self._arrived = asyncio.Event()
        self._pulls: list[Pull] = []
        self.ready = asyncio.Event()
        self._seconds = 0.0
        self._calls_a_message = 1.0
        self._done = 0
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=6)

    async def run(self) -> None:
        """Work until cancelled; then finish the batch that runs, and hand the rest back."""
        async with contextlib.AsyncExitStack() as stack:
            for lane in Lane:
                self._pulls.append(
                    await stack.enter_async_context(
                        Pull.open(
                            self._broker,
                            subjects.WORK,
                            streams.work_consumer(self.flow, lane, self.record.key),
                            functools.partial(self._receive, self._queues[lane]),
                            limit=self._limit(),
                        )
                    )
                )
            self.ready.set()
            async with asyncio.TaskGroup() as group:
                for _ in range(max(1, self.record.concurrency)):
                    group.create_task(self._serve())

    def stats(self) -> OperationStats:
        """Return how it does: calls done, seconds a call, calls a second of late."""
        now = time.monotonic()
        self._marks.append((now, self._done))
        since, before = self._marks[0]
        rate = (self._done - before) / (now - since) if now > since else 0.0
        return OperationStats(
            name=self.record.name,
            flow=self.flow,
            done=self._done,
            seconds=round(self._seconds, 6),
            rate=round(rate, 1),
        )

    def _receive(self, queue: deque[Held], taken: Taken) -> None:
        try:
            work = Work.decode(taken.data)
        except msgspec.MsgspecError:
            log.error("drop work that is not understood, on %s", taken.subject)
            self._spawned = asyncio.ensure_future(taken.term())
            return
        queue.append(Held(taken, work))
        self._arrived.set()

    async def _serve(self) -> None:
        while True:
            held = await self._next_batch()
            running = asyncio.ensure_future(self._work(held))
            try:
                await asyncio.shield(running)
            except asyncio.CancelledError:
                # Finish what runs: its work is nearly done, and is ours. But not for ever.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(DRAIN):
                        await running
                raise

    async def _next_batch(self) -> list[Held]:
        """Take what is there of one lane, people's first, up to a batch; wait if nothing is.

        The lanes are not mixed: people's results would wait for those of bulk work.
        """
        while True:
            for lane in Lane:
                if queue := self._queues[lane]:
                    return self._batch_of(queue, self._most(lane))
            self._arrived.clear()
            await self._arrived.wait()

    def _most(self, lane: Lane) -> int:
        """Return how many calls may be in a batch: for bulk work only as many as are quick."""
        if lane is Lane.PEOPLE:
            return self.record.batch
        if not self._seconds:
            return 1  # nobody knows yet how long it takes
        return max(1, min(self.record.batch, int(BULK_SECONDS / self._seconds)))

    @staticmethod
    def _batch_of(queue: deque[Held], most: int) -> list[Held]:
        batch = [queue.popleft()]
        calls = len(batch[0].work.calls)
        while queue and calls + len(queue[0].work.calls) <= most:
            calls += len(queue[0].work.calls)
            batch.append(queue.popleft())
        return batch

    async def _work(self, held: list[Held]) -> None:
        fresh = [each for each in held if each.taken.attempt == 1]
        # After a redelivery a parameter set may be what killed a node: it runs by itself.
        suspects = [each for each in held if each.taken.attempt > 1]
        if fresh:
            await self._run(fresh, [call for each in fresh for call in each.work.calls])
        for each in suspects:
            for call in each.work.calls:
                await self._run_calls([call], each.work.primary)
            await each.taken.ack()

    async def _run(self, held: list[Held], calls: list[Call]) -> None:
        started = time.monotonic()
        results = await self._results(calls)
        self._measure(time.monotonic() - started, calls, held)
        by_primary: dict[str, list[Result]] = {}
        position = 0
        for each in held:
            count = len(each.work.calls)
            by_primary.setdefault(each.work.primary, []).extend(
                results[position : position + count]
            )
            position += count
        for primary, theirs in by_primary.items():
            await self._send(primary, theirs)
        for each in held:
            await each.taken.ack()

    async def _run_calls(self, calls: list[Call], primary: str) -> None:
        await self._send(primary, await self._results(calls))
        self._done += len(calls)

    async def _send(self, primary: str, results: list[Result]) -> None:
        await self._ictx.add(primary, Results(self._node, self.record.key, self._seconds, results))

    async def _results(self, calls: list[Call]) -> list[Result]:
        try:
            outcomes = await self._nctx.outputs_of_batch(
                self._operation, [call.inputs for call in calls]
            )
        except Exception as error:  # noqa: BLE001 - of the batch as a whole: then one by one
            if len(calls) == 1:
                outcomes = [error]
            else:
                log.warning("a batch of %s failed; run its calls singly", self._operation.name)
                singly = [await self._results([call]) for call in calls]
                return [result for results in singly for result in results]
        return [_result(call, outcome) for call, outcome in zip(calls, outcomes, strict=True)]

    def _measure(self, seconds: float, calls: list[Call], held: list[Held]) -> None:
        each = seconds / len(calls)
        self._seconds += (each - self._seconds) * (SMOOTHING if self._seconds else 1.0)
        self._calls_a_message += (len(calls) / len(held) - self._calls_a_message) * SMOOTHING
        self._done += len(calls)
        for pull in self._pulls:
            pull.resize(self._limit())

    def _limit(self) -> int:
        """Return how many messages of a lane to hold: what runs, and a little ahead in time."""
        batches = self._nctx.batches(self._operation)
        running = max(1, round(self.record.batch / self._calls_a_message)) if batches else 1
        if not self._seconds:
            return 2 * running  # the duration is unknown: a batch, or one and the next
        seconds = self._seconds * self._calls_a_message
        ahead = int((BATCHES_AHEAD if batches else AHEAD) / max(seconds, 1e-6))
        return running + max(1, min(ahead, running if batches else MOST_AHEAD))


def _result(call: Call, outcome: Outputs | Exception) -> Result:
    if not isinstance(outcome, Exception):
        return Result(call.context, call.number, outcome)
    trace = "".join(traceback.format_exception(outcome))
    return Result(
        call.context,
        call.number,
        [],
        Raised(type(outcome).__name__, str(outcome), trace[-4000:]),
    )
