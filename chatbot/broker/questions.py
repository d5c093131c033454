"""What was asked in channels, and how it was answered: the stream `chatbot-questions`.

It is the one place where an index of questions is kept; nodes hold copies in memory. An index is
a name that flows share. Each question is one message, under

    chatbot.questions.<index>.<hash of network and message id>

The rule that it guards: what is removed is overwritten on the server's disk, and every copy hears
of it: an empty message takes its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from chatbot.broker import migration, stored, subjects
from chatbot.broker.connection import Broker
from chatbot.messages import Record, digest
from chatbot.units import DAY

STREAM = "chatbot-questions"
KEPT = 365 * DAY
"""Seconds; an index may look back for less, and nothing is kept for longer."""

LOOK = 3.0
"""Seconds between looks at the stream, beside being told of changes."""

CATCH_UP = 1.0
"""Seconds, at most, for which a reader waits for what others have stored."""

SOON = 0.1
"""Seconds until the next look, where there was nothing though a change was told."""

Instant = Annotated[datetime, Meta(tz=True)]


class Question(Record, frozen=True):
    """A question, and its answer once there is one (`answered`).

    `id` is the message's, `answer_id` that of the message that answers. `vector` stands for
    `text`, float16, little-endian, as the encoder `encoder` makes it; both may be empty.
    """

    index: str
    id: str
    network: str
    room: str
    sender: str
    text: str
    asked: Instant
    answer: str = ""
    answer_id: str = ""
    by: str = ""
    answered: Instant | None = None
    encoder: str = ""
    vector: bytes = b""

    @property
    def key(self) -> str:
        """Where it lies in its index."""
        return key_of(self.network, self.id)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the question at `key`: `None` says that it was removed."""

    sequence: int
    key: str
    question: Question | None


class Questions:
    """One index. Made by `open`; waits for a server that is away."""

    def __init__(self, broker: Broker, index: str) -> None:
        self._broker = broker
        self._index = index
        self._changed = asyncio.Event()
        self._looked = asyncio.Event()
        self._reached = 0

    @classmethod
    async def open(cls, broker: Broker, index: str) -> Questions:
        await broker.insist(lambda: migration.ensure(broker, [stream()]))
        return cls(broker, index)

    async def put(self, question: Question) -> None:
        """Store the question, in the place of what is known of it; return when it is stored."""
        await self._broker.publish(_subject(self._index, question.key), question.encode())

    async def get(self, key: str) -> Question | None:
        return await self._broker.insist(lambda: _get(self._broker, self._index, key))

    async def remove(self, key: str) -> None:
        await self._broker.insist(lambda: _remove(self._broker, _subject(self._index, key)))

    async def follow(self, change: Callable[[list[Change]], Awaitable[None]]) -> None:
        """Call `change` with what is stored, then with all that changes, until cancelled.

        In the order of the stream, in portions; an empty one says that there is no more now.
        """
        seen, pause, changed = 0, LOOK, self._changed
        async with self._told(changed):
            while True:
                # Who is told before the server has stored it does not find it yet.
                pause = SOON if changed.is_set() else min(pause * 2, LOOK)
                changed.clear()
                try:
                    last = await _last(self._broker)
                    async for portion in self._since(seen, last):
                        await change(portion)
                        seen = portion[-1].sequence
                    await change([])
                    self._reached = last
                    self._looked.set()
                except self._broker.errors:
                    pass  # the next look makes up for it
                await _either(changed, pause)

    async def catch_up(self) -> None:
        """Return when who follows was told all that is stored now; without an answer, soon."""
        try:
            async with asyncio.timeout(CATCH_UP):
                last = await _last(self._broker)
                while self._reached < last:
                    self._changed.set()
                    self._looked.clear()
                    await self._looked.wait()
        except (TimeoutError, *self._broker.errors):
            pass  # what is here will do

    async def _since(self, seen: int, last: int) -> AsyncIterator[list[Change]]:
        if last == seen:
            return
        seen = 0 if last < seen else seen  # somebody has made the stream anew
        portion = []
        found = stored.stored(self._broker, STREAM, _subject(self._index, "*"), after=seen)
        async for each in found:
            portion.append(_change(each))
            if len(portion) == stored.AT_ONCE:
                yield portion
                portion = []
        if portion:
            yield portion

    @asynccontextmanager
    async def _told(self, changed: asyncio.Event) -> AsyncIterator[None]:
        async def receive(_: Msg) -> None:
            changed.set()

        sub = await self._broker.nc.subscribe(_subject(self._index, "*"), cb=receive)
        try:
            yield
        finally:
            await sub.unsubscribe()


