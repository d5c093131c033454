"""Attempts at work that was delivered before: it may be what ends nodes.

The rule that it guards: an attempt is on record before it starts. A call that `MOST` nodes died
of is not run again; its result is an error, and the rest of its message goes on.

How often a message was delivered is no evidence: what was prefetched, handed back or renewed too
late counts there as well. So the first delivery costs nothing and leaves no record; after it, a
message's calls run one after the other, one at a time in a process, whatever the operation, and
what is on record when a node dies is what it died of. The first, unrecorded attempt counts as one.

Whether a node died, is asked of the server: nobody listens any more on a subject that the node
answers for as long as its connection lives. One that is there and does not answer may still be
at it (an operation that blocks its event loop, a frozen process): the work is handed back, until
the operation's time limit must have ended it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from chatbot.broker import Broker, subjects
from chatbot.broker.buckets import Bucket, open_bucket
from chatbot.messages import AttemptRecord, Call, Raised, Result, Work, digest
from chatbot.nodes.failure import here
from chatbot.nodes.limits import GRACE
from chatbot.nodes.parts import UNWANTED

log = logging.getLogger(__name__)

MOST = 3
"""Attempts that ended their nodes, after which there is no other."""

AGAIN = 1.0
"""Seconds until work is offered again that another node may still be at."""

BACK_OFF = 2.0
"""Seconds before an attempt after another one that ended its node; twice as long each time."""

PATIENCE = 60.0
"""Seconds that an operation without a time limit is taken to need."""

MOST_SILENT = 1024

ANSWER = 0.5
"""Seconds in which a node or a primary answers that is not busy."""

UNKNOWN = ("", "unknown")
"""Stands for the node of the first delivery."""

RUNNING, NOT_RUNNING = b"1", b"0"


Run = Callable[[list[Call], Work], Awaitable[None]]
Send = Callable[[str, list[Result]], Awaitable[None]]
"""(primary, results): they are stored when it returns."""


class BusyError(Exception):
    """This work is not to be tried now: another node may be at it. Try in `seconds`."""

    def __init__(self, why: str, seconds: float = AGAIN) -> None:
        super().__init__(why)
        self.seconds = seconds


async def wanted(broker: Broker, work: Work, call: Call) -> bool:
    """Whether the owner of `call` waits for it; who does not answer is taken to."""
    question = msgspec.msgpack.encode((call.context, call.number))
    try:
        return await broker.ask(subjects.wanted_subject(work.primary), question, ANSWER) != UNWANTED
    except broker.errors:
        return True


async def still_wanted(broker: Broker, work: Work) -> Work | None:
    """Return `work` with those calls that its owner waits for; `None` if there are none."""
    answers = await asyncio.gather(*(wanted(broker, work, call) for call in work.calls))
    calls = [call for call, answer in zip(work.calls, answers, strict=True) if answer]
    return msgspec.structs.replace(work, calls=calls) if calls else None


class Attempts:
    """A node's attempts, one at a time. Made by `open`."""

    def __init__(self, broker: Broker, node: str) -> None:
        self._broker = broker
        self._node = node
        self._turn = asyncio.Lock()
        self._running: set[str] = set()
        self._silent: dict[tuple[str, str], float] = {}
        self._bucket: Bucket | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, broker: Broker, node: str) -> AsyncIterator[Attempts]:
        """Tell others what `node` is at, for the block's duration."""
        attempts = cls(broker, node)
        async with broker.answer(subjects.alive_subject(node), attempts._answer):
            yield attempts

    async def try_singly(self, work: Work, limit: float, run: Run, send: Send) -> float | None:
        """Have each call of `work` that is waited for run by itself, or refused as poison.

        A call is to be ended after `limit` seconds, if that is not 0. Returns `None` when all is
        done, else the seconds after which to try again.
        """
        try:
            async with self._turn, self._at(work, limit) as trial:
                for position in range(trial.position, len(work.calls)):
                    call = work.calls[position]
                    if not await wanted(self._broker, work, call):
                        continue
                    poison = await trial.begin(position)
                    if poison is None:
                        await run([call], work)
                    else:
                        result = Result(call.context, call.number, [], poison)
                        await send(work.primary, [result])
        except (BusyError, *self._broker.errors) as error:
            log.debug("try work later: %r", error)
            return error.seconds if isinstance(error, BusyError) else AGAIN
        return None

    @asynccontextmanager
    async def _at(self, work: Work, limit: float = 0.0) -> AsyncIterator[Trial]:
        """Have the calls of `work` tried, for the block's duration; raises `BusyError`.

        When the block ends without an error all of them are done, and the record is deleted.
        """
        if self._bucket is None:
            self._bucket = await open_bucket(self._broker, subjects.ATTEMPTS)
        first = work.calls[0]
        key = digest(work.primary, str(first.context), str(first.number))
        trial = Trial(self._bucket, key, (self._node, here()))
        await self._recall(trial, (limit or PATIENCE) + 2 * GRACE)
        self._running.add(key)
        try:
            yield trial
        except BaseException:
            await trial.withdraw()  # this process lives: what did not end was handed back
            raise
        finally:
            self._running.discard(key)
        await trial.forget()

    async def _recall(self, trial: Trial, patience: float) -> None:
        await trial.read()
        trial.nodes = [
            (node, where)
            for node, where in trial.nodes
            if node == UNKNOWN[0] or await self._died(node, trial.key, patience)
        ]

    async def _died(self, node: str, key: str, patience: float) -> bool:
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
            if self._silent_for(node, key) < patience:
                raise BusyError(f"{node} does not answer") from error
            return True
        if answer == RUNNING:
            raise BusyError(f"{node} is at it")
        return answer is None

    def _silent_for(self, node: str, key: str) -> float:
        """Return for how many seconds `node` is known not to answer."""
        if len(self._silent) >= MOST_SILENT:
            self._silent.clear()
        now = time.monotonic()
        return now - self._silent.setdefault((node, key), now)

    def _answer(self, question: bytes) -> bytes:
        return RUNNING if question.decode(errors="replace") in self._running else NOT_RUNNING


