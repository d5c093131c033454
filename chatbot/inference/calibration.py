"""From scores to probabilities and thresholds, on examples that were held back. Pure arithmetic.

The rule that it guards: nothing here is found on what the scores were learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating[Any]]
    Numbers = NDArray[np.integer[Any]]

LOST = 0.005
"""The share of what is right that a threshold may cost, found on held-back examples."""

BINS = 10
_SOME = 100
_MANY = 200
_FARTHEST = 1.0
_TEMPERATURES = tuple(0.02 * 1.25**step for step in range(24))


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of like confidence: how many, their mean confidence, the share that is right."""

    count: int
    confidence: float
    right: float


def softmax(scores: Matrix, temperature: float) -> Any:
    """Return probabilities in the shape of `scores`; each row adds up to 1."""
    import numpy as np

    odds = scores / temperature
    odds -= odds.max(axis=1, keepdims=True)
    np.exp(odds, out=odds)
    odds /= odds.sum(axis=1, keepdims=True)
    return odds


def sigmoid(scores: Matrix, temperature: float) -> Any:
    """Return each score's own probability; 0.5 at zero."""
    import numpy as np

    return 1.0 / (1.0 + np.exp(-np.clip(2.0 * scores / temperature, -60.0, 60.0)))


def losses(probabilities: Matrix, owners: Numbers) -> Any:
    """Return each example's negative log-likelihood of its own label."""
    import numpy as np

    own = probabilities[np.arange(len(owners)), owners]
    return -np.log(np.maximum(own, 1e-9))


def temperature_of(scores: Matrix, owners: Numbers) -> float:
    """Return the temperature at which held-back scores are likeliest.

    Guo and others, "On Calibration of Modern Neural Networks" (2017), by search on a grid. Of
    `n` labels one may be wrong (after Platt, 1999), so that ten examples make nothing certain.
    """
    import numpy as np

    doubt = 1.0 / (len(scores) + 1.0)

    def loss(temperature: float) -> float:
        likely = softmax(scores, temperature)
        anyone = -np.log(np.maximum(likely, 1e-9)).mean()
        return float((1.0 - doubt) * losses(likely, owners).mean() + doubt * anyone)

    return min(_TEMPERATURES, key=loss)


def shift_of(scores: Matrix, owners: Numbers) -> float:
    """Return what to raise the second of two labels' held-back scores by to make them likeliest.

    Platt, "Probabilistic outputs for support vector machines" (1999), has a slope and an
    intercept, of which the slope is `temperature_of`; as there, one may be wrong. Without it, a
    machine that is right but for where it draws the line looks worse than it is. 0 for more labels
    than two, and for fewer than 200 examples.
    """
    import numpy as np

    if scores.shape[1] != 2 or len(scores) < _MANY:
        return 0.0
    from sklearn.linear_model import LogisticRegression

    doubt = 0.5 / (len(scores) + 1.0)
    margins, second = scores[:, 1] - scores[:, 0], owners == 1
    weights = np.repeat([1.0 - doubt, doubt], len(scores))
    fit = LogisticRegression(C=1e6).fit(
        np.tile(margins, 2)[:, None], np.concatenate([second, ~second]), weights
    )
    slope, intercept = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    return min(max(intercept / slope, -_FARTHEST), _FARTHEST) if slope > 0 else 0.0


def evened(scores: Matrix, share: float) -> Any:
    """Return scores of more than two labels whose rows are spread more alike; all, at a share of 1.

    A kernel machine's scores of a text are the flatter the farther it lies from all examples, and
    more so the narrower the kernel: at one temperature for all, one that is right looks unsure.
    """
    import numpy as np

    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = np.log(np.maximum(centred.std(axis=1, keepdims=True), 1e-9))
    return centred * np.exp(share * (spread.mean() - spread))


def temperature_of_each(scores: Matrix, targets: Matrix) -> float:
    """Likewise, where each label is a question of its own; `targets` are -1 or 1."""
    import numpy as np

    doubt = 1.0 / (len(scores) + 1.0)

    def loss(temperature: float) -> float:
        own = np.maximum(sigmoid(scores * targets, temperature), 1e-9)
        other = np.maximum(sigmoid(-scores * targets, temperature), 1e-9)
        return float(-((1.0 - doubt) * np.log(own) + doubt * np.log(other)).mean())

    return min(_TEMPERATURES, key=loss)


def lowest(acceptances: Matrix, lost: float = LOST) -> float:
    """Return the threshold below which at most the share `lost` of `acceptances` lie.

    Of a hundred, but fewer than 1 / `lost`, it is no higher than where the tail of a normal
    distribution begins that is so large. Of fewer yet it is the least one: to be careful.
    """
    if not len(acceptances):
        return 0.0
    ordered = sorted(float(each) for each in acceptances)
    found = ordered[int(lost * len(ordered))]
    if _SOME <= len(ordered) < 1 / lost and ordered[0] < ordered[-1]:
        tail = NormalDist.from_samples(ordered).inv_cdf(lost)
        return min(found, tail)
    return found


def stretched(acceptances: Matrix, like: Matrix, lost: float = LOST) -> float:
    """Return `lowest` for few `acceptances`, whose tail is as long as that of the many `like`.

    Both are measured from the median, by the distance to the lowest tenth: what lies far out is
    seen in few, where there are many; where the middle lies and how wide it is, in few, too.
    """
    import numpy as np

    if len(acceptances) < 2 or len(like) < 2:
        return lowest(acceptances, lost)
    few, many = (
        [float(np.quantile(each, at)) for at in (0.1, 0.5)] for each in (acceptances, like)
    )
    width = (few[1] - few[0]) / max(many[1] - many[0], 1e-6)
    return few[1] - width * (many[1] - lowest(like, lost))


def reliability(confidences: Matrix, right: Any) -> list[Bin]:
    """Return ten equally wide bins of confidence, without the empty ones."""
    import numpy as np

    places = np.minimum((np.asarray(confidences) * BINS).astype(int), BINS - 1)
    bins = []
    for place in range(BINS):
        inside = places == place
        if inside.any():
            count = int(inside.sum())
            bins.append(Bin(count, float(confidences[inside].mean()), float(right[inside].mean())))
    return bins


def expected_error(bins: list[Bin]) -> float:
    """Return the expected calibration error: the bins' mean distance, weighted by their size."""
    total = sum(each.count for each in bins)
    return sum(each.count * abs(each.confidence - each.right) for each in bins) / max(total, 1)
