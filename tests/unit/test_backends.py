"""What a model is run with: the back ends agree, and what is not exact says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chatbot.errors import OperationError
from chatbot.inference import backends, loss, models
from chatbot.inference.backends import graph
from chatbot.inference.backends.export import exported, path_of
from chatbot.inference.backends.pytorch import missing
from chatbot.inference.encoder import Encoder
from chatbot.inference.threads import Share, own
from chatbot.urgency import bulk
from operations.classify import ClassifyConfig, ClassifyText, check_config
from tests.unit.test_classifier import EXAMPLES, tiny

__all__ = ["tiny"]

os.environ.setdefault("HF_HUB_OFFLINE", "1")

TEXTS = [
    *("hi", "how do i install this", "the cat sat on the mat " * 60, "", "zzz", "thanks a mat"),
    *(f"{'hello ' * number}cat" for number in range(20)),
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "chatbot"


def load(folder: Path, backend: str) -> Encoder:
    return Encoder.load(str(folder), backend=backend, shared=False)


@pytest.mark.parametrize(
    ("backend", "least"),
    [("onnx", 0.99999), ("torch-bf16", 0.99), ("onnx-int8", 0.8)],
)
def test_a_back_end_gives_the_vectors_of_pytorch(
    tiny: Path, cache: Path, backend: str, least: float
) -> None:
    import numpy as np

    if backend == "torch-bf16" and (why := missing(backend)):
        pytest.skip(why)
    wanted = load(tiny, "torch").encode(TEXTS)
    found = load(tiny, backend).encode(TEXTS)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)
    cosines = (wanted * found).sum(axis=1)
    assert cosines.min() >= least
    if backend not in backends.EXACT:
        assert cosines.min() < 0.9999999


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_with_an_exact_back_end_nobody_sees_the_batch(
    tiny: Path, cache: Path, backend: str
) -> None:
    import numpy as np

    together = load(tiny, backend).encode(TEXTS)
    alone = load(tiny, backend)
    for text, vector in zip(TEXTS, together, strict=True):
        assert np.allclose(alone.encode([text])[0], vector, atol=1e-5)


def test_the_default_is_exact_and_needs_no_pytorch_once_there_is_an_export(
    tiny: Path, cache: Path
) -> None:
    assert load(tiny, "auto").backend == "onnx"
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None;"
        "from chatbot.inference.encoder import Encoder;"
        "encoder = Encoder.load(sys.argv[1]);"
        "assert encoder.encode(['hi', 'thank you']).shape == (2, encoder.dim);"
        "sys.exit(encoder.backend != 'onnx')"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny)], check=True)


def test_without_export_and_without_pytorch_it_is_said_what_to_do(
    tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(OperationError, match="not exported for ONNX Runtime") as caught:
        load(tiny, "onnx")
    assert str(cache / "onnx") in caught.value.hint


def test_without_onnx_runtime_it_is_pytorch(
    tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert load(tiny, "auto").backend == "torch"
    with pytest.raises(OperationError, match="extra 'onnx'") as caught:
        load(tiny, "onnx")
    assert "chatbot[onnx]" in caught.value.hint


def test_an_export_that_is_damaged_is_made_anew(
    tiny: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = exported(models.described(tiny))
    path.write_bytes(b"not a graph")
    assert load(tiny, "onnx").encode(["hi"]).shape == (1, 32)
    assert "anew" in caplog.text
    assert {each.suffix for each in path.parent.iterdir()} == {".onnx", ".lock"}


def test_a_graph_that_gives_other_vectors_is_not_kept(
    tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "AGREEMENT", 1.01)
    with pytest.raises(OperationError, match="gives other vectors"):
        load(tiny, "onnx")
    assert not path_of(models.described(tiny)).exists()


def test_what_is_not_exact_has_an_identity_of_its_own(tiny: Path, cache: Path) -> None:
    by_name = {name: load(tiny, name).identity for name in ("torch", "onnx", "onnx-int8")}
    assert by_name["torch"] == by_name["onnx"] != by_name["onnx-int8"]


def test_the_identity_is_that_of_the_files_wherever_they_lie(
    tiny: Path, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny, tmp_path / "elsewhere")
    assert load(tiny, "torch").identity == load(tmp_path / "elsewhere", "torch").identity


def test_the_first_words_vector_stands_for_a_text_where_the_model_says_so(
    tiny: Path, cache: Path, tmp_path: Path
) -> None:
    import numpy as np

    folder = tmp_path / "cls"
    shutil.copytree(tiny, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    one, other = (load(folder, name).encode(TEXTS) for name in ("torch", "onnx"))
    assert np.allclose(one, other, atol=1e-5)
    assert not np.allclose(one, load(tiny, "torch").encode(TEXTS), atol=1e-2)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "max"}')
    with pytest.raises(OperationError, match="pools by max"):
        load(folder, "torch")


def test_a_back_end_that_is_not_there_is_told(tiny: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="no back end 'onxx'") as caught:
        load(tiny, "onxx")
    assert "'onnx'" in caught.value.hint
    labels = tmp_path / "labels.yaml"
    labels.write_text("one: [hi]\ntwo: [bye]\n")
    [(path, message, hint)] = check_config(ClassifyConfig(examples=labels, backend="torch-int8"))
    assert (path, "torch-int8" in message, bool(hint)) == (("backend",), True, True)


def test_a_gpu_that_is_not_there_is_told(tiny: Path, cache: Path) -> None:
    if not missing("cuda"):
        pytest.skip("there is one")
    with pytest.raises(OperationError, match=r"'cuda' cannot be used: PyTorch .*(GPU|CUDA)"):
        load(tiny, "cuda")


def test_a_batch_that_is_too_large_for_the_gpu_is_run_in_halves(tiny: Path, cache: Path) -> None:
    import numpy as np
    import torch

    wanted = load(tiny, "torch").encode(TEXTS)
    encoder = load(tiny, "torch")
    most, sizes = 3, []

    def fill(_: object, __: object, given: dict[str, torch.Tensor]) -> None:
        sizes.append(len(given["input_ids"]))
        if sizes[-1] > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    encoder._backend._model.register_forward_pre_hook(fill, with_kwargs=True)  # type: ignore[attr-defined]
    assert np.allclose(encoder.encode(TEXTS), wanted, atol=1e-5)
    assert max(sizes) > most
    most = 0
    with pytest.raises(OperationError, match="not enough memory left to run a text"):
        encoder.encode(["something else"])
    most = 3
    assert encoder.encode(["something else"]).shape == (1, 32), "it goes on"


@pytest.mark.parametrize("backend", ["cuda", "cuda-bf16", "cuda-fp16"])
def test_a_gpu_gives_the_vectors_of_the_processor(tiny: Path, cache: Path, backend: str) -> None:
    if why := missing(backend):
        pytest.skip(why)
    cosines = (load(tiny, "torch").encode(TEXTS) * load(tiny, backend).encode(TEXTS)).sum(axis=1)
    assert cosines.min() > (0.9999 if backend == "cuda" else 0.98)


async def test_what_loses_too_much_is_refused(
    tiny: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "labels.yaml"
    labels.write_text("".join(f"{label}: {texts!r}\n" for label, texts in EXAMPLES.items()))
    config = ClassifyConfig(examples=labels, encoder=str(tiny), backend="onnx-int8")
    async with ClassifyText.imp(config) as imp, imp(None, None) as context:
        assert (await context.run({"text": "hi"}))["label"] == "greeting"
    [kept] = (cache / "losses").iterdir()
    kept.write_text('{"exact": 0.9, "fast": 0.87, "agreement": 0.9, "cosine": 0.98}')
    with pytest.raises(
        OperationError, match=r"loses 3\.0 points .* \(90\.0 to 87\.0 %\)"
    ) as caught:
        async with ClassifyText.imp(config):
            raise AssertionError("entered")
    assert "chatbot bench model" in caught.value.hint
    kept.write_text('{"exact": 0.9, "fast": 0.885, "agreement": 0.9, "cosine": 0.98}')
    async with ClassifyText.imp(config):
        pass


def test_the_loss_is_measured_with_heads_that_have_not_seen_the_example(
    tiny: Path, cache: Path
) -> None:
    exact = load(tiny, "torch")
    same = loss.compare(load(tiny, "onnx"), exact, EXAMPLES)
    assert same.points == 0
    assert same.agreement == 1
    assert same.cosine == pytest.approx(1, abs=1e-5)
    with pytest.raises(OperationError, match="loses"):
        loss.check(load(tiny, "onnx"), str(tiny), EXAMPLES, cache / "losses", most=-0.1)


def test_a_text_that_is_said_again_is_not_run_again(tiny: Path, cache: Path) -> None:
    encoder = load(tiny, "torch")
    ran: list[int] = []
    run = encoder._backend.run

    class Counting:
        def run(self, ids: object, mask: object) -> object:
            ran.append(len(ids))  # type: ignore[arg-type]
            return run(ids, mask)

    encoder._backend = Counting()  # type: ignore[assignment]
    first = encoder.encode(["hi", "hello", "hi"])
    assert (first[0] == first[2]).all()
    assert sum(ran) == 2
    assert (encoder.encode(["hello", "bye"])[0] == first[1]).all()
    assert sum(ran) == 3


def test_bulk_work_of_a_thread_is_bulk_work(tiny: Path, cache: Path) -> None:
    encoder = load(tiny, "torch")
    asked: list[bool] = []
    merge = encoder._merging.run

    def run(rows: list[list[int]], *, bulk: bool) -> list[object]:
        asked.append(bulk)
        return merge(rows, bulk=bulk)

    encoder._merging.run = run  # type: ignore[method-assign, assignment]
    encoder.encode(["hi"])
    with bulk():
        encoder.encode(["hello"])
    assert asked == [False, True]


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_a_model_goes_on_with_other_threads(tiny: Path, cache: Path, backend: str) -> None:
    import numpy as np

    encoder = load(tiny, backend)
    before = encoder.encode(["hi"])
    try:
        own.tell(own.threads + 1)
        assert np.allclose(encoder.encode(["hi you", "hi"])[1], before, atol=1e-5)
        encoder._sharing = type(encoder._sharing)()
        assert np.allclose(encoder.encode(["hi"]), before, atol=1e-5)
        assert encoder._threads == own.threads
    finally:
        own.tell(0)


def test_processes_with_models_share_the_cores(tmp_path: Path) -> None:
    first, second = (Share(8, lambda: tmp_path) for _ in range(2))
    assert (first.threads, second.threads) == (8, 8)
    first.join()
    assert first.threads == 8
    second.join()
    first.look()
    assert (first.threads, second.threads) == (4, 4)
    second.tell(6)
    assert second.threads == 6
    first.leave()
    second.tell(0)
    second.look()
    assert (first.threads, second.threads) == (8, 8)
    second.leave()


def test_a_process_that_was_killed_has_no_share(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from chatbot.inference.threads import Share;"
        "share = Share(8, lambda: pathlib.Path(sys.argv[1])); share.join();"
        "print('there', flush=True); sys.stdin.read()"
    )
    share = Share(8, lambda: tmp_path)
    share.join()
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdin is not None
    assert other.stdout.readline() == b"there\n"
    share.look()
    assert share.threads == 4
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    share.look()
    assert share.threads == 8
    share.leave()
    assert len(list(tmp_path.iterdir())) == 1  # its own, which the next one to look removes


def test_more_processes_than_cores_have_one_each(tmp_path: Path) -> None:
    shares = [Share(2, lambda: tmp_path) for _ in range(3)]
    for share in shares:
        share.join()
    assert shares[-1].threads == 1
    for share in shares:
        share.leave()


def test_threads_that_load_at_once_make_one_export(tiny: Path, cache: Path) -> None:
    found: list[Encoder] = []
    threads = [
        threading.Thread(target=lambda: found.append(Encoder.load(str(tiny), backend="onnx")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert len(list((cache / "onnx").glob("*.onnx"))) == 1
