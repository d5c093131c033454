"""What `chatbot bench model` says of what it measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from chatbot.commands.bench_model import Row, Subject, _show
from chatbot.commands.screen import Screen
from chatbot.inference.measuring import Measured

SUBJECT = Subject("understand/classify", "tiny", "auto", {"one": ["hi"], "two": ["bye"]}, False)


def row(backend: str, rate: float, *, refused: bool = False) -> Row:
    return Row(Measured(backend, rate, 0.003, 0.8, 200_000_000), 0.9, 1.0, refused)


def shown(
    rows: list[Row], impossible: list[Measured] | None = None, subject: Subject = SUBJECT
) -> list[str]:
    """Return the lines on a terminal of 80 columns."""
    screen = Screen()
    screen._out = Console(width=80, highlight=False)
    with screen.out.capture() as captured:
        _show(subject, rows, impossible or [], screen)
    return captured.get().splitlines()


def test_the_fastest_that_is_not_refused_is_named_with_its_setting() -> None:
    rows = [row("onnx", 500), row("torch-bf16", 1000), row("onnx-int8", 2000, refused=True)]
    *_, advice = shown(rows)
    assert advice == (
        "torch-bf16 is 2.0 times as fast as the default. To choose it: "
        "--set operations.understand.operations.classify.config.backend=torch-bf16"
    )


@pytest.mark.parametrize("rate", [300, 510])
def test_what_is_hardly_faster_is_not_recommended(rate: float) -> None:
    *_, advice = shown([row("onnx", 500), row("torch", rate)])
    assert advice == "None is much faster than the default here, onnx."


def test_each_back_end_has_one_line_on_a_narrow_terminal() -> None:
    lines = shown([row("torch-bf16", 123_456), row("onnx-int8", 99, refused=True)])
    [first] = [line for line in lines if line.strip().startswith("torch-bf16  ")]
    [second] = [line for line in lines if line.strip().startswith("onnx-int8  ")]
    assert first.rstrip().endswith("default")
    assert second.rstrip().endswith("refused")
    assert lines.index(second) == lines.index(first) + 1


def test_one_reason_is_said_once_for_all_that_it_rules_out() -> None:
    why = "the back end {!r} cannot be used: PyTorch finds no GPU here"
    ruled = [Measured(each, impossible=why.format(each)) for each in ("cuda", "cuda-fp16")]
    assert "cuda, cuda-fp16: PyTorch finds no GPU here" in shown([row("onnx", 500)], ruled)


def test_it_is_said_that_the_model_is_the_one_that_was_trained() -> None:
    lines = shown([row("onnx", 500)], subject=replace(SUBJECT, trained="ab" * 16))
    assert lines[0] == "understand/classify: what was trained, abababababab, 2 examples"
    assert any("differences count" in line for line in lines)
