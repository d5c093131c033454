"""Head, classifier and operation, with a tiny transformer."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbot.errors import ChatbotError, FlowError, OperationError, OutdatedError
from chatbot.inference import head as heads
from chatbot.inference.classifier import NOTHING, Classifier
from chatbot.inference.encoder import Encoder
from chatbot.inference.head import Head, Settings, load_head
from chatbot.inference.learned import Remembering
from chatbot.inference.training import chosen, machine, spoken, tabled, train, trained
from chatbot.learning import Lesson
from chatbot.urgency import is_bulk
from operations.classify import ClassifierThread, ClassifyConfig, ClassifyText, check_config
from tests.servers.tiny import tiny_model

os.environ.setdefault("HF_HUB_OFFLINE", "1")

FLOWS = Path(__file__).parents[2] / "flows"
WORDS = [
    *("hi", "hello", "hey", "thanks", "thank", "you", "bye"),
    *("how", "do", "i", "install", "this", "it", "cat", "sat", "mat", "on", "the", "a"),
]
EXAMPLES = {
    "greeting": ["hi", "hello", "hey hello"],
    "thanks": ["thanks", "thank you", "thanks a mat"],
    "install": ["how do i install this", "how do i install it"],
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a transformer of two layers that knows twenty words."""
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny", WORDS)


@pytest.fixture
def encoder(tiny: Path) -> Encoder:
    return Encoder.load(str(tiny))


