"""What thorough training holds back, and when it takes a tuned encoder, with a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chatbot.inference.encoder import Encoder
from chatbot.inference.finetuning import Recipe
from chatbot.inference.tables import Table, tabled
from chatbot.inference.thorough import _PLAIN, _best, _Candidate, _Judged, _parts, silent, thorough
from chatbot.inference.training import Settings, machine, own_losses, train
from tests.unit.test_classifier import EXAMPLES, tiny

__all__ = ["tiny"]

MORE = {label: [*texts, *(f"{text} it" for text in texts)] for label, texts in EXAMPLES.items()}
TUNED = _Candidate(1.0, Settings())


def _table(tiny: Path) -> Table:
    return tabled(Encoder.load(str(tiny)), MORE)


def test_of_few_examples_each_is_held_back_once_but_one_of_each_label(tiny: Path) -> None:
    table = _table(tiny)
    parts = _parts(table, Recipe())
    rows = np.concatenate(parts)
    assert len(parts) == 5
    assert len(rows) == len(set(rows)) == table.count - len(MORE)
    for part in parts:
        kept = np.setdiff1d(np.arange(table.count), part)
        assert set(table.owners[kept]) == set(range(len(MORE)))


def test_what_is_held_back_is_in_no_order_of_labels(tiny: Path) -> None:
    many = {
        label: [f"{text} {n}" for text in texts for n in range(20)] for label, texts in MORE.items()
    }
    table = tabled(Encoder.load(str(tiny)), many)
    [part] = _parts(table, Recipe(epochs=1, most=len(table.texts)))
    assert set(table.owners[part[: len(part) // 3]]) == set(range(len(many)))


def test_of_many_examples_one_part_is_held_back(tiny: Path) -> None:
    table = _table(tiny)
    most = len(table.texts)
    assert len(_parts(table, Recipe(epochs=1, most=most))) == 1
    assert len(_parts(table, Recipe(epochs=1, most=2 * most))) == 3


def test_of_two_examples_a_label_nothing_is_found(tiny: Path, tmp_path: Path) -> None:
    few = {label: texts[:2] for label, texts in EXAMPLES.items()}
    made = thorough(str(tiny), few, tmp_path, silent)
    quick = train(Encoder.load(str(tiny)), few)
    assert (made.held, made.blend) == (0, 0.0)
    assert np.allclose(made.head.alphas, quick.alphas, atol=1e-5)
    assert made.head.accepted == pytest.approx(quick.accepted, abs=1e-4)


def test_it_is_known_when_there_was_no_time_for_all_steps(tiny: Path, tmp_path: Path) -> None:
    long = Recipe(epochs=1e6, most=80_000, size=8, seconds=0.5)
    made = thorough(str(tiny), MORE, tmp_path / "long", silent, recipe=long)
    assert 0.0 < made.share < 0.5
    made = thorough(str(tiny), MORE, tmp_path / "short", silent, recipe=Recipe(epochs=1, size=8))
    assert made.share == 1.0


def test_only_a_clear_gain_is_taken(tiny: Path) -> None:
    table = _table(tiny)
    head, scores = machine(table, Settings())
    targets = table.targets[: table.count]
    chance = np.random.default_rng(0)

    def judged(noise: float) -> _Judged:
        each = scores + noise * chance.normal(size=scores.shape)
        return _Judged(head, each, np.zeros(len(each)), targets)

    assert _best({_PLAIN: judged(0.0), TUNED: judged(0.0)}) == _PLAIN
    assert _best({_PLAIN: judged(2.0), TUNED: _Judged(head, targets, scores[:, 0], targets)}) == (
        TUNED
    )
    assert _best({}) == _PLAIN


def test_a_gain_that_a_few_examples_make_is_none(tiny: Path) -> None:
    head, _ = machine(_table(tiny), Settings())
    targets = 2.0 * np.eye(len(MORE))[np.arange(400) % len(MORE)] - 1.0
    none = np.zeros(400)

    def judged(wrong: int) -> _Judged:
        scores = targets.copy()
        scores[:wrong] *= -1.0
        return _Judged(head, scores, none, targets)

    assert _best({_PLAIN: judged(6), TUNED: judged(2)}) == _PLAIN
    assert _best({_PLAIN: judged(36), TUNED: judged(12)}) == TUNED


def test_a_kernel_is_not_passed_over_for_being_flat_where_texts_are_far_away(tiny: Path) -> None:
    chance = np.random.default_rng(0)
    head, _ = machine(_table(tiny), Settings())
    owners = np.arange(300) % len(MORE)
    targets = 2.0 * np.eye(len(MORE))[owners] - 1.0
    noise = chance.normal(size=targets.shape)
    uneven = (targets + 0.5 * noise) * chance.uniform(0.005, 1.0, size=(300, 1)) ** 2
    even = targets + 0.6 * noise
    none = np.zeros(300)
    narrow, wide = (_Judged(head, each, none, targets) for each in (uneven, even))
    assert narrow.right() > wide.right()
    as_they_are = [own_losses(each, targets, several=False).mean() for each in (uneven, even)]
    assert as_they_are[0] > as_they_are[1]
    plain = _Judged(head, 2.0 * noise, none, targets)
    assert _best({_PLAIN: plain, TUNED: narrow, _Candidate(0.5, Settings()): wide}) == TUNED
