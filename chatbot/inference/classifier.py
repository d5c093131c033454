"""Texts to labels: an encoder and a logistic regression on top of it.

The rule that it guards: a label is *sure* only if the regression gives it enough probability
**and** the text is like an example of that label. A regression spreads its probability over
the labels that it knows, so alone it would be sure of nonsense, too.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.messages import digest

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder, Vectors

THRESHOLD = 0.5
LIKENESS = 0.65
"""With both, flows/support.yaml answers 1.9 % of 32,800 lines of public chat logs with a greeting
or the like and 0.2 % with information; of 72 questions made up for it 62, and none wrongly."""

_REGULARISATION = 10.0
_FORMAT = "chatbot head 1"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest label, its probability (0 to 1), and whether to act on it."""

    label: str
    score: float
    sure: bool


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
            yield Prediction(head.labels[number], score, sure)


def _calm_blas() -> None:
    """Keep numpy to one thread in this process.

    Its idle threads spin for a while after each product and take the cores from the model:
    batches of eight ran at a third of the speed.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threadpool_limits(limits=1, user_api="blas")


@dataclass(frozen=True, slots=True)
class Head:
    """What was learned from examples; made for one encoder.

    `weights` (labels x dim) and `bias` (labels) are the regression; `examples` (examples x
    dim, unit length) and `owners` (examples: the number of the label) are what it learned from.
    """

    labels: tuple[str, ...]
    weights: Any
    bias: Any
    examples: Any
    owners: Any

    def probabilities(self, vectors: Vectors) -> Any:
        """Return an array of shape (len(vectors), labels); each row adds up to 1."""
        import numpy as np

        logits = vectors @ self.weights.T + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return odds / odds.sum(axis=1, keepdims=True)


def trained(encoder: Encoder, examples: Mapping[str, Sequence[str]], folder: Path) -> Head:
    """Return the head for `examples`, from `folder` if it is there, else trained and kept.

    The name of its file is derived from the examples and the encoder's weights. Takes seconds
    for hundreds of examples; a file that cannot be read is replaced, and a folder that cannot
    be written to costs only the time to train again.
    """
    path = folder / f"{_name(encoder, examples)}.safetensors"
    with _training:  # two that start at once need it trained once
        head = load_head(path)
        if head is None:
            head = train(encoder, examples)
            save_head(head, path)
        return head


_training = threading.Lock()


def train(encoder: Encoder, examples: Mapping[str, Sequence[str]]) -> Head:
    """Fit a logistic regression on the examples' vectors: two labels or more, none empty."""
    import numpy as np

    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise OperationError(
            "training a classifier needs scikit-learn, which is not installed",
            hint="pip install 'chatbot[nlp]'",
        ) from error
    labels = tuple(examples)
    vectors = encoder.encode([text for texts in examples.values() for text in texts])
    owners = np.repeat(np.arange(len(labels)), [len(texts) for texts in examples.values()])
    log.debug("train head of %d labels on %d examples", len(labels), len(owners))
    model = LogisticRegression(C=_REGULARISATION, class_weight="balanced", max_iter=1000)
    model.fit(vectors, owners)
    weights, bias = model.coef_, model.intercept_
    if len(labels) == 2:  # one row for the second label; the first one's is zero
        weights = np.concatenate([np.zeros_like(weights), weights])
        bias = np.concatenate([np.zeros_like(bias), bias])
    weights = np.ascontiguousarray(weights, dtype=np.float32)  # scikit-learn's is transposed,
    bias = np.ascontiguousarray(bias, dtype=np.float32)  # which safetensors does not notice
    return Head(labels, weights, bias, vectors, owners.astype(np.int64))


def load_head(path: Path) -> Head | None:
    """Return the head in the file, `None` if there is none or it cannot be used."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                return None
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _checked(Head(labels=tuple(json.loads(metadata["labels"])), **arrays))
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        log.warning("ignore the head in %s, which cannot be read: %s", path, error)
        return None


def save_head(head: Head, path: Path) -> None:
    """Write the head so that a reader sees all of it or nothing."""
    from safetensors.numpy import save

    arrays = {name: getattr(head, name) for name in ("weights", "bias", "examples", "owners")}
    data = save(arrays, metadata={"format": _FORMAT, "labels": json.dumps(head.labels)})
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            temporary = Path(file.name)
            file.write(data)
        os.replace(temporary, path)
    except OSError as error:
        log.warning("keep no head in %s: %s", path.parent, error)
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _name(encoder: Encoder, examples: Mapping[str, Sequence[str]]) -> str:
    shape = json.dumps([[label, list(texts)] for label, texts in examples.items()])
    return digest(_FORMAT, encoder.identity, shape, length=32)


def _checked(head: Head) -> Head:
    """Return the head; raises `ValueError` if its parts do not fit each other."""
    labels, dim = head.weights.shape
    fits = (
        len(head.labels) == labels >= 2
        and head.bias.shape == (labels,)
        and head.examples.shape[1:] == (dim,)
        and head.owners.shape == head.examples.shape[:1]
        and len(head.owners) >= labels
    )
    if not fits:
        raise ValueError("its parts do not fit each other")
    return head