def key_of(network: str, message_id: str) -> str:
    return digest(network, message_id)


async def every(broker: Broker, index: str | None = None) -> list[Question]:
    """Return what is kept, oldest first; of one index where one is named.

    There need not be a stream. Raises one of `broker.errors` where the server does not answer.
    """
    subject = _subject(index, "*") if index else "chatbot.questions.>"
    changes = [_change(each) async for each in stored.stored(broker, STREAM, subject)]
    return [each.question for each in changes if each.question is not None]


async def answer(
    broker: Broker, index: str, network: str, message_id: str, text: str, at: datetime
) -> None:
    """Note the answer to what a message asked, if that is in the index and has none.

    To do it once more is no harm. Waits for a server that is away.
    """
    questions = await Questions.open(broker, index)
    found = await questions.get(key_of(network, message_id))
    if found is not None and not found.answer:
        await questions.put(msgspec.structs.replace(found, answer=text, answered=at))


async def remove(broker: Broker, question: Question) -> None:
    """Erase a question, everywhere."""
    await _remove(broker, _subject(question.index, question.key))


async def forget(
    broker: Broker, is_meant: Callable[[str, str], bool], found: list[Question]
) -> None:
    """Erase those of `found` that people asked, and from the others what they answered.

    `is_meant` is asked with a network and a sender. To do it once more is no harm.
    """
    for question in found:
        if is_meant(question.network, question.sender):
            await remove(broker, question)
        elif question.by and is_meant(question.network, question.by):
            await _without_answer(broker, question)


async def retract(broker: Broker, said: Container[tuple[str, str]]) -> None:
    """Erase what messages asked or answered; they are known by their networks and ids."""
    for question in await every(broker):
        if (question.network, question.id) in said:
            await remove(broker, question)
        elif (question.network, question.answer_id) in said:
            await _without_answer(broker, question)


async def _without_answer(broker: Broker, question: Question) -> None:
    bare = msgspec.structs.replace(question, answer="", answer_id="", by="", answered=None)
    await remove(broker, question)
    await broker.publish(_subject(question.index, question.key), bare.encode())


async def of_people(broker: Broker, is_meant: Callable[[str, str], bool]) -> list[Question]:
    """Return the questions that people asked or answered."""
    return [
        each
        for each in await every(broker)
        if is_meant(each.network, each.sender) or (each.by and is_meant(each.network, each.by))
    ]


def stream() -> StreamConfig:
    """Return the stream that all indexes share."""
    return StreamConfig(
        name=STREAM,
        subjects=["chatbot.questions.*.*"],
        retention=RetentionPolicy.LIMITS,
        max_age=KEPT,
        max_msgs_per_subject=1,
        discard=DiscardPolicy.OLD,
        storage=StorageType.FILE,
        allow_direct=True,
    )


def _subject(index: str, key: str) -> str:
    return f"chatbot.questions.{subjects.token(index)}.{key}"


def _change(each: stored.Stored) -> Change:
    key = each.subject.rpartition(".")[2]
    try:
        question = Question.decode(each.data) if each.data else None
    except msgspec.MsgspecError:  # another version's, or a stranger's
        question = None
    return Change(each.sequence, key, question)


async def _get(broker: Broker, index: str, key: str) -> Question | None:
    try:
        found = await broker.js.get_last_msg(STREAM, _subject(index, key), direct=True)
        return Question.decode(found.data) if found.data else None
    except (NotFoundError, msgspec.MsgspecError):
        return None


async def _remove(broker: Broker, subject: str) -> None:
    sequence = await stored.sequence_of(broker, STREAM, subject)
    if sequence is not None:
        await stored.erase(broker, STREAM, [sequence])
    await broker.publish(subject, b"")


async def _last(broker: Broker) -> int:
    try:
        return int((await broker.js.stream_info(STREAM)).state.last_seq)
    except NotFoundError:
        return 0


async def _either(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        pass
