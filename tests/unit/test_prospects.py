"""What a condition can come to, of numbers and texts whose values nobody can list."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.errors import FlowError
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import Problem

UNDERSTAND = """\
version: 1
inputs: {text: string, nick: string}
operations:
  clean: {run: clean_text, inputs: {text: text, nick: nick}}
  classify:
    run: classify_text
    when: clean.open
    inputs: {text: clean.text}
    config: {examples: labels.yaml}
outputs: {label: classify.label, score: classify.score, text: clean.text}
"""
TOP = """\
version: 1
state: {count: {type: integer, start: 0}}
operations:
  understand: {flow: understand.yaml, inputs: {text: message.text, nick: message.nick}}
  count: {set: {count: {add: 1}}}
  say:
    when: CONDITION
    reply: hi
outputs: {label: understand.label}
"""


def told(folder: Path, condition: str) -> tuple[list[Problem], list[Problem]]:
    """Return the problems and warnings of a flow with that condition."""
    (folder / "labels.yaml").write_text("greeting: [hi, hello]\nbug: [it crashes, a bug]\n")
    (folder / "understand.yaml").write_text(UNDERSTAND)
    (folder / "top.yaml").write_text(TOP.replace("CONDITION", f'"{{{{ {condition} }}}}"'))
    try:
        return [], list(load(folder / "top.yaml", environment={}.get).warnings)
    except FlowError as error:
        return error.problems, []


@pytest.mark.parametrize(
    "condition",
    [
        "understand.score > 1.5",
        "understand.score > 80",
        "understand.score > 1",
        "understand.score < 0",
        "understand.score < -0.5",
        "understand.score > 0.9 and understand.score < 0.2",
        "0.9 < understand.score < 0.2",
        "understand.score > 0.5 and not understand.score >= 0.3",
        "understand.score == 2",
        "understand.score in [2, 3]",
        "state.count > 3 and state.count < 2",
        "state.count == 1 and state.count == 2",
        "message.text == 'a' and message.text == 'b'",
        "message.text in ['a', 'b'] and message.text == 'c'",
        "understand.label == 'bug' and understand.score > 2",
    ],
)
def test_what_no_value_fulfils_is_refused(tmp_path: Path, condition: str) -> None:
    [problem], _ = told(tmp_path, condition)
    assert (problem.line, problem.column) == (7, 11)
    assert "`say` can never start" in problem.message


def test_it_says_between_which_numbers_a_value_is(tmp_path: Path) -> None:
    [problem], _ = told(tmp_path, "understand.score > 1.5")
    assert problem.hint == "understand.score is from 0 to 1"


@pytest.mark.parametrize(
    "condition",
    [
        "message.private or not message.private",
        "state.count > 3 or state.count <= 3",
        "message.text != 'a' or message.text != 'b'",
        "true",
    ],
)
def test_what_every_value_fulfils_is_a_warning(tmp_path: Path, condition: str) -> None:
    problems, [warning] = told(tmp_path, condition)
    assert not problems
    assert "is always true" in warning.message


@pytest.mark.parametrize(
    "condition",
    [
        "understand.score >= 0",  # it is null where nothing was classified
        "understand.score >= 1",
        "understand.score <= 0",
        "0.2 < understand.score < 0.9",
        "understand.score * 100 > 80",
        "understand.score | round > 0.5",
        "understand.score > state.count",
        "understand.label is none",
        "not understand.label",
        "understand.label == none",
        "understand.label != 'bug'",
        "state.count > 100000",
        "state.count == -1",
        "state.count",
        "message.text == 'a' or message.text == 'b'",
        "message.text > 'a'",
        "'a' in message.text",
        "message.text in understand.text",
        "message.text | lower == 'a'",
        "message.text == understand.text",
        "(message.text | length) > 3 and (message.text | length) < 10",
    ],
)
def test_of_what_may_be_nothing_is_said(tmp_path: Path, condition: str) -> None:
    assert told(tmp_path, condition) == ([], [])
