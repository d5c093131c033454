"""What thorough training leaves behind, and taking it up or not."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from chatbot import settings
from chatbot.errors import OperationError, UsageError
from chatbot.inference.encoder import Encoder
from chatbot.inference.finetuning import Recipe
from chatbot.inference.head import Head
from chatbot.inference.loading import fingerprint, understanding
from chatbot.inference.revisions import About, Kept, Revisions, key, now
from chatbot.inference.thorough import silent, thorough
from chatbot.inference.training import train
from chatbot.learning import Lesson, corpus
from operations.classify import ClassifierThread, ClassifyConfig
from tests.unit.test_classifier import EXAMPLES, tiny

__all__ = ["tiny"]

MORE = {label: [*texts, *(f"{text} it" for text in texts)] for label, texts in EXAMPLES.items()}


def _kept(
    tiny: Path, tmp_path: Path, examples: dict[str, list[str]], blend: float | None = None
) -> Kept:
    """Train and keep; with a `blend`, as if the encoder had gone so far."""
    made = thorough(str(tiny), examples, tmp_path / "work", silent, recipe=Recipe(epochs=3, size=8))
    about = About(
        revision=made.head.revision,
        of=fingerprint(examples),
        at=now(),
        encoder=str(tiny),
        examples=sum(map(len, examples.values())),
        labels=len(examples),
        held=made.held,
        estimate=made.right / made.held,
        low=0.0,
        high=1.0,
        estimate_before=made.before / made.held,
        blend=made.blend if blend is None else blend,
        seconds=made.seconds,
    )
    store = Revisions(tmp_path / "models", key(str(tiny), examples))

    def save(folder: Path) -> None:
        (tmp_path / "work").rename(folder)

    return store.keep(about, made.head, save)


def test_what_is_kept_is_found_and_answers_as_it_did(tiny: Path, tmp_path: Path) -> None:
    kept = _kept(tiny, tmp_path, MORE)
    where = {"several": False, "models": tmp_path / "models", "heads": tmp_path / "heads"}
    encoder, head = understanding(MORE, str(tiny), **where)
    assert head.revision == kept.about.revision
    assert 3 * encoder.dim == head.dim
    quick, plain = understanding(MORE, str(tiny), quick=True, **where)
    assert plain.revision != head.revision
    assert quick.identity == Encoder.load(str(tiny)).identity


def test_more_examples_are_learned_on_the_tuned_encoder_with_its_limits(
    tiny: Path, tmp_path: Path
) -> None:
    kept = _kept(tiny, tmp_path, MORE, blend=1.0)
    more = {label: [*texts, f"a {label}"] for label, texts in MORE.items()}
    where = {"several": False, "models": tmp_path / "models", "heads": tmp_path / "heads"}
    encoder, head = understanding(more, str(tiny), **where)
    _, before = understanding(MORE, str(tiny), **where)
    assert encoder.identity == Encoder.load(str(kept.encoder)).identity
    assert head.revision != before.revision
    assert (head.accepted, head.temperature) == (before.accepted, before.temperature)
    other = {**more, "other": ["cat"]}
    encoder, _ = understanding(other, str(tiny), **where)
    assert encoder.identity == Encoder.load(str(tiny)).identity


def test_where_the_encoder_stayed_as_it_was_more_examples_have_limits_of_their_own(
    tiny: Path, tmp_path: Path
) -> None:
    _kept(tiny, tmp_path, MORE, blend=0.0)
    more = {label: [*texts, f"a {label}"] for label, texts in MORE.items()}
    where = {"several": False, "models": tmp_path / "models", "heads": tmp_path / "heads"}
    _, before = understanding(MORE, str(tiny), **where)
    encoder, head = understanding(more, str(tiny), **where)
    anew = train(encoder, more)
    assert (head.accepted, head.temperature) == (anew.accepted, anew.temperature)
    assert head.accepted != before.accepted


@pytest.mark.parametrize("blend", [0.0, 1.0])
async def test_corrections_have_limits_of_their_own_unless_the_encoder_learned(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blend: float
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    kept = _kept(tiny, tmp_path, MORE, blend=blend)
    settings.models_path().parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "models").rename(settings.models_path())
    place = settings.models_path() / kept.head.relative_to(tmp_path / "models")
    before = Head.loads(place.read_bytes())
    examples = tmp_path / "labels.yaml"
    examples.write_text("".join(f"{label}: {texts!r}\n" for label, texts in MORE.items()))
    lessons = [Lesson("the cat sat", "greeting")]
    thread = ClassifierThread(ClassifyConfig(examples=examples, encoder=str(tiny)))
    try:
        await thread.load()
        assert thread.trained == kept.about.revision
        _, learned = await thread.study(lessons)
        await thread.take(learned)
        runs = thread._loaded.everywhere
    finally:
        thread.close()
    anew = train(runs.encoder, corpus(MORE, lessons))
    before = Head.loads(
        (settings.models_path() / kept.head.relative_to(tmp_path / "models")).read_bytes()
    )
    expected = before if blend else anew
    assert before.accepted != anew.accepted
    assert (runs.head.accepted, runs.head.temperature) == (expected.accepted, expected.temperature)


async def test_what_eight_bit_weights_lose_is_measured_against_the_tuned_encoder(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    kept = _kept(tiny, tmp_path, MORE, blend=1.0)
    _turn(kept.encoder)
    settings.models_path().parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "models").rename(settings.models_path())
    examples = tmp_path / "labels.yaml"
    examples.write_text("".join(f"{label}: {texts!r}\n" for label, texts in MORE.items()))
    config = ClassifyConfig(examples=examples, encoder=str(tiny), backend="onnx-int8")
    thread = ClassifierThread(config)
    try:
        with suppress(OperationError):  # whether it is too much is not the question
            await thread.load()
    finally:
        thread.close()
    [found] = (settings.cache_folder() / "losses").iterdir()
    assert json.loads(found.read_text())["cosine"] > 0.9


def _turn(encoder: Path) -> None:
    """Have an encoder give vectors far from those that it gave."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(encoder)
    last = model.encoder.layer[-1].output.LayerNorm
    last.weight.data[::2] *= -1
    last.bias.data[::2] *= -1
    model.save_pretrained(encoder)


