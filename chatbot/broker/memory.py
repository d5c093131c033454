"""What flows keep from message to message, and which schedules were due: bucket `chatbot-memory`.

| key | value |
|---|---|
| `kept.<flow>.<name>.<network>.<room>.<person>` | `Remembered`: a value of the flow's state |
| `fired.<flow>.<schedule>` | `Fired`: the last time that was dealt with |

All but `kept` and `fired` are hashes of names. It is kept for 90 days after it was last changed.
The rule that it guards: a message changes a value once, however often its changes are made.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chatbot.broker import subjects
from chatbot.broker.buckets import Bucket, Entry, find_bucket, open_bucket
from chatbot.broker.connection import Broker
from chatbot.kept import LONGEST, Kept, changed, owner
from chatbot.messages import Change, ChatMessage, Record, digest

MOST_MARKS = 256
"""Messages that a value remembers to have been changed by."""


class Remembered(Record, frozen=True):
    """A value, whose it is, until when it counts, and which messages (hashes) changed it last."""

    flow: str
    name: str
    network: str = ""
    room: str = ""
    person: str = ""
    value: Any = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    by: tuple[str, ...] = ()


class Fired(Record, frozen=True):
    """The last due time of a schedule that was dealt with: its messages are in IN."""

    flow: str
    schedule: str
    due: Annotated[datetime, Meta(tz=True)]


class Memory:
    """What one flow keeps. Made by `open`; all of it waits for a server that is away."""

    def __init__(self, broker: Broker, bucket: Bucket, flow: str) -> None:
        self._broker = broker
        self._bucket = bucket
        self._flow = flow

    @classmethod
    async def open(cls, broker: Broker, flow: str) -> Memory:
        return cls(broker, await open_bucket(broker, subjects.MEMORY), flow)

    async def values(self, wanted: Sequence[Kept], message: ChatMessage) -> dict[str, Any]:
        """Return the values that `message` finds, by name."""
        found = await asyncio.gather(*(self._entry(self.key(kept, message)) for kept in wanted))
        now = datetime.now(UTC)
        return {
            kept.name: kept.start if entry is None else _value(entry[1], kept.start, now)
            for kept, entry in zip(wanted, found, strict=True)
        }

    def key(self, kept: Kept, message: ChatMessage) -> str:
        """Return the key of the value that is kept for who said `message`."""
        whose = (digest(each) if each else "-" for each in owner(kept, message))
        return f"kept.{digest(self._flow)}.{digest(kept.name)}.{'.'.join(whose)}"

    async def change(self, message: ChatMessage, changes: Sequence[Change]) -> None:
        """Make the changes that `message` caused, each once, whoever makes them beside us."""
        by_key: dict[str, list[Change]] = {}
        ours = re.compile(rf"kept\.{digest(self._flow)}(\.([0-9a-f]{{20}}|-)){{4}}")
        for change in changes:
            if ours.fullmatch(change.key):  # what else a stranger may have put into OUT
                by_key.setdefault(change.key, []).append(change)
        await asyncio.gather(*(self._change(k, message, each) for k, each in by_key.items()))

    async def fired(self, schedule: str) -> datetime | None:
        """Return the last due time that was dealt with; `None` for a schedule that is new."""
        found = await self._broker.insist(lambda: self._bucket.get(self._fired(schedule)))
        if found is None:
            return None
        try:
            return Fired.decode(found.value).due
        except msgspec.MsgspecError:
            return None

    async def note(self, schedule: str, due: datetime) -> None:
        """Remember that a due time was dealt with."""
        record = Fired(self._flow, schedule, due).encode()
        await self._bucket.put(self._fired(schedule), record)

    def _fired(self, schedule: str) -> str:
        return f"fired.{digest(self._flow)}.{digest(schedule)}"

    async def _change(self, key: str, message: ChatMessage, changes: list[Change]) -> None:
        mark = digest(message.id, length=16)
        while True:
            held = await self._entry(key)
            if held is not None and mark in held[1].by:
                return
            record = self._changed(held[1] if held else None, message, changes, mark)
            if await self._broker.insist(lambda: self._store(key, held, record)):  # noqa: B023
                return

    async def _store(
        self, key: str, held: tuple[Entry, Remembered] | None, record: Remembered
    ) -> bool:
        if held is None:
            return await self._bucket.create(key, record.encode()) is not None
        return await self._bucket.update(key, record.encode(), held[0].revision) is not None

    def _changed(
        self,
        held: Remembered | None,
        message: ChatMessage,
        changes: list[Change],
        mark: str,
    ) -> Remembered:
        now = datetime.now(UTC)
        last = changes[-1]
        before = last.start if held is None else _value(held, last.start, now)
        _, _, _, network, room, person = last.key.split(".")
        return Remembered(
            flow=self._flow,
            name=last.name,
            network=message.network if network != "-" else "",
            room=message.room if room != "-" else "",
            person=(message.account or message.sender) if person != "-" else "",
            value=changed(before, last.start, changes),
            until=now + timedelta(seconds=min(max(0.0, last.keep), LONGEST)),
            by=((*held.by, mark) if held else (mark,))[-MOST_MARKS:],
        )

    async def _entry(self, key: str) -> tuple[Entry, Remembered] | None:
        found = await self._broker.insist(lambda: self._bucket.get(key))
        if found is None:
            return None
        try:
            return found, Remembered.decode(found.value)
        except msgspec.MsgspecError:  # another version's, which is as good as none
            return found, Remembered(self._flow, "")


def _value(held: Remembered, start: Any, now: datetime) -> Any:
    return start if held.until is None or held.until <= now else held.value


async def forget(
    broker: Broker, is_meant: Callable[[str, str], bool], flow: str | None = None
) -> int:
    """Erase the values that are kept for people; return how many there were.

    `is_meant` is asked with a network and a sender. What a flow keeps for a room, a network or
    itself is the flow's, and stays, but for items of lists that say whose they are: maps with a
    `person` or a `sender`. Raises one of `broker.errors`.
    """
    bucket = await find_bucket(broker, subjects.MEMORY)
    if bucket is None:
        return 0
    count = 0
    for key, value in (await bucket.all("kept.>")).items():
        try:
            held = Remembered.decode(value)
        except msgspec.MsgspecError:
            continue
        if flow not in (None, held.flow):
            continue
        if held.person and is_meant(held.network, held.person):
            await bucket.delete(key)
            count += 1
        elif isinstance(held.value, list):
            count += await _without(bucket, key, is_meant)
    return count


async def _without(bucket: Bucket, key: str, is_meant: Callable[[str, str], bool]) -> int:
    """Take the items that are about people out of a list, whoever changes it meanwhile."""
    while (found := await bucket.get(key)) is not None:
        held = Remembered.decode(found.value)
        items = held.value if isinstance(held.value, list) else []
        left = [each for each in items if not _is_about(each, held.network, is_meant)]
        if len(left) == len(items):
            break
        record = msgspec.structs.replace(held, value=left)
        if await bucket.update(key, record.encode(), found.revision) is not None:
            return len(items) - len(left)
    return 0


def _is_about(item: Any, network: str, is_meant: Callable[[str, str], bool]) -> bool:
    if not isinstance(item, dict):
        return False
    where = network or str(item.get("network", ""))
    whose = (item.get(name) for name in ("person", "sender"))
    return any(isinstance(each, str) and each and is_meant(where, each) for each in whose)
