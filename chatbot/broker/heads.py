"""What was learned from corrections: in the object store, with a key that says which is in use.

The rule that it guards: a head that is named is there whole, as it is stored before it is named;
and an older one never takes the place of a newer one (compare-and-set).
"""

from __future__ import annotations

import asyncio
import base64
import functools
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta
from nats.js.api import StreamConfig
from nats.js.errors import ObjectNotFoundError
from nats.js.object_store import ObjectStore

from chatbot.broker import migration, subjects
from chatbot.broker.buckets import Bucket, Entry, open_bucket
from chatbot.broker.connection import Broker
from chatbot.broker.objects import object_stream
from chatbot.errors import BrokerError
from chatbot.messages import Record, digest

PATIENCE = 20.0
"""Seconds that fetching a head may take, before it is begun again."""

STALE = timedelta(days=7)

STREAM = f"OBJ_{subjects.HEADS}"
HEAD, NEXT, SEEN = "head", "next", "seen"
ON = "="
"""Between an operation's key and the thorough training that was learned on top of."""


class HeadRecord(Record, frozen=True):
    """Which head is in use: its `revision`, where it lies, and what it learned.

    `lessons` is the identity of the lessons, `number` that of the last change among them,
    `count` how many there are, `contested` how many texts were left out.
    """

    revision: str
    stored: str
    lessons: str
    number: int
    count: int
    at: Annotated[datetime, Meta(tz=True)]
    contested: int = 0
    by: str = ""


class Compared(Record, frozen=True):
    """How a shadow (the head `stored`) did on one node beside the head that runs.

    Of `seen` texts, what would be acted on differs in `differing`; `pairs` counts them by (label
    that runs, label of the shadow), where an empty label is one that is not sure.
    """

    stored: str
    seen: int = 0
    differing: int = 0
    pairs: tuple[tuple[str, str, int], ...] = ()


