"""Who is there: what nodes and primaries announce, and how others see it.

The rule that it guards: an announcement expires by itself. A process that was killed is gone
from the roster `EXPIRY` seconds after it last spoke, for a reader who comes later, too; no two
machines' clocks are compared.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from chatbot.broker import Broker, subjects
from chatbot.broker.buckets import Bucket, find_bucket, open_bucket
from chatbot.errors import BrokerError
from chatbot.messages import NodeRecord, PrimaryRecord, Record, Stranger, announced
from chatbot.nodes.strangers import Strangers

log = logging.getLogger(__name__)

EVERY = 1.5
EXPIRY = 5.0

R = TypeVar("R", bound=Record)


@asynccontextmanager
async def announce(
    broker: Broker, key: str, record: Callable[[], Record]
) -> AsyncIterator[Callable[[], None]]:
    """Announce `record()` under `key` for the block's duration, renewed; gone at its end.

    Yields a function that announces once more at once, for when something has changed.
    """
    bucket = await open_bucket(broker, subjects.ROSTER)
    await bucket.put(key, record().encode())
    changed = asyncio.Event()
    task = asyncio.ensure_future(_renew(bucket, key, record, changed))
    try:
        yield changed.set
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            async with asyncio.timeout(1.0):
                await bucket.delete(key)
        except broker.errors as error:
            log.debug("cannot withdraw %s: %r", key, error)


async def _renew(
    bucket: Bucket, key: str, record: Callable[[], Record], changed: asyncio.Event
) -> None:
    while True:
        try:
            async with asyncio.timeout(EVERY):
                await changed.wait()
        except TimeoutError:
            pass
        changed.clear()
        try:
            await bucket.put(key, record().encode())
        except BrokerError as error:
            log.warning("cannot announce %s: %s", key, error)


@dataclass(frozen=True, slots=True)
class Announced:
    """What a process announced, when the server `stored` it, and how many seconds ago."""

    key: str
    record: Record
    stored: datetime
    age: float


async def announcements(broker: Broker) -> list[Announced]:
    """Return what is announced now, and has not expired. Makes nothing where nobody ever was."""
    bucket = await find_bucket(broker, subjects.ROSTER)
    return [each for each in await _read(bucket) if each.age < EXPIRY] if bucket else []


async def _read(bucket: Bucket) -> list[Announced]:
    return [
        Announced(key, _decode(key, each.value), each.stored, each.age)
        for key, each in (await bucket.dated()).items()
    ]


class Roster:
    """Which nodes and primaries there are, as last announced. Made by `follow`."""

    def __init__(self, tell: Callable[[Stranger], None]) -> None:
        self._seen: dict[str, tuple[float, Record]] = {}
        self._tell = tell
        self.changed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def follow(
        cls, broker: Broker, *, tell: Callable[[Stranger], None] | None = None
    ) -> AsyncIterator[Roster]:
        """Follow the roster for the block's duration; it is complete from the start.

        `tell` is called at each announcement of a process that we cannot talk with; without it
        that is logged, once for each.
        """
        roster = cls(tell or Strangers().tell)
        bucket = await open_bucket(broker, subjects.ROSTER)
        async with bucket.watch(roster._change):
            for each in await broker.insist(lambda: _read(bucket)):
                if each.key not in roster._seen:  # nobody was quicker to tell us
                    roster._add(each.key, each.record, each.age)
            yield roster

    @property
    def nodes(self) -> list[NodeRecord]:
        return self._living(NodeRecord)

    @property
    def primaries(self) -> list[PrimaryRecord]:
        return self._living(PrimaryRecord)

    @property
    def strangers(self) -> list[Stranger]:
        """Those that we cannot talk with; they are neither nodes nor primaries to us."""
        return self._living(Stranger)

    @property
    def offered(self) -> set[str]:
        """The keys of the operations that nodes run."""
        return {key for node in self.nodes for key in node.operations}

    def offers(self, key: str) -> bool:
        """Whether any node runs the operation with this key."""
        oldest = time.monotonic() - EXPIRY
        return any(
            seen >= oldest and isinstance(record, NodeRecord) and key in record.operations
            for seen, record in self._seen.values()
        )

    def _living(self, kind: type[R]) -> list[R]:
        oldest = time.monotonic() - EXPIRY
        return [
            record
            for seen, record in self._seen.values()
            if seen >= oldest and isinstance(record, kind)
        ]

    def _change(self, key: str, value: bytes) -> None:
        if value:
            self._add(key, _decode(key, value))
        else:
            self._seen.pop(key, None)
        self.changed.set()

    def _add(self, key: str, record: Record, age: float = 0.0) -> None:
        if age >= EXPIRY:
            return
        if isinstance(record, Stranger):
            self._tell(record)
        self._seen.pop(key, None)  # those last seen are last
        self._seen[key] = (time.monotonic() - age, record)
        self._forget_expired()

    def _forget_expired(self) -> None:
        oldest = time.monotonic() - EXPIRY
        while self._seen:
            key, (seen, _) = next(iter(self._seen.items()))
            if seen >= oldest:
                return
            del self._seen[key]


def _decode(key: str, value: bytes) -> Record:
    if key.startswith("node."):
        return announced(NodeRecord, "node", key, value)
    return announced(PrimaryRecord, "primary", key, value)
