"""What quick training chooses of held-back scores."""

from __future__ import annotations

import numpy as np
import pytest

from chatbot.inference.training import _shift


def _scores(margins: list[float]) -> np.ndarray:
    """Return scores of two labels that are so far apart."""
    second = np.array(margins) / 2
    return np.stack([-second, second], axis=1)


def test_scores_that_are_far_apart_ask_for_no_shift() -> None:
    owners = np.array([0] * 280 + [1] * 40)
    margins = [-1.8] * 280 + [1.8] * 39 + [-1.8]
    assert _shift(_scores(margins), owners) == 0.0
    margins[0] = 0.3  # one that is wrong, and would be right: it is not worth a shift
    assert _shift(_scores(margins), owners) == 0.0


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_scores_that_all_lie_to_one_side_are_shifted_as_little_as_does_it(side: float) -> None:
    owners = np.array([0] * 200 + [1] * 60)
    margins = [-0.7 - 0.3 * side] * 200 + [0.7 - 0.3 * side] * 60
    assert _shift(_scores(margins), owners) == 0.0
    margins = [-0.2 - 0.3 * side] * 200 + [0.2 - 0.3 * side] * 60
    shift = _shift(_scores(margins), owners)
    assert 0.1 <= shift * side <= 0.3


def test_few_or_more_labels_are_not_shifted() -> None:
    owners = np.array([0, 1] * 20)
    assert _shift(_scores([-0.9, -0.1] * 20), owners) == 0.0
    assert _shift(np.zeros((300, 3)), np.zeros(300, dtype=int)) == 0.0
