"""An export travels with its model: small, bound to its weights, of use without PyTorch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatbot.broker import models as stored
from chatbot.errors import OperationError
from chatbot.inference.backends import graph
from chatbot.inference.backends.export import accompany, exported, path_of
from chatbot.inference.encoder import Encoder
from chatbot.inference.models import described
from tests.models import save
from tests.servers.processes import ROOT
from tests.unit.test_backends import TEXTS, cache, load

__all__ = ["cache"]

BARE = """
import sys
from tests.servers.bare import hide
hide()
from chatbot.errors import OperationError
from chatbot.inference.encoder import Encoder
try:
    encoder = Encoder.load(sys.argv[1], backend=sys.argv[2])
except OperationError as error:
    print(error.message, error.hint, file=sys.stderr)
    sys.exit(7)
encoder.encode(["hello", "how do i install this"]).tofile(sys.argv[3])
"""


@pytest.fixture
def model(tiny_encoder: str, tmp_path: Path) -> Path:
    """The folder of a model with an export beside it."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_encoder, folder)
    accompany(described(folder))
    return folder


def bare(folder: Path, backend: str = "auto") -> Any:
    """Return vectors of a process that has no PyTorch, or what it says on its standard error."""
    import numpy as np

    out = folder.parent / "vectors"
    command = [sys.executable, "-c", BARE, str(folder), backend, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode == 7:
        return done.stderr
    assert done.returncode == 0, done.stderr
    return np.fromfile(out, dtype=np.float32).reshape(2, -1)


def alike(one: Any, other: Any) -> bool:
    return float((one * other).sum(axis=1).min()) > 0.99999


def test_a_machine_without_pytorch_runs_what_came_with_the_model(model: Path, cache: Path) -> None:
    wanted = load(model, "torch").encode(["hello", "how do i install this"])
    assert alike(bare(model), wanted)
    assert not (cache / "onnx").exists(), "nothing was made"


def test_it_makes_eight_bit_weights_of_it_and_the_same_as_of_a_whole_export(
    model: Path, cache: Path
) -> None:
    import numpy as np

    found = bare(model, "onnx-int8")
    (model / graph.NAME).unlink()
    path_of(described(model), int8=True).unlink()
    wanted = load(model, "onnx-int8").encode(["hello", "how do i install this"])
    assert np.array_equal(found, wanted)
    assert (found != load(model, "torch").encode(["hello", "how do i install this"])).any()


def test_the_weights_are_not_in_it_a_second_time(model: Path, cache: Path) -> None:
    import onnx

    parts = onnx.load(str(model / graph.NAME), load_external_data=False).graph.initializer
    referred = [part for part in parts if part.data_location == onnx.TensorProto.EXTERNAL]
    assert sum(len(part.raw_data) for part in parts) < 5_000, "two layers' small constants"
    assert len(referred) == 14, "the embeddings, and six matrices of each layer"
    whole = exported(described(model))
    assert whole.stat().st_size > (model / graph.NAME).stat().st_size


def test_what_the_weights_file_holds_in_half_precision_is_in_the_graph(
    tmp_path: Path, cache: Path
) -> None:
    from transformers import AutoModel, BertModel

    folder = save(BertModel, tmp_path / "half")
    AutoModel.from_pretrained(str(folder), dtype="float16").save_pretrained(folder)
    accompany(described(folder))
    wanted = load(folder, "torch").encode(TEXTS)
    assert alike(load(folder, "onnx").encode(TEXTS), wanted)
    assert not (cache / "onnx").exists()


def test_it_refers_to_weights_in_several_files(
    tiny_encoder: str, tmp_path: Path, cache: Path
) -> None:
    from transformers import AutoModel

    folder = tmp_path / "parted"
    shutil.copytree(tiny_encoder, folder)
    (folder / "model.safetensors").unlink()
    AutoModel.from_pretrained(tiny_encoder).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    accompany(described(folder))
    wanted = load(Path(tiny_encoder), "torch").encode(["hello", "how do i install this"])
    assert alike(bare(folder), wanted)


def test_an_export_of_another_model_is_refused_and_made_anew(
    model: Path, tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import BertModel

    other = save(BertModel, tmp_path / "other", num_labels=3)
    (other / graph.NAME).write_bytes((model / graph.NAME).read_bytes())
    told = bare(other)
    assert "has an export, vectors.onnx, which does not fit" in told
    assert "PyTorch, which makes the export, is not installed" in told
    assert "pip install 'chatbot[nlp]'" in told
    wanted = load(other, "torch").encode(TEXTS)
    assert alike(load(other, "onnx").encode(TEXTS), wanted)
    assert "was made from another model" in caplog.text
    assert path_of(described(other)).is_file()


@pytest.mark.parametrize("damage", ["cut", "empty", "other version", "other vectors"])
def test_an_export_that_is_damaged_is_refused_and_made_anew(
    model: Path, cache: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    path = model / graph.NAME
    content = path.read_bytes()
    path.write_bytes(_damaged(content, damage))
    assert "which does not fit" in bare(model)
    wanted = load(model, "torch").encode(TEXTS)
    assert alike(load(model, "onnx").encode(TEXTS), wanted)
    assert f"export {model} anew" in caplog.text


def _damaged(content: bytes, how: str) -> bytes:
    import onnx

    if how == "cut":
        return content[: len(content) // 2]
    if how == "empty":
        return b""
    model = onnx.load_model_from_string(content)
    if how == "other version":
        [told] = [each for each in model.metadata_props if each.key == "chatbot.format"]
        told.value = "0"
    else:  # a layer's weights for another's: all of it can be loaded, and is wrong
        names = {each.name: each for each in model.graph.initializer if each.external_data}
        one, other = [each for each in names.values() if list(each.dims) == [32, 32]][:2]
        kept = [(each.key, each.value) for each in other.external_data]
        del one.external_data[:]
        for key, value in kept:
            one.external_data.add(key=key, value=value)
    return bytes(model.SerializeToString())


@pytest.mark.crash
def test_a_process_that_is_killed_while_it_exports_leaves_nothing_that_counts(
    tiny_encoder: str, tmp_path: Path, cache: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_encoder, folder)
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from chatbot.inference.backends import export;"
        "from chatbot.inference.models import described;"
        "export._try = lambda *_: os.kill(os.getpid(), signal.SIGKILL);"
        "export.accompany(described(Path(sys.argv[1])))"
    )
    before = {each.path for each in stored.listed(folder)}
    done = subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(folder)) == len(before) + 1, "it was at it"
    assert {each.path for each in stored.listed(folder)} == before
    assert Encoder.load(str(folder), backend="torch").encode(["hello"]).shape == (1, 32)
    accompany(described(folder))
    assert {each.path for each in stored.listed(folder)} == {*before, graph.NAME}


def test_without_onnx_there_is_none_and_it_is_said_what_to_do(
    tiny_encoder: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_encoder, folder)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OperationError, match="made with the packages onnx and onnx") as caught:
        accompany(described(folder))
    assert "chatbot[onnx]" in caught.value.hint
    assert not (folder / graph.NAME).exists()
