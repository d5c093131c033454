"""Probabilities and thresholds from held-back scores."""

from __future__ import annotations

import numpy as np
import pytest

from chatbot.inference.calibration import (
    evened,
    expected_error,
    lowest,
    reliability,
    shift_of,
    softmax,
    stretched,
    temperature_of,
)


def test_the_temperature_found_is_that_of_the_scores() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4000, 4))
    likely = softmax(scores, 0.4)
    owners = np.array([rng.choice(4, p=row) for row in likely])
    assert temperature_of(scores, owners) == pytest.approx(0.4, rel=0.15)


@pytest.mark.parametrize("offset", [-0.7, 0.0, 0.4])
def test_the_line_found_is_the_likeliest(offset: float) -> None:
    rng = np.random.default_rng(0)
    margins = rng.normal(size=4000)
    owners = (rng.uniform(size=4000) < 1 / (1 + np.exp(-margins / 0.4))).astype(int)
    scores = np.stack([-margins / 2, margins / 2 - offset], axis=1)
    assert shift_of(scores, owners) == pytest.approx(offset, abs=0.05)


def test_no_line_is_looked_for_between_more_than_two_or_among_few() -> None:
    assert shift_of(np.zeros((300, 3)), np.arange(300) % 3) == 0.0
    assert shift_of(np.full((40, 2), [0.2, -0.2]), np.ones(40, dtype=int)) == 0.0


def test_labels_that_cannot_be_told_apart_have_no_line() -> None:
    owners = np.arange(400) % 2
    backwards = np.stack([owners, 1 - owners], axis=1).astype(float)
    assert shift_of(backwards, owners) == 0.0


def test_evened_scores_are_spread_alike_and_say_the_same() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(200, 5)) * rng.uniform(0.01, 1.0, size=(200, 1)) - 0.9
    likely = softmax(scores, 0.3)
    assert np.allclose(softmax(evened(scores, 0.0), 0.3), likely)
    for share in (0.5, 1.0):
        assert (evened(scores, share).argmax(axis=1) == scores.argmax(axis=1)).all()
    spread = evened(scores, 1.0).std(axis=1)
    assert np.allclose(spread, spread[0])
    half = evened(scores, 0.5).std(axis=1)
    assert half.max() / half.min() < 0.5 * scores.std(axis=1).max() / scores.std(axis=1).min()
    assert np.isfinite(evened(np.zeros((2, 3)), 1.0)).all()


def test_well_calibrated_confidences_have_no_error_and_boasts_have() -> None:
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.3, 1.0, size=20_000)
    right = rng.uniform(size=20_000) < confidences
    assert expected_error(reliability(confidences, right)) < 0.02
    assert expected_error(reliability(np.full(100, 0.95), np.arange(100) < 50)) == pytest.approx(
        0.45
    )


@pytest.mark.parametrize("count", [1, 7, 150, 200, 1000])
def test_a_threshold_costs_no_more_than_it_may(count: int) -> None:
    values = np.random.default_rng(1).normal(size=count)
    found = lowest(values, 0.005)
    assert (values < found).mean() <= 0.005
    if count != 150:
        assert (values <= found).mean() > 0.005
    else:
        assert values.min() - 4 * values.std() < found <= values.min()


def test_the_limit_of_few_has_the_tail_of_many() -> None:
    chance = np.random.default_rng(0)
    many = -chance.exponential(size=100_000)
    few = 3.0 + 2.0 * -chance.exponential(size=150)
    assert stretched(few, many) == pytest.approx(3.0 + 2.0 * lowest(many), abs=2.0)
    assert stretched(many, many) == pytest.approx(lowest(many))
    assert stretched(few[:1], many) == few[0]


def test_bins_hold_every_prediction() -> None:
    bins = reliability(np.array([0.0, 0.05, 0.55, 1.0]), np.array([0, 1, 1, 1]))
    assert sum(each.count for each in bins) == 4
    assert [each.count for each in bins] == [2, 1, 1]