class Heads:
    """The heads of one operation that learns, in one configuration. Made by `open`.

    Waits for a server that is away.
    """

    def __init__(self, broker: Broker, bucket: Bucket, learner: str, operation: str) -> None:
        self._broker = broker
        self._bucket = bucket
        self._learner = learner
        self._operation = operation

    @property
    def base(self) -> str:
        """The beginning of the revision that they were learned on top of, empty for none."""
        return self._operation.partition(ON)[2]

    @classmethod
    async def open(cls, broker: Broker, learner: str, operation: str) -> Heads:
        """Open those of the operation with this key."""
        return cls(broker, await open_bucket(broker, subjects.LEARNED), learner, operation)

    def on(self, base: str) -> Heads:
        """Return those that were learned on top of a thorough training, of none if it is empty.

        They are apart: while nodes change from one to the other, each finds its own.
        """
        operation = f"{self._operation}{ON}{base[:16]}" if base else self._operation
        return Heads(self._broker, self._bucket, self._learner, operation)

    async def current(self) -> HeadRecord | None:
        """Return which head runs, `None` where only the flow's own file was learned."""
        return _decoded(await self._entry(HEAD))

    async def next(self) -> HeadRecord | None:
        """Return which head runs in the shadow of the other."""
        return _decoded(await self._entry(NEXT))

    async def load(self, record: HeadRecord) -> bytes:
        """Return a head; raises `BrokerError` where it is gone: another is in use by now."""
        return await self._broker.insist(lambda: _get(self._broker, record.stored))

    async def publish(self, record: HeadRecord, content: bytes, *, shadow: bool) -> bool:
        """Store a head and have it used; whether it is: not where a later one is there already."""
        record = msgspec.structs.replace(record, stored=self._name(content))
        await self._broker.insist(lambda: _put(self._broker, record.stored, content))
        kind = NEXT if shadow else HEAD
        while True:
            found = await self._entry(kind)
            former = _decoded(found)
            if former is not None and former.number > record.number:
                await self._free(record.stored)
                return False
            if await self._set(kind, record, found):
                break
        if not shadow:
            await self.drop_next()
        if former is not None and former.stored != record.stored:
            await self._free(former.stored)
        await self._drop_stale(record.at)
        return True

    async def promote(self, shadow: HeadRecord) -> bool:
        """Have the shadow run in the place of the other; whether it does."""
        found = await self._entry(HEAD)
        former = _decoded(found)
        if former is not None and former.number > shadow.number:
            return False
        if not await self._set(HEAD, shadow, found):
            return False
        await self._delete(NEXT)
        if former is not None and former.stored != shadow.stored:
            await self._free(former.stored)
        return True

    async def drop_next(self) -> None:
        """Have no shadow."""
        former, current = await self.next(), await self.current()
        if former is not None:
            await self._delete(NEXT)
            if current is None or current.stored != former.stored:
                await self._free(former.stored)

    async def note(self, node: str, compared: Compared) -> None:
        """Say how the shadow does on a node."""
        await self._bucket.put(f"{self._key(SEEN)}.{node}", compared.encode())

    async def compared(self, shadow: HeadRecord) -> Compared:
        """Return how a shadow did, on all nodes together."""
        wanted = f"{self._key(SEEN)}.*"
        found = await self._broker.insist(lambda: self._bucket.all(wanted))
        return together(shadow.stored, found.values())

    @asynccontextmanager
    async def watch(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """Call `changed` when another head is used, or runs in the shadow, whatever its base."""
        own = self._operation

        def tell(key: str, _: bytes) -> None:
            kind, operation = key.split(".")[1:]
            if kind in (HEAD, NEXT) and operation.partition(ON)[0] == own:
                changed()

        async with self._bucket.watch(tell, f"{self._learner}.*.*"):
            yield

    async def _drop_stale(self, now: datetime) -> None:
        """Erase what was learned for configurations that nobody seems to run any more.

        Should one be run all the same, its head is learned anew.
        """
        for key, record in (await all_heads(self._broker, self._bucket, self._learner)).items():
            if key != self._operation and now - record.at > STALE:
                await drop(self._broker, self._bucket, self._learner, key)

    async def _entry(self, kind: str) -> Entry | None:
        return await self._broker.insist(lambda: self._bucket.get(self._key(kind)))

    async def _set(self, kind: str, record: HeadRecord, found: Entry | None) -> bool:
        key, value = self._key(kind), record.encode()
        if found is None:
            ask = functools.partial(self._bucket.create, key, value)
        else:
            ask = functools.partial(self._bucket.update, key, value, found.revision)
        if await self._broker.insist(ask) is not None:
            return True
        now = await self._entry(kind)  # the answer that it is ours may have been lost
        return now is not None and now.value == value

    async def _delete(self, kind: str) -> None:
        await self._broker.insist(lambda: self._bucket.delete(self._key(kind)))

    async def _free(self, name: str) -> None:
        await self._broker.insist(lambda: _delete(self._broker, name))

    def _key(self, kind: str) -> str:
        return f"{self._learner}.{kind}.{self._operation}"

    def _name(self, content: bytes) -> str:
        """Return a name that no other head has, of equal content neither: each is erased alone."""
        own = secrets.token_hex(4)
        return f"{self._learner}.{self._operation}.{own}.{digest(content, length=40)}"


async def drop(broker: Broker, bucket: Bucket, learner: str, operation: str = "*") -> None:
    """Erase what was learned, for one configuration of an operation or for all of them.

    Who runs it learns it anew.
    """
    for kind in (HEAD, NEXT):
        for key in await all_heads(broker, bucket, learner, kind):
            if operation in ("*", key):
                await _drop(broker, bucket, f"{learner}.{kind}.{key}")


async def _drop(broker: Broker, bucket: Bucket, key: str) -> None:
    """Erase a head and its key, and any that took its place in this moment."""
    while (found := await broker.insist(lambda: bucket.get(key))) is not None:
        record, revision = _decoded(found), found.revision
        await broker.insist(functools.partial(bucket.delete, key, revision))
        now = await broker.insist(lambda: bucket.get(key))
        if record is not None and (now is None or now.revision != revision):
            await broker.insist(functools.partial(_delete, broker, record.stored))


async def all_heads(
    broker: Broker, bucket: Bucket, learner: str, kind: str = HEAD
) -> dict[str, HeadRecord]:
    """Return the heads in use of a learner, by the keys of its operations."""
    found = await broker.insist(lambda: bucket.all(f"{learner}.{kind}.*"))
    decoded = {key.rpartition(".")[2]: _decode(value) for key, value in found.items()}
    return {key: record for key, record in decoded.items() if record is not None}


def together(stored: str, values: Iterable[bytes]) -> Compared:
    """Return what nodes said of the shadow `stored`, added up."""
    seen = differing = 0
    pairs: dict[tuple[str, str], int] = {}
    for value in values:
        try:
            each = Compared.decode(value)
        except msgspec.MsgspecError:
            continue
        if each.stored == stored:
            seen, differing = seen + each.seen, differing + each.differing
            for runs, shadow, count in each.pairs:
                pairs[runs, shadow] = pairs.get((runs, shadow), 0) + count
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return Compared(stored, seen, differing, tuple((a, b, n) for (a, b), n in ordered))


def stream() -> StreamConfig:
    """Return the stream that is behind the object store of heads."""
    return object_stream(subjects.HEADS, "what was learned from corrections")


async def _put(broker: Broker, name: str, content: bytes) -> None:
    store = await _open(broker)
    try:
        await store.get_info(name)
    except ObjectNotFoundError:
        await store.put(name, content)


async def _get(broker: Broker, name: str) -> bytes:
    store = await _open(broker)
    try:
        async with asyncio.timeout(PATIENCE):  # nats-py waits for ever for a chunk that got lost
            found = await store.get(name)
    except ObjectNotFoundError as error:
        raise BrokerError("what was learned is no longer in the object store") from error
    content = found.data or b""
    if digest(content, length=40) != name.rpartition(".")[2]:
        raise BrokerError("what was learned is damaged in the object store")
    return content


async def _delete(broker: Broker, name: str) -> None:
    store = await _open(broker)
    try:
        info = await store.get_info(name)
    except ObjectNotFoundError:
        return
    key = base64.urlsafe_b64encode(name.encode()).decode()
    # Not the store's own `delete`, which leaves a marker for each.
    for subject in (f"M.{key}", f"C.{info.nuid}"):
        await broker.js.purge_stream(STREAM, subject=f"$O.{subjects.HEADS}.{subject}")


async def _open(broker: Broker) -> ObjectStore:
    await migration.ensure(broker, [stream()])
    return await broker.js.object_store(subjects.HEADS)


def _decoded(found: Entry | None) -> HeadRecord | None:
    return _decode(found.value) if found else None


def _decode(value: bytes) -> HeadRecord | None:
    try:
        return HeadRecord.decode(value)
    except msgspec.MsgspecError:
        return None  # another version's
