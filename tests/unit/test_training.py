"""What quick training chooses of held-back scores."""

from __future__ import annotations

import numpy as np
import pytest

from chatbot.inference.head import unit
from chatbot.inference.tables import Table
from chatbot.inference.training import _shift, chosen, fitted


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


@pytest.mark.parametrize("telling", [False, True])
def test_the_middle_layers_count_where_they_tell_labels_apart(telling: bool) -> None:
    chance = np.random.default_rng(0)
    owners = np.arange(40) % 2
    known = np.where(owners[:, None] == np.arange(8) // 4, 1.0, 0.1) + chance.random((40, 8)) / 4
    sides = [unit(known), unit(chance.normal(size=(40, 8)))]
    vectors = np.concatenate(sides[::-1] if telling else sides, axis=1) * 0.5**0.5
    names = [" ".join(chance.permutation(list("abcdefgh"))) for _ in owners]
    table = Table(("one", "other"), names, vectors, 2.0 * np.eye(2)[owners] - 1.0)
    assert chosen(table).middle is telling
    head = fitted(table)
    turned = np.roll(vectors[:, 8:], 2, axis=0)  # those of others of the same label
    scores = head.scores(np.concatenate([vectors[:, :8], turned], axis=1), names)
    assert (scores.argmax(axis=1) == owners).all()
    assert np.allclose(scores, head.scores(vectors, names)) is not telling
    similar = head.judge(vectors, names).similarities
    assert np.allclose(similar, sides[telling] @ sides[telling].T), "of the sentences alone"
