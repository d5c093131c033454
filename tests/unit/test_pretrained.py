"""Labels by models that others trained: tiny ones, made here."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification, BertModel

from chatbot.errors import OperationError
from chatbot.inference.encoder import Encoder
from chatbot.inference.registry import from_mlflow, local
from chatbot.inference.sequences import SequenceModel
from chatbot.inference.threads import own
from chatbot.urgency import bulk, is_bulk
from operations.model_thread import ModelThread
from operations.pretrained import ClassifyWithModel, PretrainedConfig
from operations.pretrained import check_config as check_pretrained
from operations.zero_shot import ClassifyZeroShot, ZeroShotConfig
from operations.zero_shot import check_config as check_zero_shot
from tests.models import save
from tests.unit.test_merging import until

TEXTS = [
    "good movie",
    "bad book!",
    "",
    "what a great old laptop , it does work and comes with wifi",
]


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = {0: "NEGATIVE", 1: "NEUTRAL", 2: "POSITIVE"}
    return labelled(tmp_path_factory.mktemp("models") / "moods", labels)


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = {0: "CONTRADICTION", 1: "neutral", 2: "Entailment"}
    return labelled(tmp_path_factory.mktemp("models") / "nli", labels)


def labelled(folder: Path, labels: dict[int, str], **settings: Any) -> Path:
    ids = {label: number for number, label in labels.items()}
    return save(BertForSequenceClassification, folder, id2label=labels, label2id=ids, **settings)


def close(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["label"] == other["label"] and one["scores"] == pytest.approx(
        other["scores"], abs=1e-4
    )


async def test_a_text_gets_the_labels_of_the_model(moods: Path) -> None:
    config = PretrainedConfig(str(moods), labels={"POSITIVE": "praise"}, threshold=0.4)
    async with ClassifyWithModel.imp(config) as imp, imp(None, None) as context:
        batch = await context.run_batch([{"text": text} for text in [*TEXTS, 7]])
        alone = [await context.run({"text": text}) for text in TEXTS]
    *found, wrong = batch
    assert isinstance(wrong, TypeError)
    assert all(close(one, other) for one, other in zip(found, alone, strict=True))
    assert found[2] == {"label": "", "score": 0.0, "sure": False, "scores": {}, "labels": []}
    for each in (found[0], found[1], found[3]):
        assert set(each["scores"]) == {"NEGATIVE", "NEUTRAL", "praise"}
        assert sum(each["scores"].values()) == pytest.approx(1.0, abs=1e-4)
        assert each["score"] == max(each["scores"].values()) == each["scores"][each["label"]]
        assert each["sure"] is (each["score"] >= 0.4)
    assert found[0]["scores"] != found[1]["scores"]


async def test_it_gives_what_transformers_own_pipeline_gives(moods: Path, nli: Path) -> None:
    from transformers import pipeline

    own = pipeline("text-classification", model=str(moods), top_k=None)
    wanted = {each["label"]: each["score"] for each in own(TEXTS[3])[0]}
    async with ClassifyWithModel.imp(PretrainedConfig(str(moods))) as imp:
        async with imp(None, None) as context:
            found = await context.run({"text": TEXTS[3]})
    assert found["scores"] == pytest.approx(wanted, abs=1e-4)
    judge = pipeline("zero-shot-classification", model=str(nli))
    for several in (False, True):
        config = ZeroShotConfig(
            {"movie": "", "wifi": ""}, str(nli), hypothesis="this is {label} .", several=several
        )
        asked = {"multi_label": several, "hypothesis_template": "this is {} ."}
        told = judge(TEXTS[3], ["movie", "wifi"], **asked)
        wanted = dict(zip(told["labels"], told["scores"], strict=True))
        async with ClassifyZeroShot.imp(config) as imp, imp(None, None) as context:
            found = await context.run({"text": TEXTS[3]})
        assert found["scores"] == pytest.approx(wanted, abs=1e-4)


async def test_labels_that_exclude_each_other_share_the_probability(nli: Path) -> None:
    labels = {"film": "a movie", "net": "a wifi driver", "book": ""}
    alone = ZeroShotConfig(labels, str(nli), hypothesis="this is {label}")
    several = ZeroShotConfig(labels, str(nli), hypothesis="this is {label}", several=True)
    for config, total in ((alone, 1.0), (several, None)):
        async with ClassifyZeroShot.imp(config) as imp, imp(None, None) as context:
            first, _, empty, _ = await context.run_batch([{"text": text} for text in TEXTS])
        assert set(first["scores"]) == set(labels)
        assert all(0 <= score <= 1 for score in first["scores"].values())
        assert empty["label"] == ""
        if total:
            assert sum(first["scores"].values()) == pytest.approx(total, abs=1e-4)


async def test_a_model_with_several_labels_judges_each_by_itself(tmp_path: Path) -> None:
    kind = {"problem_type": "multi_label_classification"}
    folder = labelled(tmp_path / "several", {0: "rude", 1: "spam"}, **kind)
    async with ClassifyWithModel.imp(PretrainedConfig(str(folder), threshold=0.0)) as imp:
        async with imp(None, None) as context:
            found = await context.run({"text": "good"})
    assert sum(found["scores"].values()) != pytest.approx(1.0, abs=1e-3)
    assert len(found["labels"]) == 2


async def refused(operation: Any, config: Any) -> OperationError:
    with pytest.raises(OperationError) as caught:
        async with operation.imp(config):
            pass
    return caught.value


async def test_what_cannot_be_loaded_is_refused_with_what_to_do(
    moods: Path, tmp_path: Path
) -> None:
    headless = save(BertModel, tmp_path / "headless")
    error = await refused(ClassifyWithModel, PretrainedConfig(str(headless)))
    assert "has no head for classification" in error.message
    error = await refused(ClassifyWithModel, PretrainedConfig(str(moods), labels={"BAD": "x"}))
    assert (error.message.endswith("has no label 'BAD'"), "NEGATIVE" in error.hint) == (True, True)
    error = await refused(ClassifyWithModel, PretrainedConfig(str(tmp_path / "none")))
    assert "there is no model folder" in error.message
    (tmp_path / "empty").mkdir()
    error = await refused(ClassifyWithModel, PretrainedConfig(str(tmp_path / "empty")))
    assert "cannot be loaded" in error.message
    error = await refused(ClassifyZeroShot, ZeroShotConfig({"a": "", "b": ""}, str(moods)))
    assert "no model for natural language inference" in error.message
    assert "NEGATIVE, NEUTRAL, POSITIVE" in error.message
    error = await refused(ClassifyWithModel, PretrainedConfig("nats:moods"))
    assert "there is no connection here" in error.message


async def test_a_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    error = await refused(ClassifyWithModel, PretrainedConfig("nobody/nothing", revision="v1"))
    assert error.message == "the model 'nobody/nothing' at revision v1 cannot be had from the hub"
    assert "HF_HUB_OFFLINE is set" in error.hint


async def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "evil", {0: "a", 1: "b"})
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "evil.Evil", "AutoModelForSequenceClassification": "evil.Evil"}
    config |= {"model_type": "evil", "auto_map": own}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    with pytest.raises(OperationError):
        SequenceModel.load(str(folder))
    assert not (tmp_path / "ran").exists()


def test_what_threads_ask_for_at_once_shares_batches_and_people_go_first(moods: Path) -> None:
    model = SequenceModel.load(str(moods))
    alone = [model.logits([text], ["bad movie"])[0] for text in TEXTS]
    began, go, ran = threading.Event(), threading.Event(), []
    run = model._merging._run

    def held(rows: list[Any]) -> Any:
        ran.append(len(rows))
        began.set()
        assert go.wait(30.0)
        return run(rows)

    model._merging._run = held
    try:
        with ThreadPoolExecutor(8) as pool:
            first = pool.submit(model.logits, ["hello"])
            assert began.wait(30.0)
            with bulk():
                later = pool.submit(copy_context().run, model.logits, ["good"] * 5)
            until(model._merging, 5)
            asked = [pool.submit(model.logits, [text], ["bad movie"]) for text in TEXTS]
            until(model._merging, 5 + len(TEXTS))
            go.set()
            found = [each.result()[0] for each in asked]
            assert (first.result().shape, later.result().shape) == ((1, 3), (5, 3))
    finally:
        model._merging._run = run
    assert np.allclose(found, alone, atol=1e-4)
    assert sum(ran) == 1 + len(TEXTS) + 5
    assert ran[:2] == [1, len(TEXTS)], "all that people asked for, before what was bulk"


async def test_a_job_knows_whether_anybody_waits_for_it() -> None:
    thread = ModelThread("test", 2)
    try:
        with bulk():
            nobody = asyncio.ensure_future(thread.run(is_bulk))
        assert (await nobody, await thread.run(is_bulk)) == (True, False)
    finally:
        thread.close()


def test_each_thread_runs_on_the_share_of_the_cores(moods: Path, tiny_encoder: str) -> None:
    model = SequenceModel.load(str(moods))
    encoder = Encoder.load(tiny_encoder, backend="torch", shared=False)

    def counts(text: str) -> list[int]:
        model.logits([text])
        found = torch.get_num_threads()
        torch.set_num_threads(7)
        encoder.encode([text])
        return [found, torch.get_num_threads()]

    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(1) as other:
            for count in (1, 2):
                own.tell(count)
                assert counts(f"here {count}") == [count] * 2
                assert other.submit(counts, f"there {count}").result() == [count] * 2
    finally:
        own.tell(0)
        torch.set_num_threads(before)


def test_long_texts_are_cut(moods: Path) -> None:
    model = SequenceModel.load(str(moods))
    assert model.logits(["good " * 5000]).shape == (1, 3)
    assert model.logits(["good " * 5000], ["bad movie"]).shape == (1, 3)
    assert model.logits([]).shape == (0, 3)


def test_a_wrong_configuration_is_refused() -> None:
    config = PretrainedConfig(" ", labels={"a": "x", "b": "x"}, threshold=2)
    assert {path[0] for path, *_ in check_pretrained(config)} == {"model", "labels", "threshold"}
    config = PretrainedConfig("./folder", revision="main")
    assert [path for path, *_ in check_pretrained(config)] == [("revision",)]
    zero = ZeroShotConfig({"a": ""}, "m", hypothesis="This is {}.", threshold=-1)
    told = {path[0]: hint for path, _, hint in check_zero_shot(zero)}
    assert set(told) == {"labels", "hypothesis", "threshold"}
    assert told["hypothesis"] == "write {label}, not {}"
    assert list(check_zero_shot(ZeroShotConfig({"a": "", "b": ""}, "m"))) == []


MLMODEL = """\
artifact_path: model
flavors:
  python_function: {loader_module: mlflow.transformers}
  transformers:
    components: [tokenizer]
    instance_type: TextClassificationPipeline
    model_binary: model
    task: text-classification
