"""Attempts at work that was delivered before: it may be what ends nodes.

The rule that it guards: an attempt is on record before it starts. A call that `MOST` nodes died
of is not run again; its result is an error, and the rest of its message goes on.

How often a message was delivered is no evidence: what was prefetched, handed back or renewed too
late counts there as well. So the first delivery costs nothing and leaves no record; after it, a
message's calls run one after the other, one at a time in a process, whatever the operation, and
what is on record when a node dies is what it died of. The first, unrecorded attempt counts as one.

Whether a node died, is asked of the server: nobody listens any more on a subject that the node
answers for as long as its connection lives. One that is there and does not answer may still be
at it (an operation that blocks its event loop): the work is handed back for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from chatbot.broker import Broker, subjects
from chatbot.broker.buckets import Bucket, open_bucket
from chatbot.messages import AttemptRecord, Call, Raised, Work, digest
from chatbot.nodes.parts import UNWANTED

log = logging.getLogger(__name__)

MOST = 3
"""Attempts that ended their nodes, after which there is no other."""

AGAIN = 1.0
"""Seconds until work is offered again that another node may still be at."""

ANSWER = 0.5
"""Seconds in which a node or a primary answers that is not busy."""

UNKNOWN = ("", "unknown")
"""Stands for the node of the first delivery."""

RUNNING, NOT_RUNNING = b"1", b"0"


class BusyError(Exception):
    """Another node is at this work, or may be."""


class Attempts:
    """A node's attempts. Made by `open`; `turn` is held while one is made."""

    def __init__(self, broker: Broker, node: str) -> None:
        self._broker = broker
        self._node = node
        self.where = f"{socket.gethostname()}:{os.getpid()}"
        self.turn = asyncio.Lock()
        self._running: set[str] = set()
        self._bucket: Bucket | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, broker: Broker, node: str) -> AsyncIterator[Attempts]:
        """Tell others what `node` is at, for the block's duration."""
        attempts = cls(broker, node)
        async with broker.answer(subjects.alive_subject(node), attempts._answer):
            yield attempts

    @asynccontextmanager
    async def at(self, work: Work) -> AsyncIterator[Trial]:
        """Have the calls of `work` tried, for the block's duration; raises `BusyError`.

        When the block ends without an error all of them are done, and the record is deleted.
        """
        if self._bucket is None:
            self._bucket = await open_bucket(self._broker, subjects.ATTEMPTS)
        first = work.calls[0]
        key = digest(work.primary, str(first.context), str(first.number))
        trial = Trial(self._bucket, key, (self._node, self.where))
        await self._recall(trial)
        self._running.add(key)
        try:
            yield trial
        except BaseException:
            await trial.withdraw()  # this process lives: what did not end was handed back
            raise
        finally:
            self._running.discard(key)
        await trial.forget()

    async def wanted(self, work: Work, call: Call) -> bool:
        """Whether the owner of `call` waits for it; who does not answer is taken to."""
        question = msgspec.msgpack.encode((call.context, call.number))
        subject = subjects.wanted_subject(work.primary)
        try:
            return await self._broker.ask(subject, question, ANSWER) != UNWANTED
        except self._broker.errors:
            return True

    async def _recall(self, trial: Trial) -> None:
        await trial.read()
        ended = []
        for node, where in trial.nodes:
            if node == UNKNOWN[0] or await self._died(node, trial.key):
                ended.append((node, where))
        trial.nodes = ended

    async def _died(self, node: str, key: str) -> bool:
        """Whether `node` died of the work under `key`; raises `BusyError` if it may be at it."""
        if node == self._node:
            return False
        subject = subjects.alive_subject(node)
        try:
            answer = await self._broker.ask(subject, key.encode(), ANSWER)
            if answer is None:  # it may be about to connect again
                await asyncio.sleep(ANSWER)
                answer = await self._broker.ask(subject, key.encode(), ANSWER)
        except TimeoutError as error:
            raise BusyError(node) from error
        if answer == RUNNING:
            raise BusyError(node)
        return answer is None

    def _answer(self, question: bytes) -> bytes:
        return RUNNING if question.decode(errors="replace") in self._running else NOT_RUNNING


class Trial:
    """The calls of one message, tried one after the other. Those before `position` are done."""

    def __init__(self, bucket: Bucket, key: str, own: tuple[str, str]) -> None:
        self._bucket = bucket
        self.key = key
        self._own = own
        self.position = 0
        self.nodes: list[tuple[str, str]] = [UNKNOWN]
        """Those that died at the call at `position`."""
        self._revision = 0

    async def read(self) -> None:
        """Learn what is on record."""
        entry = await self._bucket.get(self.key)
        if entry is None:
            return
        record = AttemptRecord.decode(entry.value)
        self.position, self.nodes = record.position, record.nodes
        self._revision = entry.revision

    async def begin(self, position: int) -> Raised | None:
        """Put an attempt at the call at `position` on record; or return why there is none.

        Raises `BusyError` where another node was quicker.
        """
        if position != self.position:
            self.position, self.nodes = position, [UNKNOWN]
        if len(self.nodes) >= MOST:
            places = [where for _, where in self.nodes]
            log.error("give up a call that ended %d nodes: %s", len(places), ", ".join(places))
            return Raised(
                "PoisonError", f"killed {len(places)} nodes: {', '.join(places)}", nodes=places
            )
        await self._write([*self.nodes, self._own])
        return None

    async def withdraw(self) -> None:
        """Take the attempt that was begun off the record: its node did not die of it."""
        with contextlib.suppress(BusyError, *Broker.errors):
            if self._revision:
                await self._write(self.nodes)

    async def forget(self) -> None:
        """Delete the record."""
        if self._revision:
            await self._bucket.delete(self.key, self._revision)

    async def _write(self, nodes: list[tuple[str, str]]) -> None:
        value = AttemptRecord(self.position, nodes).encode()
        if self._revision:
            revision = await self._bucket.update(self.key, value, self._revision)
        else:
            revision = await self._bucket.create(self.key, value)
        if revision is None:
            raise BusyError(self.key)
        self._revision = revision
