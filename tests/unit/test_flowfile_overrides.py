"""`--set dotted.path=value` lays values over a flow file."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.load import load
from chatbot.flowfile.problems import render
from tests.unit.flowfiles import installed, problems_of, write

__all__ = ["installed"]

FLOW = """\
version: 1
listeners: {sample_chat: {server: }}
operations:
  inner: {flow: inner.yaml, inputs: {text: message.text}}
  answer:
    run: sample_answer
    inputs: {label: inner.label, sender: message.sender}
"""
INNER = """\
version: 1
inputs: {text: string}
operations:
  label: {run: sample_label, inputs: {text: text}, config: {words: {hi: greeting}}}
outputs: {label: label.label}
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write(tmp_path, flow=FLOW, inner=INNER)


def test_a_value_is_replaced_and_typed_as_yaml(flow: Path) -> None:
    overrides = [
        "listeners.sample_chat.server=127.0.0.1",
        "listeners.sample_chat.port=6667",
        "listeners.sample_chat.channels=['#a', '#b']",
        "operations.answer.config.notice=true",
        "operations.answer.config.answers.hi='a=b: c'",
    ]
    loaded = load(flow, overrides=overrides)
    section = loaded.listeners["sample_chat"]
    assert section.on
    assert section.settings == {"server": "127.0.0.1", "port": 6667, "channels": ("#a", "#b")}
    assert loaded.instances["answer"].config == {"notice": True, "answers": {"hi": "a=b: c"}}


@pytest.mark.parametrize("text", ["@bot:example.org", "#channel", "`x`", "%20"])
def test_what_begins_as_people_begin_a_name_is_text(flow: Path, text: str) -> None:
    loaded = load(flow, overrides=[f"listeners.sample_chat.server={text}"])
    assert loaded.listeners["sample_chat"].settings == {"server": text}


def test_the_last_of_two_overrides_counts(flow: Path) -> None:
    loaded = load(flow, overrides=["name=one", "name=two"])
    assert loaded.name == "two"


def test_a_path_reaches_into_a_subflow(flow: Path) -> None:
    path = "operations.inner.operations.label.config.threshold"
    loaded = load(flow, overrides=[f"{path}=0.6"])
    assert loaded.instances["inner/label"].config["threshold"] == 0.6


def test_two_uses_of_a_subflow_are_set_apart(flow: Path) -> None:
    second = "  second: {flow: inner.yaml, inputs: {text: message.text}}\n"
    flow.write_text(flow.read_text() + second)
    loaded = load(flow, overrides=["operations.second.operations.label.config.threshold=0.9"])
    assert "threshold" not in loaded.instances["inner/label"].config
    assert loaded.instances["second/label"].config["threshold"] == 0.9


def test_an_anchor_elsewhere_is_left_alone(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  a: &a {run: sample_plain, inputs: {text: message.text}}
  b: *a
"""
    loaded = load(write(tmp_path, flow=flow), overrides=["operations.b.retry=3"])
    assert (loaded.instances["a"].retry, loaded.instances["b"].retry) == (0, 3)


@pytest.mark.parametrize(
    ("override", "column", "message"),
    [
        ("nothing", 1, "is not an override"),
        ("a..b=1", 1, "is not an override"),
        ("=1", 1, "is not an override"),
        ("name=[", 6, "is not YAML"),
        ("operations.inner.operations.lable.retry=1", 1, "there is no operation `lable`"),
        ("operations.iner.operations.label.retry=1", 1, "there is no `iner`"),
        ("operations.answer.operations.label.retry=1", 1, "`answer` is not a subflow"),
        ("version.x=1", 1, "`x` cannot be set inside a whole number"),
        ("operations.answer.retry=x", 25, "`retry` must be a whole number"),
        ("operations.answer.config.notise=true", 1, "has no key `notise`"),
        ("listeners.sample_chat.prot=1", 1, "has no setting `prot`"),
        ("operations.inner.operations.label.config.examples=no.txt", 51, "there is no file"),
    ],
)
def test_a_wrong_override_is_told_at_its_number(
    flow: Path, override: str, column: int, message: str
) -> None:
    overrides = ["name=fine", override]
    [problem] = [p for p in problems_of(flow, overrides) if p.file == "--set"]
    assert message in problem.message
    assert (problem.line, problem.column) == (2, column)
    assert f"  2 | {override}" in render(problem, overrides)