def test_a_revision_can_be_left_and_taken_up_again(tiny: Path, tmp_path: Path) -> None:
    kept = _kept(tiny, tmp_path, MORE)
    store = Revisions(tmp_path / "models", key(str(tiny), MORE))
    assert store.current() == kept
    assert store.use("quick") is None
    assert store.current() is None
    assert [each.about.revision for each in store.all()] == [kept.about.revision]
    assert store.use(kept.about.revision[:6]) == kept
    assert store.current() == kept
    with pytest.raises(UsageError, match="there is no revision 'zz'"):
        store.use("zz")


def test_a_training_that_was_killed_leaves_nothing_that_counts(tiny: Path, tmp_path: Path) -> None:
    kept = _kept(tiny, tmp_path, MORE)
    store = Revisions(tmp_path / "models", key(str(tiny), MORE))
    old, new = (kept.folder.with_name(f".making-{name}") for name in ("old", "new"))
    for folder in (old, new):
        shutil.copytree(kept.folder, folder)
    os.utime(old, (0, 0))
    assert store.all() == [kept]
    store.keep(kept.about, Head.loads(kept.head.read_bytes()), _empty)
    assert [each.about for each in store.all()] == [kept.about]
    assert not old.exists()
    assert new.exists(), "somebody may be working on it"


def _empty(folder: Path) -> None:
    folder.mkdir()


def test_a_training_that_fails_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    kept = _kept(tiny, tmp_path, MORE)
    store = Revisions(tmp_path / "models", key(str(tiny), MORE))
    _, head = understanding(
        MORE, str(tiny), several=False, models=tmp_path / "models", heads=tmp_path / "heads"
    )

    def broken(_: Path) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        store.keep(kept.about, head, broken)
    assert store.all() == [kept]
    assert {path.name for path in kept.folder.parent.iterdir()} == {
        "current",
        kept.about.revision,
    }
