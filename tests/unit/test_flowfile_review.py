"""What only the whole of a flow shows: types, values and use, through subflows and out of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chatbot.errors import FlowError
from chatbot.flowfile import shipped
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import Problem
from tests.servers.processes import ROOT

TOP = """\
version: 1
name: top
listeners: {console: }
roles: {moderator: [console/anna]}
operations:
  understand: {flow: understand.yaml, inputs: {text: message.text, on: message.addressed}}
  say: {flow: say.yaml, inputs: {label: understand.label, who: message.name, on: {value: true}}}
outputs: {label: understand.label}
"""
UNDERSTAND = """\
version: 1
inputs: {text: string, on: boolean}
operations:
  clean: {run: clean_text, inputs: {text: text}}
  classify:
    run: classify_text
    when: on
    inputs: {text: clean.text}
    config: {examples: labels.yaml}
outputs: {label: classify.label, score: classify.score}
"""
SAY = """\
version: 1
inputs: {label: string, who: string, on: boolean}
operations:
  answer:
    when: on
    inputs: {label: label, sender: who}
    config: {answers: {greeting: Hello, bug: Report it}}
outputs: {reply: answer.reply}
"""
FILES = {"top": TOP, "understand": UNDERSTAND, "say": SAY}


def loaded(folder: Path, **changed: tuple[str, str]) -> tuple[list[Problem], list[Problem]]:
    """Return the problems and warnings of the files above, in each of which one text changed."""
    (folder / "labels.yaml").write_text("greeting: [hi, hello]\nbug: [it crashes, a bug]\n")
    for name, text in FILES.items():
        old, new = changed.get(name, ("", ""))
        assert old in text
        (folder / f"{name}.yaml").write_text(text.replace(old, new, 1) if old else text)
    try:
        return [], list(load(folder / "top.yaml", environment={}.get).warnings)
    except FlowError as error:
        return error.problems, []


def problems(folder: Path) -> list[Problem]:
    try:
        load(folder / "top.yaml", environment={}.get)
    except FlowError as error:
        return error.problems
    return []


def place(problem: Problem) -> tuple[str, int]:
    return Path(problem.file).name, problem.line


def test_what_fits_together_is_right(tmp_path: Path) -> None:
    assert loaded(tmp_path) == ([], [])


def test_a_label_is_traced_out_of_one_subflow_into_another(tmp_path: Path) -> None:
    [problem], _ = loaded(tmp_path, say=("greeting: Hello", "greting: Hello"))
    assert place(problem) == ("say.yaml", 7)
    assert "classify.label in understand.yaml" in problem.message
    assert "did you mean greeting?" in problem.hint


def test_a_label_that_may_come_from_elsewhere_too_is_not_missed(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        top=("label: understand.label, who", "label: [understand.label, message.text], who"),
        say=("greeting: Hello", "greting: Hello"),
    )
    assert found == ([], [])


def test_a_label_that_is_given_counts_as_one(tmp_path: Path) -> None:
    given = ("label: understand.label, who", "label: [understand.label, {value: gone}], who")
    assert loaded(tmp_path, top=given, say=("bug: Report it", "gone: bye")) == ([], [])


def test_a_condition_that_is_given_as_false_is_never_true(tmp_path: Path) -> None:
    [problem], _ = loaded(tmp_path, top=("on: {value: true}", "on: {value: false}"))
    assert place(problem) == ("say.yaml", 5)
    assert "`answer` can never start: `on` is never true" in problem.message
    assert "false" in problem.hint


def test_a_condition_on_roles_needs_somebody_who_has_one(tmp_path: Path) -> None:
    roles = TOP.replace("on: message.addressed", "on: message.roles")
    asked = UNDERSTAND.replace("on: boolean", "on: list")
    for text, lines in ((roles, []), (roles.replace("roles: {", "# {"), [7])):
        loaded(tmp_path)
        (tmp_path / "top.yaml").write_text(text)
        (tmp_path / "understand.yaml").write_text(asked)
        assert [p.line for p in problems(tmp_path)] == lines


def test_a_condition_that_always_holds_is_a_warning(tmp_path: Path) -> None:
    kind = ("say: {flow", "say: {when: message.kind, flow")
    _, [warning] = loaded(tmp_path, top=kind)
    assert place(warning) == ("top.yaml", 7)
    assert "`message.kind` is always true" in warning.message


def test_a_type_is_traced_through_a_subflow(tmp_path: Path) -> None:
    [problem], _ = loaded(
        tmp_path, top=("label: understand.label, who", "label: understand.score, who")
    )
    assert place(problem) == ("top.yaml", 7)
    assert problem.message == (
        "`score` is a number from classify.score in understand.yaml, say.label wants a string"
    )
    assert "understand.label" in problem.hint


def test_a_reply_that_a_subflow_keeps_to_itself_is_a_warning(tmp_path: Path) -> None:
    _, warnings = loaded(tmp_path, say=("reply: answer.reply", "label: label"))
    assert any("the reply of `answer` goes nowhere" in each.message for each in warnings)


def test_what_nothing_uses_is_a_warning(tmp_path: Path) -> None:
    _, [warning] = loaded(
        tmp_path,
        top=(
            "operations:\n",
            "operations:\n  idle: {run: clean_text, inputs: {text: message.text}}\n",
        ),
    )
    assert place(warning) == ("top.yaml", 6)
    assert "nothing uses what `idle` gives" in warning.message


@pytest.mark.parametrize("name", shipped.names())
def test_a_flow_that_ships_is_right_and_has_no_warnings(name: str) -> None:
    assert load(name, environment={}.get).warnings == ()


def test_checking_needs_no_models(tmp_path: Path) -> None:
    blocked = ["torch", "transformers", "sklearn", "numpy", "scipy", "onnxruntime"]
    code = (
        "import sys\n"
        f"for name in {blocked}: sys.modules[name] = None\n"
        "from chatbot.cli import main\n"
        "sys.argv = ['chatbot', 'flow', 'check', 'flows/support.yaml']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
