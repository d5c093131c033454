"""What quick training chooses of held-back scores."""

from __future__ import annotations

import numpy as np
import pytest

from chatbot.inference.head import unit
from chatbot.inference.tables import Table
from chatbot.inference.training import _shift, chosen, fitted, own_losses


def _scores(margins: list[float]) -> np.ndarray:
    """Return scores of two labels that are so far apart."""
    second = np.array(margins) / 2
    return np.stack([-second, second], axis=1)


def test_scores_that_are_far_apart_are_hardly_shifted() -> None:
    owners = np.array([0] * 280 + [1] * 40)
    margins = [-1.8] * 280 + [1.8] * 39 + [-1.8]
    assert abs(_shift(_scores(margins), owners)) < 0.25
    margins[0] = 0.3  # one that is wrong, and would be right: it is not worth a shift
    assert _shift(_scores(margins), owners) > -0.25


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("apart", [0.2, 0.7])
def test_the_line_between_two_labels_is_drawn_in_the_middle(apart: float, side: float) -> None:
    owners = np.array([0] * 200 + [1] * 60)
    margins = [-apart - 0.3 * side] * 200 + [apart - 0.3 * side] * 60
    assert _shift(_scores(margins), owners) == pytest.approx(0.3 * side, abs=0.03)


def test_what_is_chosen_is_not_misled_by_where_the_line_lies() -> None:
    chance = np.random.default_rng(0)
    owners = np.array([0] * 400 + [1] * 100)
    targets = 2.0 * np.eye(2)[owners] - 1.0
    scores = _scores((targets[:, 1] + chance.normal(0.0, 0.8, 500)).tolist())
    to_one_side = scores + np.array([0.0, -0.6])
    here, there = (own_losses(each, targets, several=False) for each in (scores, to_one_side))
    assert here == pytest.approx(there, abs=0.02)
    kept = scores.copy()
    own_losses(scores, targets, several=False)
    assert (scores == kept).all()


def test_few_or_more_labels_are_not_shifted() -> None:
    owners = np.array([0, 1] * 20)
    assert _shift(_scores([-0.9, -0.1] * 20), owners) == 0.0
    assert _shift(np.zeros((300, 3)), np.zeros(300, dtype=int)) == 0.0


@pytest.mark.parametrize("telling", [False, True])
def test_all_of_the_features_count_where_they_tell_labels_apart(telling: bool) -> None:
    chance = np.random.default_rng(0)
    owners = np.arange(40) % 2
    known = np.where(owners[:, None] == np.arange(8) // 4, 1.0, 0.1) + chance.random((40, 8)) / 4
    sides = [unit(known), unit(chance.normal(size=(40, 8)))]
    last, rest = sides[::-1] if telling else sides
    vectors = np.concatenate([last / 2, rest / 2, rest / 2**0.5], axis=1)
    names = [" ".join(chance.permutation(list("abcdefgh"))) for _ in owners]
    table = Table(("one", "other"), names, vectors, 2.0 * np.eye(2)[owners] - 1.0)
    assert chosen(table).whole is telling
    head = fitted(table)
    turned = np.roll(vectors[:, 8:], 2, axis=0)  # those of others of the same label
    scores = head.scores(np.concatenate([vectors[:, :8], turned], axis=1), names)
    assert (scores.argmax(axis=1) == owners).all()
    assert np.allclose(scores, head.scores(vectors, names)) is not telling
    similar = head.judge(vectors, names).similarities
    assert np.allclose(similar, last @ last.T), "of the sentences alone"
