"""Models in the object store: pushed, fetched by nodes, and never anything but what was pushed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from transformers import BertForSequenceClassification

from chatbot.broker import Broker, EmbeddedServer, models
from chatbot.broker.current import lent
from chatbot.broker.models import Model, ModelFile, files_of, is_allowed
from chatbot.errors import BrokerError, OperationError
from chatbot.inference.backends.graph import NAME, check
from chatbot.inference.backends.onnx_runtime import session
from chatbot.inference.models import described
from chatbot.inference.registry import local
from chatbot.inference.revisions import key
from operations.pretrained import ClassifyWithModel, PretrainedConfig
from tests.models import save
from tests.servers.lessons import WORDS, bot, flow_file, label
from tests.servers.processes import Program
from tests.servers.tiny import tiny_model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "chatbot" / "models"


@pytest.fixture
def moods(tmp_path: Path) -> Path:
    labels = {0: "bad", 1: "good"}
    ids = {label: number for number, label in labels.items()}
    folder = tmp_path / "moods"
    return save(BertForSequenceClassification, folder, id2label=labels, label2id=ids)


async def pushed(broker: Broker, folder: Path, name: str = "moods") -> Model:
    return await models.push(broker, name, folder, files_of(folder))


async def scores() -> dict[str, float]:
    config = PretrainedConfig("nats:moods")
    async with ClassifyWithModel.imp(config) as imp, imp(None, None) as context:
        found: dict[str, Any] = await context.run({"text": "a good movie"})
        return found["scores"]  # type: ignore[no-any-return]


async def test_an_operation_uses_a_model_that_was_pushed(
    broker: Broker, moods: Path, cache: Path
) -> None:
    model = await pushed(broker, moods)
    with lent(broker):
        assert set(await scores()) == {"bad", "good"}
        assert [path.name for path in cache.iterdir()] == [model.digest]
        kept = {path.relative_to(cache / model.digest) for path in cache.rglob("*.*")}
        await models.drop(broker, model)
        with pytest.raises(OperationError, match="there is no model 'moods'") as caught:
            await local("nats:moods")
        assert "chatbot model push" in caught.value.hint
    assert {path.as_posix() for path in kept} == {file.path for file in model.files}


async def test_what_is_pushed_anew_is_fetched_anew(
    broker: Broker, moods: Path, cache: Path
) -> None:
    with lent(broker):
        first = await pushed(broker, moods)
        before = await local("nats:moods")
        (moods / "README.md").write_text("another")
        second = await pushed(broker, moods)
        assert first.digest != second.digest
        assert await local("nats:moods") != before
    assert [model.digest for model in await models.every(broker)] == [second.digest]


async def test_files_that_two_models_share_outlive_one_of_them(
    broker: Broker, moods: Path, tmp_path: Path
) -> None:
    one, two = await pushed(broker, moods, "one"), await pushed(broker, moods, "two")
    await models.drop(broker, one)
    for number, file in enumerate(two.files):
        await models.fetch(broker, file, tmp_path / str(number))
    await models.drop(broker, two)
    with pytest.raises(BrokerError, match="not in the object store"):
        await models.fetch(broker, two.files[0], tmp_path / "gone")


@pytest.mark.parametrize("path", ["../evil.json", "/etc/x.json", "model.py", "x.bin", ".env.json"])
async def test_a_model_with_a_file_that_none_may_have_is_refused(
    broker: Broker, moods: Path, cache: Path, path: str
) -> None:
    assert not is_allowed(path)
    first = files_of(moods)[0]
    evil = [ModelFile(path, first.size, first.sha256)]
    await models.push(broker, "moods", moods, [first])
    store = await broker.js.object_store(models.BUCKET)
    record = Model("moods", "0" * 40, datetime.now(UTC), tuple(evil))
    await store.put(models._entry("moods"), record.encode())
    with lent(broker), pytest.raises(BrokerError, match="which none may have"):
        await local("nats:moods")
    assert list(cache.iterdir()) == []


async def test_a_damaged_file_is_refused(broker: Broker, moods: Path, cache: Path) -> None:
    model = await pushed(broker, moods)
    store = await broker.js.object_store(models.BUCKET)
    await store.put(models._blob(model.files[0].sha256), b"something else")
    with lent(broker), pytest.raises(BrokerError, match="is damaged"):
        await local("nats:moods")
    assert list(cache.iterdir()) == []


def test_code_and_pickles_are_left_out(moods: Path, tmp_path: Path) -> None:
    for name in ("evil.py", "pytorch_model.bin", ".secret.json"):
        (moods / name).write_text("x")
    names = {file.path for file in files_of(moods)}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    with pytest.raises(OperationError, match="is no model's folder"):
        files_of(tmp_path)


async def test_the_command_line_pushes_lists_pulls_and_drops(
    nats_server: EmbeddedServer, program: Program, moods: Path, tmp_path: Path
) -> None:
    url = {"CHATBOT_NATS_URL": nats_server.url}
    code, out, err = await program.run("model", "push", "moods", str(moods), **url)
    assert (code, out) == (0, "stored moods (4 files); flows name it nats:moods\n"), err
    code, out, _ = await program.run("model", "list", "--json", **url)
    assert [each["name"] for each in json.loads(out)] == ["moods"]
    copy = tmp_path / "copy"
    assert (await program.run("model", "pull", "moods", str(copy), **url))[0] == 0
    for path in moods.iterdir():
        assert (copy / path.name).read_bytes() == path.read_bytes()
    code, _, err = await program.run("model", "drop", "mods", **url)
    assert (code, "did you mean 'moods'?" in err) == (2, True)
    assert (await program.run("model", "drop", "moods", **url))[0] == 0
    assert (await program.run("model", "list", **url))[1] == "There are no models.\n"


async def test_a_node_classifies_with_an_encoder_that_was_pushed(
    broker: Broker, tmp_path: Path, cache: Path
) -> None:
    path = flow_file(tmp_path)
    encoder = tmp_path / "tiny"
    model = await pushed(broker, encoder, "tiny")
    path.write_text(path.read_text().replace(str(encoder), "nats:tiny"))
    encoder.rename(tmp_path / "away")
    async with bot(broker, path) as (room, _, _):
        assert await label(room, "how do i install it") == "install"
    assert [each.name for each in cache.iterdir()] == [model.digest]


@pytest.mark.crash
async def test_a_sentence_model_is_pushed_with_its_export_once(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path, cache: Path
) -> None:
    tiny = tiny_model(tmp_path / "tiny", WORDS)
    here = {"CHATBOT_NATS_URL": nats_server.url}
    code, out, err = await program.run("model", "push", "tiny", str(tiny), **here)
    assert (code, err) == (0, ""), err
    first = await models.find(broker, "tiny")
    assert first is not None
    assert {file.path for file in first.files} == {*(each.name for each in tiny.iterdir()), NAME}
    assert f"({len(first.files)} files)" in out
    with lent(broker):
        folder = Path(await local("nats:tiny"))
    check(session(folder / NAME), described(folder))
    assert (await program.run("model", "push", "tiny", str(tiny), **here))[0] == 0
    again = await models.find(broker, "tiny")
    assert again is not None
    assert again.digest == first.digest, "what was trained of it stays"
    told = ("model", "push", "tiny", str(tiny), "--no-export")
    assert (await program.run(*told, **here))[0] == 0
    plain = await models.find(broker, "tiny")
    assert plain is not None
    assert NAME not in {file.path for file in plain.files}


async def test_what_was_trained_of_a_pushed_encoder_is_not_used_with_another(
    broker: Broker, tmp_path: Path
) -> None:
    async def named(words: tuple[str, ...]) -> str:
        folder = tiny_model(tmp_path / f"model{len(words)}", words)
        await pushed(broker, folder, "tiny")
        with lent(broker):
            return key(await local("nats:tiny"), ["a", "b"])

    first = await named(WORDS)
    assert await named((*WORDS, "more")) != first
    assert await named(WORDS) == first, "wherever this machine keeps it"


async def test_eval_and_train_take_an_encoder_that_was_pushed(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    path = flow_file(tmp_path)
    await pushed(broker, tmp_path / "tiny", "tiny")
    path.write_text(path.read_text().replace(str(tmp_path / "tiny"), "nats:tiny"))
    data = tmp_path / "data.tsv"
    data.write_text("label\ttext\ninstall\thow do i install it\n")
    scored = ("eval", str(path), str(data), "--no-estimate", "--json", "--nats", nats_server.url)
    code, out, err = await program.run(*scored)
    assert (code, err) == (0, "")
    assert json.loads(out)["accuracy"] == 1.0
    elsewhere = {"CHATBOT_DATA": str(tmp_path / "elsewhere")}
    code, _, err = await program.run("train", str(path), "--list", **elsewhere)
    assert (code, "name one with --nats URL" in err) == (2, True)


@pytest.mark.parametrize("pushed_too", [False, True])
async def test_a_model_of_mlflow_is_an_encoder(
    broker: Broker, tmp_path: Path, cache: Path, pushed_too: bool
) -> None:
    path = flow_file(tmp_path)
    logged = as_mlflow_logs(tmp_path / "tiny", tmp_path / "logged")
    name = str(logged)
    if pushed_too:
        model = await pushed(broker, logged, "logged")
        name = "nats:logged"
    path.write_text(path.read_text().replace(str(tmp_path / "tiny"), name))
    async with bot(broker, path) as (room, _, _):
        assert await label(room, "how do i install it") == "install"
    if pushed_too:
        assert {each.name for each in cache.iterdir()} == {model.digest, f"mlflow-{model.digest}"}


def as_mlflow_logs(folder: Path, target: Path) -> Path:
    """Lay a model's files out as `mlflow.transformers.log_model` does."""
    for part in ("model", "components/tokenizer"):
        (target / part).mkdir(parents=True)
    for path in folder.iterdir():
        part = "components/tokenizer" if "token" in path.name else "model"
        (target / part / path.name).write_bytes(path.read_bytes())
    (target / "MLmodel").write_text(
        "flavors:\n  transformers:\n    model_binary: model\n    task: feature-extraction\n"
        "    components: [tokenizer]\n    source_model_name: tiny\n"
    )
    return target