class Trial:
    """The calls of one message, tried one after the other. Those before `position` are done."""

    def __init__(self, bucket: Bucket, key: str, own: tuple[str, str], what: str = "nodes") -> None:
        self._bucket = bucket
        self._what = what
        self.key = key
        self._own = own
        self.position = 0
        self.nodes: list[tuple[str, str]] = [UNKNOWN]
        """Those that died at the call at `position`."""
        self._pauses = 0
        self._revision = 0

    async def read(self) -> None:
        """Learn what is on record."""
        entry = await self._bucket.get(self.key)
        if entry is None:
            return
        record = AttemptRecord.decode(entry.value)
        self.position, self.nodes = record.position, record.nodes
        self._pauses = record.pauses
        self._revision = entry.revision

    async def begin(self, position: int) -> Raised | None:
        """Put an attempt at the call at `position` on record; or return why there is none.

        Raises `BusyError` where another node was quicker, or a pause is to be made before.
        """
        if position != self.position:
            self.position, self.nodes, self._pauses = position, [UNKNOWN], 0
        if len(self.nodes) >= MOST:
            places = [where for _, where in self.nodes]
            told = f"{len(places)} {self._what}: {', '.join(places)}"
            log.error("give up a call that ended %s", told)
            return Raised("PoisonError", f"killed {told}", nodes=places)
        recorded = len(self.nodes) - 1
        if recorded > self._pauses:
            self._pauses = recorded
            raise BusyError("it ended a node", BACK_OFF * 2 ** (recorded - 1))
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
        value = AttemptRecord(self.position, nodes, self._pauses).encode()
        if self._revision:
            revision = await self._bucket.update(self.key, value, self._revision)
        else:
            revision = await self._bucket.create(self.key, value)
        if revision is None:
            raise BusyError("another node was quicker")
        self._revision = revision