@pytest.fixture
def config(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ClassifyConfig]:
    """Make a configuration with the tiny model; heads are kept in the test's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "labels.yaml"
    lines = [f"{label}: {texts!r}\n" for label, texts in EXAMPLES.items()]
    path.write_text("".join(lines))
    return lambda **more: ClassifyConfig(examples=path, encoder=str(tiny), **more)


def test_the_operation_is_imported_without_a_model() -> None:
    code = (
        "import sys, operations.classify, operations.text, operations.answer;"
        "sys.exit(str({'torch', 'transformers', 'sklearn', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.stderr.decode().strip().endswith("set()")


def test_examples_are_recognised(encoder: Encoder) -> None:
    classifier = Classifier(encoder, train(encoder, EXAMPLES), threshold=0.3)
    assert classifier.labels == tuple(EXAMPLES)
    for label, texts in EXAMPLES.items():
        for found in classifier.predict(texts):
            assert found.label == label
            assert found.sure
            assert 0.3 <= found.score <= 1


def test_a_score_below_the_threshold_is_not_sure(encoder: Encoder) -> None:
    head = train(encoder, EXAMPLES)
    [found] = Classifier(encoder, head, threshold=1.0).predict(["hi"])
    assert (found.label, found.sure) == ("greeting", False)


def test_what_is_like_no_example_is_not_sure(encoder: Encoder) -> None:
    head = train(encoder, EXAMPLES)
    classifier = Classifier(encoder, head, threshold=0.0, likeness=0.999)
    [same, other] = classifier.predict(["hi", "the cat sat on the mat"])
    assert same.sure
    assert not other.sure


def test_an_empty_text_has_no_label(encoder: Encoder) -> None:
    classifier = Classifier(encoder, train(encoder, EXAMPLES))
    [empty, blank, word] = classifier.predict(["", "  \n", "hi"])
    assert empty == blank == NOTHING
    assert word.label == "greeting"


def test_two_labels_have_probabilities_that_add_up(encoder: Encoder) -> None:
    import numpy as np

    two = {label: EXAMPLES[label] for label in ("greeting", "install")}
    head = train(encoder, two)
    texts = [*two["greeting"], *two["install"]]
    scores = head.judge(encoder.features(texts), texts).probabilities
    assert np.allclose(scores.sum(axis=1), 1)
    assert scores.argmax(axis=1).tolist() == [0, 0, 0, 1, 1]


def test_a_kept_head_predicts_what_the_trained_one_did(encoder: Encoder, tmp_path: Path) -> None:
    texts = [text for texts in EXAMPLES.values() for text in texts] + ["the cat sat"]
    first = Classifier(encoder, trained(encoder, EXAMPLES, tmp_path)).predict(texts)
    [path] = tmp_path.iterdir()
    head = load_head(path)
    assert head is not None
    assert Classifier(encoder, head).predict(texts) == first
    trained(encoder, {**EXAMPLES, "bye": ["bye"]}, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_head_travels_as_bytes_with_its_revision(encoder: Encoder) -> None:
    head = train(encoder, EXAMPLES)
    again = Head.loads(head.dumps())
    assert again.revision == head.revision != ""
    texts = ["hi", "how do i install it", "mat"]
    first = Classifier(encoder, head).predict(texts)
    assert Classifier(encoder, again).predict(texts) == first
    assert first[0].revision == head.revision
    assert sum(first[0].scores.values()) == pytest.approx(1)
    assert first[0].scores[first[0].label] == first[0].score
    more = train(encoder, {**EXAMPLES, "bye": ["bye"]})
    assert more.revision != head.revision
    with pytest.raises(OperationError, match="cannot be read"):
        Head.loads(head.dumps()[:-10])


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 4096, None])
def test_a_corrupt_head_is_trained_again(
    encoder: Encoder, tmp_path: Path, content: bytes | None
) -> None:
    trained(encoder, EXAMPLES, tmp_path)
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    assert load_head(path) is None
    trained(encoder, EXAMPLES, tmp_path)
    assert load_head(path) is not None


def test_a_head_of_other_shape_is_not_used(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "head.safetensors"
    head = train(encoder, EXAMPLES)
    heads.save_head(head, path)
    newer = head.dumps()
    with monkeypatch.context() as older:
        older.setattr(heads, "FORMAT", "chatbot head 0")
        assert load_head(path) is None
        with pytest.raises(OperationError) as caught:
            Head.loads(newer)
        assert not isinstance(caught.value, OutdatedError)
        left = head.dumps()
    with pytest.raises(OutdatedError, match="an older version of the program"):
        Head.loads(left)
    import dataclasses

    heads.save_head(dataclasses.replace(head, labels=("one",)), path)
    assert load_head(path) is None


def test_a_folder_that_cannot_be_written_to_costs_only_time(
    encoder: Encoder, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert trained(encoder, EXAMPLES, tmp_path / "file").labels == tuple(EXAMPLES)


async def test_a_batch_is_answered_in_order_and_what_is_wrong_alone_fails(
    config: Callable[..., ClassifyConfig],
) -> None:
    batch: list[dict[str, Any]] = [{"text": "hi"}, {}, {"text": ""}, {"text": "thank you"}]
    async with (
        asyncio.timeout(60),
        ClassifyText.imp(config(threshold=0.3)) as imp,
        imp(None, None) as context,
    ):
        [greeting, wrong, empty, thanks] = await context.run_batch(batch)
        alone = await context.run({"text": "hi"})
        assert await context.run_batch([]) == []
    assert greeting["label"] == alone["label"] == "greeting"
    assert greeting["score"] == pytest.approx(alone["score"], abs=1e-4)
    assert greeting["sure"] is True
    assert isinstance(wrong, TypeError)
    assert empty == {"label": "", "score": 0.0, "sure": False, "revision": alone["revision"]}
    assert thanks["label"] == "thanks"


async def test_the_event_loop_is_free_while_the_model_loads(
    config: Callable[..., ClassifyConfig],
) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        counting = group.create_task(count())
        async with ClassifyText.imp(config()):
            counting.cancel()
    assert turns > 100


async def test_leaving_ends_the_thread(config: Callable[..., ClassifyConfig]) -> None:
    async with asyncio.timeout(60), ClassifyText.imp(config()):
        [thread] = [t for t in threading.enumerate() if t.name.startswith("classifier")]
    await asyncio.to_thread(thread.join, 30)
    assert not thread.is_alive()


async def test_a_wrong_examples_file_is_told_at_entry(
    config: Callable[..., ClassifyConfig], tmp_path: Path
) -> None:
    (tmp_path / "labels.yaml").write_text("one: [hi]\n")
    with pytest.raises(FlowError):
        async with ClassifyText.imp(config()):
            raise AssertionError("entered")
    [(path, message, _, (file, line, column))] = check_config(config())
    assert (path, message) == (("examples",), "has fewer than two labels")
    assert (file, line, column) == (str(tmp_path / "labels.yaml"), 1, 1)


def test_a_threshold_is_a_probability(config: Callable[..., ClassifyConfig]) -> None:
    [(path, _, _)] = check_config(config(threshold=50))
    assert path == ("threshold",)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ChatbotError, match="extra 'nlp'") as caught:
        Encoder.load()
    assert "chatbot[nlp]" in caught.value.hint


def test_labels_names_are_examples_where_that_helps_what_is_held_back(encoder: Encoder) -> None:
    assert spoken("cardArrival") == spoken("card_arrival") == "card arrival"
    table = tabled(encoder, {"hi": ["hi", "hi hi"], "thank you": ["thank you", "you thank"]})
    assert table.texts[table.count :] == ["hi", "thank you"]
    assert chosen(table).names in (True, False)
    head, held_back = machine(table, Settings(names=True))
    assert (len(head.examples), len(held_back)) == (6, 4)
    head, held_back = machine(table, Settings(names=False))
    assert (len(head.examples), len(held_back)) == (4, 4)


def test_letters_count_where_the_model_sees_no_difference(encoder: Encoder) -> None:
    """The tiny model knows none of these words: to it they are all alike."""
    spam = [f"win ca$h {number} w1n" for number in "abcdefghijkl"]
    ham = [f"lunch at {number} ok" for number in "abcdefghijkl"]
    head = train(encoder, {"spam": spam, "ham": ham})
    assert head.settings.letters > 0
    again = Head.loads(head.dumps())
    found = Classifier(encoder, again).predict(["win ca$h now", "lunch now"])
    assert [each.label for each in found] == ["spam", "ham"]
    assert found == Classifier(encoder, head).predict(["win ca$h now", "lunch now"])


def test_a_text_may_have_several_labels(encoder: Encoder) -> None:
    examples = {
        "greeting": ["hi", "hello", "hey", "hello thanks", "hi thank you", "hey thanks"],
        "thanks": ["thanks", "thank you", "thanks thanks", "hello thanks", "hi thank you"],
        "other": ["cat sat", "the mat", "cat on the mat", "sat on a mat"],
    }
    classifier = Classifier(encoder, train(encoder, examples, several=True))
    both, one = classifier.predict(["hello thanks", "the mat"])
    assert set(both.labels) == {"greeting", "thanks"}
    assert one.labels == ("other",)
    assert sum(both.scores.values()) > 1.2
    [neither] = classifier.predict(["zzz"])
    assert neither.labels == () or neither.sure


async def test_a_flow_gets_more_than_a_label_only_if_it_asks(
    config: Callable[..., ClassifyConfig],
) -> None:
    async with (
        asyncio.timeout(60),
        ClassifyText.imp(config(several=True, scores=True)) as imp,
        imp(None, None) as context,
    ):
        found = await context.run({"text": "hi"})
    assert found["scores"].keys() == EXAMPLES.keys()
    assert isinstance(found["labels"], list)


def test_a_threshold_of_ones_own_and_the_found_one_both_hold(encoder: Encoder) -> None:
    head = train(encoder, EXAMPLES)
    [found] = Classifier(encoder, head).predict(["hi"])
    assert found.sure
    assert not Classifier(encoder, replace(head, accepted=99.0)).predict(["hi"])[0].sure
    assert not Classifier(encoder, head, threshold=1.0).predict(["hi"])[0].sure


def test_a_head_for_other_vectors_is_refused(encoder: Encoder) -> None:
    head = train(encoder, EXAMPLES)
    other = replace(head, examples=head.examples[:, :7])
    with pytest.raises(OperationError, match="vectors of 7"):
        Classifier(encoder, other)


async def test_what_is_encoded_to_learn_waits_behind_what_people_wait_for(
    config: Callable[..., ClassifyConfig],
) -> None:
    seen = []

    class Watched(Remembering):
        def features(self, texts: Sequence[str]) -> Any:
            seen.append(is_bulk())
            return super().features(texts)

    thread = ClassifierThread(config())
    try:
        await thread.load()
        thread._studying = Watched(thread._given_ones.encoder.encoder)
        revision, _ = await thread.study([Lesson("the cat sat", "greeting")])
        assert revision != thread.revision
        assert seen
        assert all(seen)
        assert not is_bulk()
    finally:
        thread.close()


def test_a_text_is_familiar_by_all_of_its_features() -> None:
    examples = np.eye(4, 12, dtype=np.float32) + np.eye(4, 12, 8, dtype=np.float32)
    examples *= np.float32(0.5**0.5)
    head = Head(
        labels=("one", "other"),
        examples=examples,
        targets=np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.uint8),
        alphas=np.zeros((4, 2), dtype=np.float32),
        bias=np.zeros(2, dtype=np.float32),
        floors=np.full(2, 0.5, dtype=np.float32),
        settings=Settings(),
    )
    other_peaks = examples[:1].copy()
    other_peaks[0, 8:] = other_peaks[0, [9, 11, 8, 10]]
    known, changed = head.judge(np.concatenate([examples[:1], other_peaks]), ["", ""]).familiarity
    assert known > changed
