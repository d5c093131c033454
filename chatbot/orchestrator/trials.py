"""Calls that run on a primary, for messages that an earlier primary may have died of.

The rule that it guards: such a call is on record before it starts, and one that `MOST` primaries
died of is not run again; its message ends in the dead letters, and the rest goes on.

It costs nothing until a primary has died: each says in `chatbot-attempts` that it is there, and
takes that back when it ends in order. While there is one that said so and lives no more, messages
that were delivered before have what they run on the primary run one call at a time (nodes have
trials of their own, see `nodes.attempts`); what is on record when a primary dies is what it died
of. The first, unrecorded attempt counts as one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from chatbot.broker import Broker, subjects
from chatbot.broker.buckets import ATTEMPTS_KEPT, Bucket, open_bucket
from chatbot.messages import digest
from chatbot.nodes.attempts import ANSWER, UNKNOWN, BusyError, Trial
from chatbot.nodes.failure import here
from chatbot.orchestrator.call import Call
from chatbot.orchestrator.dispatch import Route
from chatbot.orchestrator.raised import exception

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds for which it is known who of the others lives."""

TURN = 2.0
"""Seconds after which the next call has its turn beside one that still waits."""


class Trials:
    """One flow's, on one primary. Made by `open`."""

    def __init__(self, broker: Broker, flow: str, owner: str, bucket: Bucket) -> None:
        self._broker = broker
        self._flow = flow
        self._owner = owner
        self._bucket = bucket
        self._prefix = f"primary.{digest(flow)}."
        self._others: set[str] = set()
        self._looked = 0.0
        self._suspected = False
        self._waiting: asyncio.Queue[tuple[Route, Call]] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def open(cls, broker: Broker, flow: str, owner: str) -> AsyncIterator[Trials]:
        """Say that the primary `owner` is there, and try calls, for the block's duration."""
        trials = cls(broker, flow, owner, await open_bucket(broker, subjects.ATTEMPTS))
        own = trials._prefix + owner
        async with trials._bucket.watch(trials._changed, f"{trials._prefix}*"):
            await broker.insist(lambda: trials._bucket.put(own, b"+"))
            for key in await broker.insist(trials._there):
                trials._changed(key, b"+")
            tasks = [asyncio.ensure_future(each) for each in (trials._run(), trials._renew(own))]
            try:
                yield trials
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                with contextlib.suppress(*broker.errors):
                    await trials._bucket.delete(own)

    @property
    def alone(self) -> bool:
        """Whether no other primary is, or was when it died, at this flow."""
        return not self._others

    async def suspected(self) -> bool:
        """Whether a primary of the flow has died not long ago."""
        if time.monotonic() > self._looked + LOOK:
            answers = await asyncio.gather(*(self._lives(other) for other in self._others))
            self._suspected, self._looked = not all(answers), time.monotonic()
        return self._suspected

    def route(self, send: Route) -> Route:
        """Return what has a call tried in its turn, and run by `send`."""
        return functools.partial(self._add, send)

    def _add(self, send: Route, call: Call) -> None:
        self._waiting.put_nowait((send, call))

    def _changed(self, key: str, value: bytes) -> None:
        other = key.removeprefix(self._prefix)
        if value and other != self._owner:
            self._others.add(other)
        else:
            self._others.discard(other)

    async def _there(self) -> list[str]:
        keys = await self._bucket.keys(f"{self._prefix}*")
        return [key for key in keys if await self._bucket.get(key)]

    async def _renew(self, own: str) -> None:
        while True:
            await asyncio.sleep(ATTEMPTS_KEPT / 4)
            with contextlib.suppress(*self._broker.errors):
                await self._bucket.put(own, b"+")
                self._others = set()
                for key in await self._there():
                    self._changed(key, b"+")

    async def _lives(self, primary: str) -> bool:
        """Whether a primary is connected; one that does not answer may be busy, or frozen."""
        subject = subjects.wanted_subject(primary)
        try:
            answer = await self._broker.ask(subject, b"", ANSWER)
            if answer is None:  # it may be about to connect again
                await asyncio.sleep(ANSWER)
                answer = await self._broker.ask(subject, b"", ANSWER)
        except self._broker.errors:
            return True
        return answer is not None

    async def _run(self) -> None:
        while True:
            send, call = await self._waiting.get()
            if call.number not in call.context.calls:
                continue
            try:
                await self._try(send, call)
            except self._broker.errors as error:
                log.debug("no record of a trial: %r", error)
                send(call)

    async def _try(self, send: Route, call: Call) -> None:
        trial = Trial(self._bucket, key_of(self._flow, call), (self._owner, here()), "primaries")
        await trial.read()
        trial.nodes = [
            (primary, where)
            for primary, where in trial.nodes
            if primary == UNKNOWN[0] or not await self._lives(primary)
        ]
        try:
            poison = await trial.begin(0)
        except BusyError as error:
            await trial.withdraw()
            loop = asyncio.get_running_loop()
            loop.call_later(error.seconds, self._waiting.put_nowait, (send, call))
            return
        if poison is not None:
            call.context.fail(call.number, exception(call.step.name, poison))
            return
        done = call.context.completion(call.number)
        send(call)
        ending = asyncio.ensure_future(_end(trial, done))
        try:
            async with asyncio.timeout(TURN):
                await asyncio.shield(ending)
        except TimeoutError:
            return
        except asyncio.CancelledError:
            ending.cancel()
            raise


async def _end(trial: Trial, done: asyncio.Future[None]) -> None:
    """Delete the record once the call is done; this process lives if it is cancelled before."""
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        await trial.withdraw()
        raise
    await trial.forget()


def key_of(flow: str, call: Call) -> str:
    """Return what a call is called whoever runs it: its message, its steps from the outermost."""
    *steps, message = _path(call)
    return digest(flow, message, *reversed(steps))


def _path(call: Call) -> Iterator[str]:
    """Yield the call's step, its subflow's, and so on; last the name of the message's context."""
    at: Any = call
    while at is not None:
        yield at.step.name
        ctx = at.context.ctx
        at = getattr(ctx, "call", None)
    yield str(ctx)
