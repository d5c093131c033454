"""Texts to labels: an encoder, and what was learned on top of it.

The rule that it guards: a label is *sure* only if the text is like what was learned from. A
model spreads its probability over the labels that it knows, so alone it would be sure of
nonsense, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.inference.features import PARTS

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder, Vectors
    from chatbot.inference.head import Head, Judgement


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest label, its probability (0 to 1), and whether to act on it.

    `scores` has the probability of each label; they add up to 1, unless a text may have several
    labels: then `labels` are those to act on, the likeliest first. `revision` is that of the
    head that gave them.
    """

    label: str
    score: float
    sure: bool
    scores: Mapping[str, float] = field(default_factory=dict)
    revision: str = ""
    labels: tuple[str, ...] = ()


NOTHING = Prediction("", 0.0, False)
"""What an empty text is."""


class Classifier:
    """Gives texts the labels that the examples teach. Blocks: call it from one thread.

    A prediction is sure if the text is as familiar as the head found that it has to be, on
    examples that were held back, and its score is at least `threshold`, where one is given. A
    given `likeness` replaces the head's finding: then the most similar example of all has to
    belong to the label and have at least that cosine to the text.
    """

    def __init__(
        self,
        encoder: Encoder,
        head: Head,
        *,
        threshold: float | None = None,
        likeness: float | None = None,
    ) -> None:
        if head.dim != PARTS * encoder.dim:
            raise OperationError(
                f"the head is for vectors of {head.dim}, the encoder has {PARTS * encoder.dim}"
            )
        self.encoder = encoder
        self.head = head
        self.threshold = threshold
        self.likeness = likeness
        self._centroids = head.centroids()
        _calm_blas()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the examples."""
        return self.head.labels

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Return a prediction for each text, in their order; for an empty one, `NOTHING`."""
        filled = [index for index, text in enumerate(texts) if text and not text.isspace()]
        predictions = [NOTHING] * len(texts)
        if filled:
            some = [texts[index] for index in filled]
            judged = self._judge(self.encoder.features(some), some)
            for index, prediction in zip(filled, judged, strict=True):
                predictions[index] = prediction
        return predictions

    def _judge(self, vectors: Vectors, texts: Sequence[str]) -> Iterator[Prediction]:
        head = self.head
        judged = head.judge(vectors, texts, self._centroids)
        best = judged.probabilities.argmax(axis=1).tolist()
        known = self._known(judged, best)
        floor = self.threshold or 0.0
        for row, number, like in zip(judged.probabilities.tolist(), best, known, strict=True):
            given = self._given(row, floor) if head.several and like else ()
            sure = bool(given) if head.several else bool(like and row[number] >= floor)
            each = dict(zip(head.labels, row, strict=True))
            label = head.labels[number]
            labels = given if head.several else (label,) if sure else ()
            yield Prediction(label, row[number], sure, each, head.revision, labels)

    def _known(self, judged: Judgement, best: Sequence[int]) -> Any:
        """Return for each row whether it is like what was learned from."""
        if self.likeness is None:
            return (judged.familiarity >= self.head.accepted).tolist()
        nearest = judged.similarities.argmax(axis=1)
        near = judged.similarities.max(axis=1) >= self.likeness
        return (near & (self.head.targets[nearest, best] > 0)).tolist()

    def _given(self, row: Sequence[float], floor: float) -> tuple[str, ...]:
        floors = self.head.floors.tolist()
        found = zip(row, floors, self.head.labels, strict=True)
        given = [(score, label) for score, own, label in found if score >= max(own, floor)]
        return tuple(label for _, label in sorted(given, key=lambda each: -each[0]))


def _calm_blas() -> None:
    """Keep numpy to one thread in this process.

    Its idle threads spin for a while after each product and take the cores from the model:
    batches of eight ran at a third of the speed.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threadpool_limits(limits=1, user_api="blas")
