"""An index of questions, as one operation has it: what all nodes share, and its vectors here.

The rule that it guards: what was asked is kept in one place (the broker's), and this is a copy
that follows it. Where no connection was lent, it is all there is, and lives as long as this.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from dffml import OperationImplementation

from chatbot.broker.current import borrowed
from chatbot.broker.questions import KEPT, Change, Question, Questions, key_of
from chatbot.inference.registry import local
from operations.model_thread import ModelThread

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder
    from chatbot.inference.similar import Nearest

_EXPIRE = 3600.0
"""Seconds between looks for what is too old."""

_OPEN_AT_MOST = 10_000
"""Unanswered questions that may be answered by `nick: …`."""


class QuestionIndex:
    """Questions with their vectors. Made by `open`; one thread works on the vectors."""

    def __init__(self, name: str, encoder_name: str) -> None:
        self.name = name
        self._encoder_name = encoder_name
        self._thread = ModelThread("questions")
        self._encoder: Encoder
        self._nearest: Nearest[str]
        self._known: dict[str, Question] = {}
        self._open: dict[tuple[str, str, str], str] = {}
        self._shared: Questions | None = None
        self._complete = asyncio.Event()
        self._complete_at = 0.0

    @classmethod
    @asynccontextmanager
    async def open(cls, name: str, encoder: str) -> AsyncIterator["QuestionIndex"]:
        """Load the encoder and what is stored; follow it for the block's duration."""
        index = cls(name, encoder)
        following: asyncio.Future[None] | None = None
        try:
            index._encoder_name = await local(encoder)
            await index._thread.run(index._load)
            if broker := borrowed():
                index._shared = await Questions.open(broker, name)
                following = asyncio.ensure_future(index._shared.follow(index._apply))
                await index._until_complete(following)
            yield index
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            index._thread.close()

    def __len__(self) -> int:
        return len(self._known)

    async def encode(self, texts: Sequence[str]) -> list[Any]:
        """Return a vector for each text, from one model batch."""
        return (
            list(await self._thread.run(lambda: self._encoder.encode(list(texts)))) if texts else []
        )

    async def near(
        self, vector: Any, least: float, wanted: Callable[[Question], bool]
    ) -> tuple[Question, float] | None:
        """Return the nearest question that is `wanted`, and its cosine, of `least` or more."""
        known = self._known  # read by the thread, changed by it alone

        def look() -> tuple[Question, float] | None:
            found = self._nearest.near(vector, least, lambda key: wanted(known[key]))
            return (known[found[0].key], found[0].score) if found else None

        return await self._thread.run(look)

    async def put(self, question: Question, vector: Any = None) -> None:
        """Keep a question, in the place of what is known of it; return when it is stored."""
        question = await self._thread.run(lambda: self._with_vector(question, vector))
        if self._shared is not None:
            await self._shared.put(question)
        await self._apply([Change(0, question.key, question)])

    async def catch_up(self) -> None:
        """Know what other nodes have noted until now."""
        if self._shared is not None:
            await self._shared.catch_up()

    async def get(self, network: str, message_id: str) -> Question | None:
        """Return the question that a message asked, or answered; `None` where it is none."""
        key = key_of(network, message_id)
        if key in self._known or self._shared is None:
            return self._known.get(key)
        return await self._shared.get(key)

    async def current(self, known: Question) -> Question:
        """Return what is stored of a question now; the copy here may be a moment behind."""
        found = await self._shared.get(known.key) if self._shared is not None else None
        return known if found is None else found

    async def answered_by(self, network: str, message_id: str) -> Question | None:
        """Return the question that a message answered."""

        def look() -> Question | None:
            found = (q for q in self._known.values() if q.answer_id == message_id)
            return next((q for q in found if q.network == network), None)

        return await self._thread.run(look)

    def last_of(self, network: str, room: str, nick: str, since: datetime) -> Question | None:
        """Return the last question of a person in a room that has no answer yet."""
        key = self._open.get((network, room, nick.casefold()))
        found = self._known.get(key) if key else None
        return found if found and found.asked >= since and not found.answer else None

    async def remove(self, question: Question) -> None:
        """Erase a question, everywhere; return when nothing finds it here."""
        if self._shared is not None:
            await self._shared.remove(question.key)
        await self._apply([Change(0, question.key, None)])

    async def _until_complete(self, following: "asyncio.Future[None]") -> None:
        """Wait until all that is stored is here; raise what following it raises."""
        following.add_done_callback(lambda _: self._complete.set())
        await self._complete.wait()
        if following.done():
            following.result()

    def _with_vector(self, question: Question, vector: Any) -> Question:
        from chatbot.inference.similar import packed

        if vector is None:
            vector = self._nearest.vector(question.key)
        if vector is None:
            [vector] = self._encoder.encode([question.text])
        return msgspec.structs.replace(
            question, encoder=self._encoder.identity, vector=packed(vector)
        )

    async def _apply(self, changes: list[Change]) -> None:
        if not changes:
            self._complete.set()
            if self._complete_at + _EXPIRE < (now := asyncio.get_running_loop().time()):
                self._complete_at = now
                await self._thread.run(self._expire)
            return
        await self._thread.run(lambda: self._take(changes))

    def _take(self, changes: list[Change]) -> None:
        from chatbot.inference.similar import unpacked

        latest = {each.key: each.question for each in changes}
        lacking: list[Question] = []
        for key, question in latest.items():
            if question is None:
                self._drop(key)
                continue
            self._keep(question)
            own = question.encoder == self._encoder.identity
            vector = unpacked(question.vector, self._encoder.dim) if own else None
            if vector is None:
                lacking.append(question)
            else:
                self._nearest.put(key, vector)
        if lacking:  # noted by nodes with another encoder
            vectors = self._encoder.encode([question.text for question in lacking])
            for question, vector in zip(lacking, vectors, strict=True):
                self._nearest.put(question.key, vector)

    def _keep(self, question: Question) -> None:
        self._known[question.key] = msgspec.structs.replace(question, vector=b"")
        person = (question.network, question.room, question.sender.casefold())
        if question.answer:
            if self._open.get(person) == question.key:
                del self._open[person]
        else:
            self._open.pop(person, None)
            self._open[person] = question.key
            if len(self._open) > _OPEN_AT_MOST:
                del self._open[next(iter(self._open))]

    def _drop(self, key: str) -> None:
        self._nearest.remove(key)
        gone = self._known.pop(key, None)
        if gone is not None:
            person = (gone.network, gone.room, gone.sender.casefold())
            if self._open.get(person) == key:
                del self._open[person]

    def _expire(self) -> None:
        """Drop what the server has dropped for its age."""
        before = datetime.now(UTC) - timedelta(seconds=KEPT)
        for key in [key for key, question in self._known.items() if question.asked < before]:
            self._drop(key)

    def _load(self) -> None:
        from chatbot.inference.encoder import Encoder
        from chatbot.inference.similar import Nearest

        self._encoder = Encoder.load(self._encoder_name)
        self._encoder.encode(["hello"])  # the first run is slow
        self._nearest = Nearest(self._encoder.dim)


@asynccontextmanager
async def entered(self: OperationImplementation) -> AsyncIterator[QuestionIndex]:
    """Open the index that an operation's configuration names, for as long as it is entered."""
    async with QuestionIndex.open(self.config.index, self.config.encoder) as index:
        yield index
