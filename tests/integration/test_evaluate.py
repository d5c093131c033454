"""`chatbot eval` and `chatbot train` with a tiny model."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from chatbot.cli import cli
from chatbot.errors import ChatbotError, OperationError, UsageError
from chatbot.inference.encoder import Encoder
from chatbot.inference.finetuning import Recipe
from tests.unit.test_classifier import EXAMPLES, tiny

__all__ = ["tiny"]

FLOW = """
version: 1
operations:
  understand:
    run: classify_text
    inputs: {{text: message.text}}
    config: {{examples: labels.yaml, encoder: {encoder}}}
outputs: {{label: understand.label}}
"""
DATA = (
    "label\ttext\ngreeting\they hi\nthanks\tthank you thanks\ninstall\thow do i install\noos\tcat\n"
)


@pytest.fixture
def flow(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A flow that classifies with the tiny model; everything is kept in the test's folder."""
    monkeypatch.setenv("CHATBOT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    more = {label: [*texts, *(f"{each} it" for each in texts)] for label, texts in EXAMPLES.items()}
    (tmp_path / "labels.yaml").write_text(json.dumps(more))
    (tmp_path / "data.tsv").write_text(DATA)
    path = tmp_path / "flow.yaml"
    path.write_text(FLOW.format(encoder=tiny))
    return path


def _run(*arguments: object) -> int:
    return int(cli.main([str(each) for each in arguments], standalone_mode=False) or 0)


def test_figures_are_for_people_and_for_programs(
    flow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("eval", flow, tmp_path / "data.tsv", "--outside", "oos")
    assert _run(*arguments) == 0
    shown = capsys.readouterr().out
    for what in ("accuracy", "macro-F1", "confusion", "calibration", "to be expected", "rejected"):
        assert what in shown
    assert _run(*arguments, "--json", "--no-estimate") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["count"], found["outside"], found["revision"]) == (3, 1, "quick")
    assert found["labels"].keys() >= {"greeting", "thanks", "install"}
    assert found["estimate"] is None
    assert "hey hi" not in json.dumps(found)


def test_a_back_end_that_is_not_exact_is_scored_beside_one_that_is(
    flow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    loaded = _loaded(monkeypatch)
    backend = "operations.understand.config.backend="
    arguments = ("eval", flow, tmp_path / "data.tsv", "--outside", "oos", "--no-estimate")
    assert _run(*arguments, "--json") == 0
    assert loaded == ["auto"]
    exact = json.loads(capsys.readouterr().out)
    assert (exact["backend"], exact["exact"]) == ("auto", None)
    assert _run(*arguments, "--json", "--set", f"{backend}onnx-int8") == 0
    assert loaded == ["auto", "onnx-int8", "auto"]
    fast = json.loads(capsys.readouterr().out)
    assert (fast["backend"], fast["exact"]) == ("onnx-int8", exact["accuracy"])
    assert _run("eval", flow, "--folds", 3, "--json", "--set", f"{backend}onnx-int8") == 0
    assert loaded[3:] == ["onnx-int8", "auto"]
    folds = json.loads(capsys.readouterr().out)
    assert 0.0 < folds["exact"] <= 1.0
    assert _run(*arguments, "--set", f"{backend}onnx-int8") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"with onnx-int8; an exact back end has {exact['accuracy']:.1%}" in said


def _loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that is told each back end which an encoder is loaded with."""
    told: list[str] = []
    load = Encoder.load

    def loading(name: str, *, backend: str = "auto", shared: bool = True) -> Encoder:
        told.append(backend)
        return load(name, backend=backend, shared=shared)

    monkeypatch.setattr(Encoder, "load", loading)
    return told


def test_a_back_end_that_this_machine_lacks_does_not_stop_anybody(
    flow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chatbot.commands.understanding.missing", lambda _: "no GPU")
    backend = ("--set", "operations.understand.config.backend=cuda-fp16")
    assert _run("eval", flow, "--folds", 3, "--json", *backend) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["exact"] is None
    assert "cuda-fp16 cannot be had here (no GPU)" in " ".join(told.err.split())
    assert _run("train", flow, "--json", *backend) == 0
    assert "is measured by each node" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("most", "said"), [(1.0, "nodes may run it with onnx-int8"), (-1.0, "nodes refuse this result")]
)
def test_training_says_whether_nodes_take_it_with_the_flows_back_end(
    most: float,
    said: str,
    flow: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr("chatbot.inference.loss.check.__defaults__", (most,))
    backend = "operations.understand.config.backend=onnx-int8"
    assert _run("train", flow, "--json", "--set", backend) == 0
    assert said in " ".join(capsys.readouterr().err.split())


def test_too_low_an_accuracy_is_an_exit_code(
    flow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.tsv").write_text("label\ttext\nthanks\thi\nthanks\thello\n")
    arguments = ("eval", flow, tmp_path / "wrong.tsv", "--no-estimate")
    assert _run(*arguments) == 0
    assert "worst mistakes" in capsys.readouterr().out
    assert _run(*arguments, "--min-accuracy", "0.5") == 1


def test_wrong_data_is_told_before_a_model_is_loaded(
    flow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = "operations.understand.config.encoder=/nowhere"
    code = _run("eval", flow, tmp_path / "data.tsv", "--set", nowhere, "--json")
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert (code, problem["line"], problem["column"]) == (2, 5, 1)  # of data.tsv
    assert "no label 'oos'" in problem["message"]


def test_examples_are_scored_in_folds(
    flow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("eval", flow, "--folds", 3, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["count"] == 16
    assert found["revision"] == "3 folds"
    with pytest.raises(UsageError, match="--folds"):
        _run("eval", flow)
    with pytest.raises(UsageError, match="--folds"):
        _run("eval", flow, tmp_path / "data.tsv", "--thorough")


def test_a_confusion_matrix_is_drawn(flow: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "matrix.png"
    arguments = ("eval", flow, tmp_path / "data.tsv", "--outside", "oos", "--no-estimate")
    assert _run(*arguments, "--confusion", picture) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="cannot write the picture"):
        _run(*arguments, "--confusion", "/no/a.png")


def test_without_matplotlib_it_is_said_at_once(
    flow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OperationError, match="matplotlib") as caught:
        _run("eval", flow, tmp_path / "data.tsv", "--confusion", tmp_path / "a.png")
    assert "chatbot[pictures]" in caught.value.hint


def test_a_flow_that_classifies_nothing_or_in_two_places_is_refused(
    flow: Path, tmp_path: Path
) -> None:
    two = FLOW.replace("outputs:", "  again:{again}\noutputs:")
    again = "run: classify_text, inputs: {text: message.text}, config: {examples: labels.yaml}"
    flow.write_text(two.format(encoder="x", again=f" {{{again}}}"))
    with pytest.raises(UsageError, match="several places: again, understand"):
        _run("eval", flow, "--folds", 3)
    with pytest.raises(UsageError, match="no operation 'agan'") as caught:
        _run("eval", flow, "--folds", 3, "--operation", "agan")
    assert "again" in caught.value.hint


def test_a_training_that_had_too_little_time_says_so(
    flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hurried = functools.partial(Recipe, epochs=1e6, most=80_000, size=8, seconds=0.5)
    monkeypatch.setattr("chatbot.inference.thorough.Recipe", hurried)
    assert _run("train", flow, "--json") == 0
    said = capsys.readouterr()
    [kept] = json.loads(said.out)
    assert 0.0 < kept["share"] < 1.0
    assert f"cut short: its processor time was up after {int(kept['share'] * 100)} %" in said.err


def test_training_is_kept_listed_used_and_rolled_back(
    flow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("train", flow, "--list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert _run("train", flow, "--json") == 0
    said = capsys.readouterr()
    assert "cut short" not in said.err
    [kept] = json.loads(said.out)
    assert kept["current"]
    assert kept["held"] > 0
    assert (Path(kept["folder"]) / "encoder" / "config.json").exists()
    data = ("eval", flow, tmp_path / "data.tsv", "--outside", "oos", "--json")
    assert _run(*data) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["revision"] == kept["revision"]
    assert found["estimate"]["accuracy"] == kept["estimate"]
    assert _run("train", flow, "--rollback", "quick") == 0
    assert "quick" in capsys.readouterr().out
    assert _run(*data, "--no-estimate") == 0
    assert json.loads(capsys.readouterr().out)["revision"] == "quick"
    assert _run("train", flow, "--rollback", kept["revision"][:8], "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["current"]
    with pytest.raises(ChatbotError, match="no revision 'nine'"):
        _run("train", flow, "--rollback", "nine")
