"""Probabilities and thresholds from held-back scores."""

from __future__ import annotations

import numpy as np
import pytest

from chatbot.inference.calibration import (
    expected_error,
    lowest,
    reliability,
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