utc_time_created: '2026-01-02 03:04:05'
"""


async def test_a_model_of_mlflow_is_read(
    moods: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "logged"
    (folder / "model").mkdir(parents=True)
    (folder / "components" / "tokenizer").mkdir(parents=True)
    for path in moods.iterdir():
        part = "components/tokenizer" if path.name.startswith("tokenizer") else "model"
        (folder / part / path.name).write_bytes(path.read_bytes())
    (folder / "MLmodel").write_text(MLMODEL)
    together = await local(str(folder))
    assert together == await local(str(folder)), "made once"
    wanted = SequenceModel.load(str(moods)).logits(TEXTS)
    assert SequenceModel.load(together).logits(TEXTS) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("flavors: {sklearn: {}}", "has no flavour transformers"),
        ("flavors: {transformers: {model_binary: ../x}}", "that is not there"),
        ("flavors: {transformers: {peft_adaptor: peft}}", "holds no weights of its own"),
        ("flavors: [", "cannot be read"),
        ("- a", "cannot be read"),
    ],
)
def test_a_wrong_model_of_mlflow_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(OperationError, match=told):
        from_mlflow(tmp_path)


def test_a_reference_of_mlflow_to_the_hub_is_followed(tmp_path: Path) -> None:
    told = "flavors: {transformers: {source_model_name: owner/name}}"
    (tmp_path / "MLmodel").write_text(told)
    assert from_mlflow(tmp_path) == "owner/name"


def test_operations_are_imported_without_models() -> None:
    names = "pretrained zero_shot similar faq entities"
    code = (
        "import sys, importlib\n"
        f"[importlib.import_module(f'operations.{{n}}') for n in {names!r}.split()]\n"
        "print([m for m in ('torch', 'transformers', 'numpy', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert out.stdout.strip() == "[]"
