"""Texts to labels: an encoder and a logistic regression on top of it.

The rule that it guards: a label is *sure* only if the regression gives it enough probability
**and** the text is like an example of that label. A regression spreads its probability over
the labels that it knows, so alone it would be sure of nonsense, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatbot.errors import OperationError

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder, Vectors
    from chatbot.inference.head import Head

THRESHOLD = 0.5
LIKENESS = 0.65
"""With both, flows/support.yaml answers 1.9 % of 32,800 lines of public chat logs with a greeting
or the like and 0.2 % with information; of 72 questions made up for it 62, and none wrongly."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest label, its probability (0 to 1), and whether to act on it.

    `scores` has the probability of each label; `revision` is that of the head that gave them.
    """

    label: str
    score: float
    sure: bool
    scores: Mapping[str, float] = field(default_factory=dict)
    revision: str = ""


NOTHING = Prediction("", 0.0, False)
"""What an empty text is."""


class Classifier:
    """Gives texts the labels that the examples teach. Blocks: call it from one thread.

    A prediction is sure if its score is at least `threshold` and the most similar example of
    all belongs to its label and has a cosine of at least `likeness` to the text.
    """

    def __init__(
        self,
        encoder: Encoder,
        head: Head,
        *,
        threshold: float = THRESHOLD,
        likeness: float = LIKENESS,
    ) -> None:
        if head.weights.shape[1] != encoder.dim:
            raise OperationError(
                f"the head is for vectors of {head.weights.shape[1]}, the encoder has {encoder.dim}"
            )
        self.encoder = encoder
        self.head = head
        self.threshold = threshold
        self.likeness = likeness
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
            vectors = self.encoder.encode([texts[index] for index in filled])
            for index, prediction in zip(filled, self._judge(vectors), strict=True):
                predictions[index] = prediction
        return predictions

    def _judge(self, vectors: Vectors) -> Iterator[Prediction]:
        head = self.head
        scores = head.probabilities(vectors)
        best = scores.argmax(axis=1)
        likeness = vectors @ head.examples.T
        nearest = likeness.argmax(axis=1)
        for row, number in enumerate(best):
            score = float(scores[row, number])
            like = float(likeness[row, nearest[row]])
            agreed = head.owners[nearest[row]] == number
            sure = bool(score >= self.threshold and like >= self.likeness and agreed)
            each = dict(zip(head.labels, scores[row].tolist(), strict=True))
            yield Prediction(head.labels[number], score, sure, each, head.revision)


def _calm_blas() -> None:
    """Keep numpy to one thread in this process.

    Its idle threads spin for a while after each product and take the cores from the model:
    batches of eight ran at a third of the speed.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threadpool_limits(limits=1, user_api="blas")
