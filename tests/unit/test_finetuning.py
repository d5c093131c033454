"""The encoder's own training, with a tiny model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from chatbot.errors import OperationError
from chatbot.inference.encoder import Encoder
from chatbot.inference.finetuning import POOLING, Recipe, Tunable, contrast, likelihood, means
from tests.unit.test_classifier import EXAMPLES, tiny

__all__ = ["tiny"]

TEXTS = [text for texts in EXAMPLES.values() for text in texts]
OWNERS = [number for number, texts in enumerate(EXAMPLES.values()) for _ in texts]


def _encoded(tunable: Tunable, folder: Path) -> np.ndarray:
    tunable.save(folder)
    return Encoder.load(str(folder)).features(TEXTS)


def _mixed_up(vectors: np.ndarray) -> float:
    """Return how much texts of one label lie among others."""
    import torch

    return float(contrast(torch.tensor(vectors), torch.tensor(OWNERS), 0.1))


def test_training_brings_texts_of_one_label_together(tiny: Path, tmp_path: Path) -> None:
    tunable = Tunable(str(tiny))
    seen: list[float] = []
    seconds = tunable.tune(TEXTS, OWNERS, Recipe(epochs=40, size=8, rate=1e-3), seen.append)
    assert seconds > 0
    assert seen == sorted(seen)
    assert tunable.share == 1.0
    assert seen[-1] == 1.0
    before = Encoder.load(str(tiny)).features(TEXTS)
    after = _encoded(tunable, tmp_path / "after")
    assert np.allclose(tunable.features(TEXTS), after, atol=1e-5)
    assert _mixed_up(after) < 0.95 * _mixed_up(before)
    tunable.blend(0.0)
    assert np.allclose(_encoded(tunable, tmp_path / "none"), before, atol=1e-5)
    tunable.blend(0.5)
    half = _encoded(tunable, tmp_path / "half")
    assert not np.allclose(half, before, atol=1e-3)
    assert not np.allclose(half, after, atol=1e-3)


def test_training_ends_in_time_and_is_the_same_each_time(tiny: Path, tmp_path: Path) -> None:
    tunable = Tunable(str(tiny))
    seen: list[float] = []
    tunable.tune(TEXTS, OWNERS, Recipe(epochs=1e6, most=80_000, size=8, seconds=0.5), seen.append)
    assert len(seen) < 10_000
    assert seen[-1] == 1.0
    assert tunable.share == pytest.approx(len(seen) / 10_000)
    recipe = Recipe(epochs=3, size=8)
    tunable.tune(TEXTS, OWNERS, recipe)
    first = _encoded(tunable, tmp_path / "first")
    tunable.tune(TEXTS, OWNERS, recipe)
    assert np.allclose(first, _encoded(tunable, tmp_path / "second"), atol=1e-5)


def test_training_begins_at_the_means_that_it_is_given(tiny: Path, tmp_path: Path) -> None:
    tunable, recipe = Tunable(str(tiny)), Recipe(epochs=10, size=8, rate=1e-3)
    tunable.tune(TEXTS, OWNERS, recipe)
    found = _encoded(tunable, tmp_path / "found")
    own = means(Encoder.load(str(tiny)).encode(TEXTS), OWNERS)
    assert np.allclose(np.linalg.norm(own, axis=1), 1.0)
    tunable.tune(TEXTS, OWNERS, recipe, starts=own)
    assert np.allclose(found, _encoded(tunable, tmp_path / "given"), atol=1e-5)
    tunable.tune(TEXTS, OWNERS, recipe, starts=own[::-1].copy())
    assert not np.allclose(found, _encoded(tunable, tmp_path / "others"), atol=1e-3)


def test_the_contrast_is_least_where_labels_lie_apart() -> None:
    import torch

    owners = torch.tensor([0, 0, 1, 1])
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    mixed = apart[[0, 2, 1, 3]]
    assert contrast(apart, owners, 0.1) < 1e-3 < contrast(mixed, owners, 0.1)
    assert contrast(apart[[0, 2]], owners[[0, 2]], 0.1) == 0


def test_a_label_is_likely_where_its_own_vector_is_near() -> None:
    import torch

    labels = torch.eye(2)
    near = likelihood(torch.eye(2), labels, torch.tensor([0, 1]), 0.05, 0.0)
    far = likelihood(torch.eye(2), labels, torch.tensor([1, 0]), 0.05, 0.0)
    assert near < 1e-3
    assert far == pytest.approx(20.0, abs=1e-3)


def test_a_model_that_pools_its_first_word_still_does_so(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    (folder / POOLING).parent.mkdir()
    (folder / POOLING).write_text('{"pooling_mode_cls_token": true}')
    tunable = Tunable(str(folder))
    tunable.tune(TEXTS, OWNERS, Recipe(epochs=3, size=8))
    after = _encoded(tunable, tmp_path / "after")
    assert np.allclose(tunable.features(TEXTS), after, atol=1e-5)


def test_what_is_no_model_cannot_be_trained(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="cannot be trained"):
        Tunable(str(tmp_path))
