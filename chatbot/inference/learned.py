"""What was learned from corrections: a classifier for all rooms, and one for each room of its own.

The rule that it guards: a text is encoded once, however many classifiers judge it, and what people
wrote is kept in memory and in the bytes that are handed over, on no disk.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from chatbot.errors import OperationError
from chatbot.inference.head import Head
from chatbot.learning import Lesson, corpus, rooms
from chatbot.messages import digest

if TYPE_CHECKING:
    from chatbot.inference.classifier import Classifier, Prediction
    from chatbot.inference.encoder import Encoder, Vectors

Make = Callable[[Any, Head], "Classifier"]
"""(encoder, head) → classifier."""

Train = Callable[[Any, Mapping[str, Sequence[str]], Path], Head]
"""(encoder, examples, folder) → head, as `training.trained`."""

EVERYWHERE = ""

SAME = 0.99
"""The least cosine of two vectors of one text, by back ends that round differently."""


class Remembering:
    """An encoder that does not encode twice what it remembers; else as the one that it is given.

    Each thread remembers for itself.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._own = _Memory()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def features(self, texts: Sequence[str]) -> Vectors:
        own = self._own
        if own.known is None or not texts:
            return self.encoder.features(texts)
        import numpy as np

        unknown = list(dict.fromkeys(text for text in texts if text not in own.known))
        if unknown:
            own.known.update(zip(unknown, self.encoder.features(unknown), strict=True))
        own.used.update(texts)
        return np.stack([own.known[text] for text in texts])

    def know(self, examples: Mapping[str, Sequence[str]], head: Head) -> None:
        """Remember the vectors that a head has of the examples that it was made of.

        Two of them are looked at, should the head have them in another order, or not all.
        """
        texts = list(dict.fromkeys(text for each in examples.values() for text in each))
        if len(texts) != len(head.examples):
            return
        ends = self.encoder.features([texts[0], texts[-1]])
        if all(
            a @ b > SAME for a, b in zip(ends, (head.examples[0], head.examples[-1]), strict=True)
        ):
            self._own.kept = dict(zip(texts, head.examples, strict=True))

    @contextmanager
    def remembering(self, *, keep: bool = False) -> Iterator[None]:
        """Encode each text once within the block.

        With `keep`, what it had use for is remembered until the next such block's end.
        """
        own = self._own
        own.known, own.used = (own.kept if keep else {}), set()
        try:
            yield
        finally:
            if keep:
                own.kept = {text: own.known[text] for text in own.used if text in own.known}
            own.known, own.used = None, set()


class _Memory(threading.local):
    """What one thread remembers."""

    known: dict[str, Any] | None = None

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.used: set[str] = set()


@dataclass(frozen=True, slots=True)
class Classifiers:
    """What an operation runs with: a classifier, and others in some rooms."""

    everywhere: Classifier
    encoder: Remembering
    rooms: Mapping[str, Classifier] = field(default_factory=dict)
    revision: str = ""

    def predict(self, texts: Sequence[str], where: Sequence[str]) -> list[Prediction]:
        """Return a prediction for each text, as it was said in the room with the same index."""
        if not self.rooms or self.rooms.keys().isdisjoint(where):
            return self.everywhere.predict(texts)
        with self._encoded(texts):
            return self._in_rooms(texts, where)

    def beside(
        self, shadow: Classifiers, texts: Sequence[str], where: Sequence[str]
    ) -> tuple[list[Prediction], list[Prediction]]:
        """Return what this and the `shadow` make of the texts; each is encoded once."""
        with self._encoded(texts):
            return self._in_rooms(texts, where), shadow._in_rooms(texts, where)

    @contextmanager
    def _encoded(self, texts: Sequence[str]) -> Iterator[None]:
        """Encode the texts, in one model batch, for the block's duration."""
        with self.encoder.remembering():
            filled = [text for text in texts if text and not text.isspace()]
            if filled:
                self.encoder.features(filled)
            yield

    def _in_rooms(self, texts: Sequence[str], where: Sequence[str]) -> list[Prediction]:
        found: dict[int, Prediction] = {}
        groups: dict[str, list[int]] = {}
        for index, room in enumerate(where):
            groups.setdefault(room if room in self.rooms else EVERYWHERE, []).append(index)
        for room, indexes in groups.items():
            own = self.rooms.get(room, self.everywhere)
            predictions = own.predict([texts[index] for index in indexes])
            found.update(zip(indexes, predictions, strict=True))
        return [found[index] for index in range(len(texts))]


def study(
    encoder: Remembering,
    given: Mapping[str, Sequence[str]],
    lessons: Sequence[Lesson],
    train: Train,
) -> tuple[str, bytes]:
    """Return the revision and the bytes of what is learned from examples and from lessons.

    `train` keeps heads in the folder that it is given, which is gone in the end. It takes seconds
    at the first time, later mostly the time to fit: vectors are remembered.
    """
    with (
        tempfile.TemporaryDirectory(prefix="chatbot-learning-") as folder,
        encoder.remembering(keep=True),
    ):
        heads = {
            room: train(encoder, corpus(given, lessons, room), Path(folder))
            for room in (EVERYWHERE, *rooms(lessons))
        }
    contents = {room: head.dumps() for room, head in heads.items()}
    return _revision(heads), msgspec.msgpack.encode(_Learned(encoder.identity, contents))


def taken(data: bytes, encoder: Remembering, make: Make) -> Classifiers:
    """Return the classifiers that `study` made bytes of; raises `OperationError`."""
    try:
        learned = msgspec.msgpack.decode(data, type=_Learned)
    except msgspec.MsgspecError as error:
        raise OperationError(f"what was learned cannot be read: {error}") from error
    if learned.encoder != encoder.identity:
        raise OperationError(
            "what was learned is for another model",
            hint="give all nodes the same one: the `models` of the data folder that was trained in",
        )
    heads = {room: Head.loads(content) for room, content in learned.heads.items()}
    if EVERYWHERE not in heads:
        raise OperationError("what was learned is not complete")
    made = {room: make(encoder, head) for room, head in heads.items()}
    return Classifiers(made.pop(EVERYWHERE), encoder, made, _revision(heads))


class _Learned(msgspec.Struct, array_like=True):
    """What crosses: heads by their rooms, and the identity of the encoder that they are for."""

    encoder: str
    heads: dict[str, bytes]


def _revision(heads: Mapping[str, Head]) -> str:
    if len(heads) == 1:
        return heads[EVERYWHERE].revision
    return digest(*(part for room in sorted(heads) for part in (room, heads[room].revision)))
