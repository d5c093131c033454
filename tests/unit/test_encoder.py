"""The sentence encoder: its vectors, its identity, and what cannot be loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatbot.errors import OperationError
from chatbot.inference.encoder import Encoder
from tests.unit.test_classifier import encoder, tiny

os.environ.setdefault("HF_HUB_OFFLINE", "1")

__all__ = ["encoder", "tiny"]


def test_a_vector_does_not_depend_on_its_batch(encoder: Encoder) -> None:
    import numpy as np

    texts = ["hi", "how do i install this", "the cat sat on the mat " * 60, "", "zzz", "hi"]
    together = encoder.encode(texts)
    assert together.shape == (6, encoder.dim)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for row, text in enumerate(texts):
        assert np.allclose(together[row], encoder.encode([text])[0], atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_features_are_the_last_layer_those_in_the_middle_and_the_peaks(encoder: Encoder) -> None:
    import numpy as np
    import torch
    import transformers

    text = "how do i install this"
    [features] = encoder.features([text])
    last, middle, peaks = np.split(features, 3)
    assert np.allclose(last * 2, encoder.encode([text])[0], atol=1e-6)
    model = transformers.AutoModel.from_pretrained(encoder.folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(encoder.folder)
    with torch.inference_mode():
        found = model(**tokenizer([text], return_tensors="pt"), output_hidden_states=True)
    assert len(found.hidden_states) == 3
    assert np.allclose(last, of_length(0.5, found.hidden_states[2][0].mean(dim=0)), atol=1e-5)
    assert np.allclose(middle, of_length(0.5, found.hidden_states[1][0].mean(dim=0)), atol=1e-5)
    assert np.allclose(peaks, of_length(0.5**0.5, found.hidden_states[2][0].amax(dim=0)), atol=1e-5)
    assert encoder.features([]).shape == (0, 3 * encoder.dim)


def test_padding_is_no_peak(encoder: Encoder) -> None:
    import numpy as np

    short = "no"
    [alone] = encoder.features([short])
    [beside, _] = encoder._run(encoder._tokens.rows([short, "how do i install this thing here"]))
    assert np.allclose(alone, beside, atol=1e-5)


def of_length(length: float, vector: Any) -> Any:
    found = vector.numpy()
    return found / (found @ found) ** 0.5 * length


def test_identity_changes_with_the_weights(tiny: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    before = Encoder.load(str(copy)).identity
    assert before == Encoder.load(str(copy)).identity
    os.utime(copy / "model.safetensors", (1, 1))
    assert before == Encoder.load(str(copy)).identity
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert before != Encoder.load(str(copy)).identity


def test_threads_that_start_at_once_share_a_model(tiny: Path) -> None:
    code = (
        "import sys; from concurrent.futures import ThreadPoolExecutor;"
        "from chatbot.inference.encoder import Encoder;"
        "pool = ThreadPoolExecutor(4);"
        "found = list(pool.map(Encoder.load, sys.argv[1:] * 4));"
        "list(pool.map(lambda n: found[0].encode(['hi'] * n), range(100)));"
        "sys.exit(len(set(found)) != 1)"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny)], check=True)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("./no/such/folder", "no model folder", "config.json"),
        ("nobody/no-such-model", "cannot be had from the hub", "HF_HUB_OFFLINE"),
    ],
)
def test_a_model_that_is_not_there_is_an_error_that_says_what_to_do(
    name: str, message: str, hint: str
) -> None:
    with pytest.raises(OperationError, match=message) as caught:
        Encoder.load(name)
    assert hint in caught.value.hint


def test_a_folder_without_a_model_is_an_error(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="cannot be loaded"):
        Encoder.load(str(tmp_path))
    (tmp_path / "config.json").write_bytes((tiny / "config.json").read_bytes())
    for path in tiny.glob("tokenizer*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(OperationError, match="cannot be loaded"):
        Encoder.load(str(tmp_path))


def test_loading_prints_nothing(tiny: Path) -> None:
    code = (
        "import sys; from chatbot.inference.encoder import Encoder;"
        "Encoder.load(sys.argv[1]).encode(['hi'])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tiny)], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
