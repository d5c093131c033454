"""One operation on one node: pull its work, run it in batches, send the results, acknowledge.

The rule that it guards: work is acknowledged after its results are stored, and never before.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from dffml.df.types import Operation

from chatbot import eager, urgency
from chatbot.broker import Broker, Pull, Taken, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.encoding import Place
from chatbot.messages import Call, OperationRecord, OperationStats, Result, Results, Work
from chatbot.nodes.attempts import Attempts, still_wanted
from chatbot.nodes.implementations import Yields
from chatbot.nodes.limits import Limit, Limits
from chatbot.nodes.networks import (
    NatsNodeInputNetworkContext,
    NatsNodeOperationImplementationNetworkContext,
)
from chatbot.nodes.parts import PartSender
from chatbot.nodes.results import SENT, by_primary, primary_at, result_of
from chatbot.nodes.sizes import MERGED_AT_ONCE, Sizes

log = logging.getLogger(__name__)

DRAIN = 5.0
"""Seconds that what runs has to end when the worker is cancelled; then it is handed back."""

STALE = 60.0
"""Age in seconds from which on it is asked before whether anybody waits for work."""

PrimaryOf = Callable[[int], str]
"""Whose the call at a position of a batch is."""

Rest = Coroutine[Any, Any, Any]


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
        attempts: Attempts,
        limits: Limits,
    ) -> None:
        self._broker = broker
        self._attempts = attempts
        self._limits = limits
        self._own_limits: dict[asyncio.Task[Any] | None, Limit] = {}
        self._node = node
        self.flow = flow
        self.record = record
        self._operation = operation
        self._nctx = nctx
        self._ictx = ictx
        self._queues: dict[Lane, deque[Held]] = {lane: deque() for lane in Lane}
        self._arrived = asyncio.Event()
        self._draining = False
        self._failure: BaseException | None = None
        self._pulls: list[Pull] = []
        self.ready = asyncio.Event()
        self._streamed = False
        self._sizes = Sizes(record, nctx.batches(operation), nctx.merges(operation))
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
                            limit=self._sizes.held,
                        )
                    )
                )
            self.ready.set()
            serving = [asyncio.ensure_future(self._serve(*lanes)) for lanes in self._shifts()]
            try:
                await asyncio.wait(serving, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                await self._drain(serving)
            for task in serving:
                task.result()

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
            seconds=round(self._sizes.seconds, 6),
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

    def _shifts(self) -> list[Sequence[Lane]]:
        """Return the lanes that each of the tasks serves which run batches side by side.

        An operation that merges its batches by itself has some of either lane at hand, and
        chooses. Any other gets one after the other, people's first.
        """
        if self._sizes.merges:
            return [[lane] for lane in Lane for _ in range(MERGED_AT_ONCE)]
        return [list(Lane)] * max(1, self.record.concurrency)

    async def _serve(self, *lanes: Lane) -> None:
        """Run batch after batch, each call of which may take as long as the record says."""
        task = asyncio.current_task()
        assert task is not None
        urgency.set_bulk(lanes == (Lane.BULK,))
        with self._limits.watch(Limit(self.record.name, self.record.timeout, task)) as limit:
            self._own_limits[task] = limit
            await self._run_batches(lanes)

    async def _run_batches(self, lanes: Sequence[Lane]) -> None:
        """Run batch after batch. The next one runs while the results of the last are stored."""
        sending: asyncio.Task[None] | None = None
        try:
            while not self._draining:
                rest = await self._work(await self._next_batch(lanes))
                if sending is not None:
                    await sending
                    sending = None
                if rest is not None:
                    sending = asyncio.ensure_future(rest)
                    sending.add_done_callback(self._sent)
            if sending is not None:
                await sending
        finally:
            if sending is not None:
                sending.cancel()

    def _sent(self, sending: asyncio.Task[None]) -> None:
        if not sending.cancelled() and (error := sending.exception()) is not None:
            self._failure = error
            self._arrived.set()

    async def _drain(self, serving: Sequence[asyncio.Future[None]]) -> None:
        """Take no more, hand back at once what has not begun, and let what runs end, briefly."""
        await asyncio.gather(*(pull.stop() for pull in self._pulls))
        self._draining = True
        for queue in self._queues.values():
            while queue:
                await queue.popleft().taken.nak()
        self._arrived.set()
        await asyncio.wait(serving, timeout=DRAIN)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _next_batch(self, lanes: Sequence[Lane]) -> list[Held]:
        """Take what is there of one of the lanes, the first first, up to a batch; wait if
        nothing is.

        The lanes are not mixed: people's results would wait for those of bulk work.
        """
        while not self._draining:
            if self._failure is not None:
                raise self._failure
            for lane in lanes:
                if queue := self._queues[lane]:
                    return self._batch_of(queue, self._sizes.most(lane))
            self._arrived.clear()
            await self._arrived.wait()
        return []

    @staticmethod
    def _batch_of(queue: deque[Held], most: int) -> list[Held]:
        batch = [queue.popleft()]
        calls = len(batch[0].work.calls)
        while queue and calls + len(queue[0].work.calls) <= most:
            calls += len(queue[0].work.calls)
            batch.append(queue.popleft())
        return batch

    async def _work(self, held: list[Held]) -> Rest | None:
        """Run what is held; return what is left to be done of sending its results, if anything."""
        fresh = [each for each in held if each.taken.attempt == 1]
        # After a redelivery a parameter set may be what killed a node: it runs by itself.
        suspects = [each for each in held if each.taken.attempt > 1]
        rest = None
        old = time.time_ns() - STALE * 1e9
        if any(each.taken.identity[1] < old for each in fresh):
            fresh = await self._without_unwanted(fresh)
        if fresh:
            rest = await self._run(fresh, [call for each in fresh for call in each.work.calls])
        if suspects:
            if rest is not None:
                await rest  # the fresh ones' results are safe, whatever the others do
            for each in suspects:
                await self._try(each)
            return None
        return rest

    async def _without_unwanted(self, held: list[Held]) -> list[Held]:
        """Return what of `held` somebody waits for; the rest is done.

        A message that was given up leaves its work behind. Where operations hang, a queue of
        such work would take the time of what is tried again.
        """
        left = []
        for each in held:
            if work := await still_wanted(self._broker, each.work):
                left.append(Held(each.taken, work))
            else:
                await each.taken.ack()
        return left

    async def _try(self, held: Held) -> None:
        work, limit = held.work, self.record.timeout
        later = await self._attempts.try_singly(work, limit, self._run_calls, self._send)
        await (held.taken.ack() if later is None else held.taken.nak(later))

    async def _run(self, held: list[Held], calls: list[Call]) -> Rest | None:
        started = time.monotonic()
        packed = any(each.work.packed for each in held)
        run = self._results_of_packed if packed else self._results
        results = await run(calls, functools.partial(primary_at, [each.work for each in held]))
        self._sizes.measure(started, len(calls), len(held))
        self._done += len(calls)
        for pull in self._pulls:
            pull.resize(self._sizes.held)
        return eager.begin(self._deliver(held, results))

    async def _deliver(self, held: list[Held], results: list[Result]) -> None:
        """Send the results; when they are stored, say that the work is done."""
        for primary, theirs in by_primary([each.work for each in held], results).items():
            await self._send(primary, theirs)
        for each in held:
            await each.taken.ack()

    async def _run_calls(self, calls: list[Call], work: Work) -> None:
        run = self._results_of_packed if work.packed else self._results
        await self._send(work.primary, await run(calls, lambda _: work.primary))
        self._done += len(calls)

    async def _send(self, primary: str, results: list[Result]) -> None:
        if self._streamed:
            results = [each for each in results if each is not SENT]
        await self._ictx.add(
            primary,
            self._operation.name,
            Results(self._node, self.record.key, self._sizes.seconds, results),
        )

    async def _stream(
        self, calls: list[Call], primary_of: PrimaryOf, position: int, yields: Yields
    ) -> None:
        """Send what a call yields, as it comes."""
        self._streamed = True
        sender = PartSender(
            self._broker,
            primary_of(position),
            Place("output", self._operation.name),
            calls[position],
            lambda parts, packed: Results(
                self._node, self.record.key, self._sizes.seconds, [], packed, parts
            ),
        )
        await sender.send(yields)

    async def _results_of_packed(self, calls: list[Call], primary_of: PrimaryOf) -> list[Result]:
        """Unpack the calls' inputs, then run them; one that cannot be unpacked fails alone."""
        unpacked = await asyncio.gather(
            *(self._ictx.unpack(self._operation, call) for call in calls)
        )
        places = [place for place, each in enumerate(unpacked) if isinstance(each, Call)]
        ready = [each for each in unpacked if isinstance(each, Call)]
        ran = await self._results(ready, lambda i: primary_of(places[i])) if ready else []
        results = iter(ran)
        return [
            next(results) if isinstance(each, Call) else result_of(call, each)
            for call, each in zip(calls, unpacked, strict=True)
        ]

    async def _results(self, calls: list[Call], primary_of: PrimaryOf) -> list[Result]:
        try:
            outcomes = await self._nctx.outputs_of_batch(
                self._operation,
                [call.inputs for call in calls],
                functools.partial(self._stream, calls, primary_of),
                self._own_limits[asyncio.current_task()],
            )
        except Exception as error:  # noqa: BLE001 - of the batch as a whole: then one by one
            if len(calls) == 1:
                outcomes = [error]
            else:
                log.warning("a batch of %s failed; run its calls singly", self._operation.name)
                singly = [
                    await self._results([call], functools.partial(lambda i, _: primary_of(i), i))
                    for i, call in enumerate(calls)
                ]
                return [result for results in singly for result in results]
        return [result_of(call, outcome) for call, outcome in zip(calls, outcomes, strict=True)]
