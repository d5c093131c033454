"""Kernel ridge regression against what it is short for."""

from __future__ import annotations

import numpy as np
import pytest

from chatbot.inference.ridge import gaussian_of, solve


def _problem(size: int = 14, labels: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(size, 5))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    targets = np.where(np.eye(labels)[rng.integers(labels, size=size)] > 0, 1.0, -1.0)
    return points, targets, rng.uniform(0.5, 2.0, size=size)


def test_held_back_predictions_are_those_of_training_without_the_example() -> None:
    points, targets, weights = _problem()
    kernel = gaussian_of(points @ points.T, 1.0)
    held_back = solve(kernel, targets, weights, 0.3).held_back
    for row in range(len(points)):
        rest = np.arange(len(points)) != row
        without = solve(kernel[np.ix_(rest, rest)], targets[rest], weights[rest], 0.3)
        alone = kernel[row, rest] @ without.alphas + without.bias
        assert np.allclose(held_back[row], alone, atol=1e-8)


def test_the_fit_solves_its_equations() -> None:
    points, targets, weights = _problem()
    kernel = gaussian_of(points @ points.T, 0.5)
    found = solve(kernel, targets, weights, 0.2)
    residual = targets - kernel @ found.alphas - found.bias
    assert np.allclose(residual, 0.2 * found.alphas / weights[:, None])
    assert np.allclose(found.alphas.sum(axis=0), 0)


def test_a_gaussian_is_of_the_distance() -> None:
    points, _, _ = _problem()
    kernel = gaussian_of(points @ points[:4].T, 0.7)
    distance = np.linalg.norm(points[:, None] - points[None, :4], axis=2)
    assert np.allclose(kernel, np.exp(-0.7 * distance**2))
    assert kernel[2, 2] == pytest.approx(1.0)
