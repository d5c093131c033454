"""Figures of predictions, against scikit-learn's and by hand."""

from __future__ import annotations

import random

import pytest

from chatbot.inference.classifier import Prediction
from chatbot.inference.scoring import Answer, interval, plain, scored, worst


def _answer(truth: str, said: str, score: float = 0.9, sure: bool = True) -> Answer:
    prediction = Prediction(said, score, sure, {}, "", (said,) if sure else ())
    return Answer(f"{truth} {said}", (truth,) if truth else (), prediction)


def test_figures_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score, precision_score

    chance = random.Random(1)
    pairs = [(chance.choice("abc"), chance.choice("abcd")) for _ in range(200)]
    truth, said = zip(*pairs, strict=True)
    found = scored([_answer(*pair) for pair in pairs])
    assert found.accuracy == pytest.approx(accuracy_score(truth, said))
    assert found.macro_f1 == pytest.approx(f1_score(truth, said, average="macro"))
    assert found.micro_f1 == pytest.approx(f1_score(truth, said, average="micro"))
    assert found.labels["b"].precision == pytest.approx(
        precision_score(truth, said, labels=["b"], average="macro")
    )
    assert sum(sum(row.values()) for row in found.confusion.values()) == 200


def test_texts_out_of_scope_count_as_rejected_or_not() -> None:
    answers = [
        _answer("a", "a"),
        _answer("a", "a", sure=False),
        _answer("", "a", sure=False),
        _answer("", "a", 0.99),
    ]
    found = scored(answers)
    assert (found.count, found.outside) == (2, 2)
    assert (found.accuracy, found.answered) == (1.0, 0.5)
    assert (found.rejected, found.precision) == (0.5, 0.5)
    assert [each.prediction.score for each in worst(answers, 5)] == [0.99]
    assert plain(found)["rejected"] == 0.5


def test_several_labels_are_right_only_together() -> None:
    def answer(truth: tuple[str, ...], said: tuple[str, ...]) -> Answer:
        return Answer("", truth, Prediction(said[0], 0.9, True, {}, "", said), several=True)

    found = scored([answer(("a", "b"), ("b", "a")), answer(("a", "b"), ("a",))])
    assert found.accuracy == 0.5
    assert found.micro_f1 == pytest.approx(6 / 7)
    assert found.labels["b"].recall == 0.5
    assert found.confusion == {}


def test_the_worst_mistakes_are_the_most_confident() -> None:
    answers = [_answer("a", "b", score) for score in (0.2, 0.8, 0.5)] + [_answer("a", "a", 1.0)]
    assert [each.prediction.score for each in worst(answers, 2)] == [0.8, 0.5]


def test_an_interval_holds_the_share_and_narrows() -> None:
    low, high = interval(90, 100)
    assert low == pytest.approx(0.8256, abs=1e-3)
    assert high == pytest.approx(0.9448, abs=1e-3)
    wider = interval(9, 10)
    assert wider[0] < low < 0.9 < high < wider[1]
    assert interval(10, 10)[1] == 1.0
