"""How right predictions are: figures, and where they are worst."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatbot.inference.calibration import Bin, expected_error, reliability
from chatbot.inference.classifier import Prediction

_Z = 1.96
"""Of an interval that holds the truth 95 times in 100."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A text, the labels that it has (none: it is out of scope), and what was predicted."""

    text: str
    truth: tuple[str, ...]
    prediction: Prediction
    several: bool = False

    @property
    def said(self) -> tuple[str, ...]:
        """The labels that were predicted, sure or not."""
        return self.prediction.labels if self.several else (self.prediction.label,)

    @property
    def right(self) -> bool:
        """Whether exactly its labels were predicted."""
        return set(self.said) == set(self.truth)


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Of one label: how many texts have it, and how right the predictions of it are (0 to 1)."""

    count: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures of answers, 0 to 1; `interval` is that of the accuracy, 95 %.

    All but the last three count sure and unsure predictions alike, of texts in scope.
    `answered` is the share of texts in scope that are right and sure; `precision` the share of
    sure predictions that are right, those of texts out of scope among them; `rejected` the share
    of texts out of scope that are not sure (`None`: there are none).
    """

    count: int
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    micro_f1: float
    labels: dict[str, LabelScores]
    confusion: dict[str, dict[str, int]]
    calibration_error: float
    reliability: list[Bin]
    outside: int
    answered: float
    precision: float | None
    rejected: float | None


def scored(answers: Sequence[Answer]) -> Scores:
    """Return the figures of some answers, one in scope at least."""
    import numpy as np

    inside = [each for each in answers if each.truth]
    outside = [each for each in answers if not each.truth]
    right = np.array([each.right for each in inside], dtype=bool)
    confidences = np.array([each.prediction.score for each in inside])
    likeliest = np.array([each.prediction.label in each.truth for each in inside], dtype=bool)
    bins = reliability(confidences, likeliest)
    sure = [each for each in answers if each.prediction.sure]
    labels, macro, micro = _of_labels(inside)
    return Scores(
        count=len(inside),
        accuracy=float(right.mean()),
        interval=interval(int(right.sum()), len(inside)),
        macro_f1=macro,
        micro_f1=micro,
        labels=labels,
        confusion=_confusion(inside),
        calibration_error=expected_error(bins),
        reliability=bins,
        outside=len(outside),
        answered=sum(each.right and each.prediction.sure for each in inside) / len(inside),
        precision=sum(each.right for each in sure) / len(sure) if sure else None,
        rejected=sum(not each.prediction.sure for each in outside) / len(outside)
        if outside
        else None,
    )


def worst(answers: Sequence[Answer], most: int) -> list[Answer]:
    """Return the wrong answers, those first that were given with the most confidence."""
    wrong = [each for each in answers if (not each.right if each.truth else each.prediction.sure)]
    return sorted(wrong, key=lambda each: -each.prediction.score)[:most]


def interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (E. B. Wilson, 1927)."""
    share, square = right / count, _Z**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / count + square / 4 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _of_labels(answers: Sequence[Answer]) -> tuple[dict[str, LabelScores], float, float]:
    """Return the scores of each label, their mean F1, and the F1 of all labels together."""
    had: Counter[str] = Counter(label for each in answers for label in each.truth)
    said: Counter[str] = Counter(label for each in answers for label in each.said if label)
    both: Counter[str] = Counter(
        label for each in answers for label in each.said if label in each.truth
    )
    labels = {}
    for label in sorted(had | said):
        precision = both[label] / said[label] if said[label] else 0.0
        recall = both[label] / had[label] if had[label] else 0.0
        f1 = 2 * both[label] / (said[label] + had[label])
        labels[label] = LabelScores(had[label], precision, recall, f1)
    macro = sum(each.f1 for each in labels.values()) / len(labels)
    return labels, macro, 2 * both.total() / (said.total() + had.total())


def _confusion(answers: Sequence[Answer]) -> dict[str, dict[str, int]]:
    """Return how often each label was taken for each other; empty where a text has several."""
    found: dict[str, Counter[str]] = {}
    for each in answers:
        if each.several:
            return {}
        found.setdefault(each.truth[0], Counter())[each.prediction.label] += 1
    return {label: dict(said) for label, said in sorted(found.items())}


def plain(scores: Scores) -> dict[str, Any]:
    """Return the figures for programs."""
    import msgspec

    return dict(msgspec.to_builtins(scores))
