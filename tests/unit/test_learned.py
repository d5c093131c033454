"""Heads from examples and lessons, by room, with an encoder that counts what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatbot.errors import OperationError
from chatbot.inference.classifier import Classifier
from chatbot.inference.encoder import Encoder
from chatbot.inference.learned import Classifiers, Remembering, study, taken
from chatbot.inference.training import train, trained
from chatbot.learning import Lesson
from tests.servers.lessons import WORDS
from tests.servers.tiny import tiny_model

GIVEN = {
    "thanks": ["thanks", "thank you", "thanks thanks"],
    "bug": ["crash", "broken", "crash error"],
    "install": ["how do i install this", "how do i install it"],
}
SAID = "flux warp flux"


class Counting:
    """The encoder, and what it was asked to encode."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.asked: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def features(self, texts: Sequence[str]) -> Any:
        self.asked.append(list(texts))
        return self.encoder.features(texts)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder.load(str(tiny_model(tmp_path_factory.mktemp("model"), WORDS)))


@pytest.fixture
def counting(encoder: Encoder) -> Counting:
    return Counting(encoder)


def remembering(counting: Counting) -> Remembering:
    stand_in: Any = counting
    return Remembering(stand_in)


def classifiers(counting: Counting, *lessons: Lesson) -> Classifiers:
    _, data = study(remembering(counting), GIVEN, lessons, trained)
    made = taken(data, remembering(counting), Classifier)
    counting.asked.clear()
    return made


def test_what_was_learned_crosses_as_bytes(counting: Counting) -> None:
    lessons = [Lesson(SAID, "install")]
    revision, data = study(remembering(counting), GIVEN, lessons, trained)
    made = taken(data, remembering(counting), Classifier)
    assert made.revision == revision
    [found] = made.predict([SAID], [""])
    assert (found.label, found.revision) == ("install", revision)
    again, _ = study(remembering(counting), GIVEN, lessons, trained)
    assert again == revision, "the same lessons are the same revision"
    without, _ = study(remembering(counting), GIVEN, [], trained)
    assert without != revision


def test_what_was_encoded_once_is_not_encoded_again(counting: Counting, encoder: Encoder) -> None:
    once = remembering(counting)
    study(once, GIVEN, [], trained)
    counting.asked.clear()
    study(once, GIVEN, [Lesson(SAID, "bug")], trained)
    assert [SAID] in counting.asked
    assert sum(map(len, counting.asked)) == 1
    study(once, GIVEN, [], trained)
    counting.asked.clear()
    study(once, GIVEN, [Lesson(SAID, "bug")], trained)
    assert [SAID] in counting.asked, "what is of no use any more is forgotten"


def test_a_head_knows_the_vectors_of_its_examples(counting: Counting, encoder: Encoder) -> None:
    once = remembering(counting)
    once.know(GIVEN, train(encoder, GIVEN))
    counting.asked.clear()
    study(once, GIVEN, [Lesson(SAID, "bug")], trained)
    asked = [text for each in counting.asked for text in each]
    assert [text for text in asked if text not in GIVEN] == [SAID], "and the names of labels"
    other = remembering(counting)
    other.know({**GIVEN, "bug": [*GIVEN["bug"], "zoom"]}, train(encoder, GIVEN))
    turned = remembering(counting)
    turned.know(dict(reversed(GIVEN.items())), train(encoder, GIVEN))
    for mistaken in (other, turned):
        counting.asked.clear()
        study(mistaken, GIVEN, [], trained)
        assert counting.asked, "a head of other examples is of no use"


def test_a_room_has_its_own_and_a_batch_is_encoded_in_one_go(counting: Counting) -> None:
    made = classifiers(counting, Lesson(SAID, "install", "#a"), Lesson(SAID, "bug"))
    texts = [SAID, "thanks", SAID, "", SAID]
    found = made.predict(texts, ["#a", "#a", "#b", "#a", ""])
    assert [each.label for each in found] == ["install", "thanks", "bug", "", "bug"]
    assert len(counting.asked) == 1
    counting.asked.clear()
    assert [p.label for p in made.predict(texts, ["#b"] * 5)] == ["bug", "thanks", "bug", "", "bug"]
    assert len(counting.asked) == 1
    assert made.predict([""], ["#a"])[0].label == ""


def test_a_shadow_sees_the_same_vectors(counting: Counting) -> None:
    runs = classifiers(counting)
    shadow = classifiers(counting, Lesson(SAID, "install"))
    found, beside = runs.beside(shadow, [SAID, "thanks"], ["", ""])
    assert [each.label for each in beside] == ["install", "thanks"]
    assert found[0].label != "install"
    assert found == runs.predict([SAID, "thanks"], ["", ""])


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x80", b"\x81\xa1x\xc4\x01x"])
def test_bytes_that_are_no_heads_are_refused(data: bytes, counting: Counting) -> None:
    with pytest.raises(OperationError):
        taken(data, remembering(counting), Classifier)


def test_nothing_that_people_wrote_is_left_on_disk(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    study(remembering(counting), GIVEN, [Lesson(SAID, "bug")], trained)
    assert list(tmp_path.rglob("*")) == []
