"""`chatbot flow check`, `schema`, `show` and `test` as people and programs call them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.servers.processes import ROOT
from tests.unit.flowfiles import write
from tests.unit.test_cli import run

RIGHT = """\
version: 1
name: right
operations:
  clean: {run: clean_text, inputs: {text: message.text, nick: message.nick}}
  answer: {when: clean.open, inputs: {label: clean.text, sender: message.name},
           config: {answers: {hi: hello}}}
outputs: {text: clean.text}
"""
PART = """\
version: 1
inputs: {text: string}
operations: {clean: {run: clean_text, inputs: {text: text}}}
outputs: {text: clean.text}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, right=RIGHT, part=PART)
    write(tmp_path, wrong=RIGHT.replace("clean.open", "clean.opn"), worse="version: 1\n")
    return tmp_path


def test_flows_and_subflows_are_checked_together(folder: Path) -> None:
    done = run(folder, "flow", "check", "right.yaml", "part.yaml")
    assert done.returncode == 0
    assert re.search(r"right\.yaml: right \(2 operations", done.stderr)
    assert "part.yaml: right (a subflow; 1 operation)" in done.stderr
    plain = json.loads(run(folder, "flow", "check", "right.yaml", "part.yaml", "--json").stdout)
    assert [each["problems"] for each in plain] == [[], []]
    assert plain[1]["inputs"] == {"text": "string"}


def test_all_problems_of_all_files_are_told_with_line_and_caret(folder: Path) -> None:
    done = run(folder, "flow", "check", "wrong.yaml", "right.yaml", "worse.yaml")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    [at] = [n for n, line in enumerate(lines) if line.startswith("wrong.yaml:5:18: ")]
    assert lines[at].endswith("`clean` has no output `opn` (did you mean open?)")
    assert lines[at + 1].strip().startswith("5 |   answer: {when: clean.opn,")
    assert lines[at + 2].index("^") == lines[at + 1].index("clean.opn")
    assert any(line.startswith("worse.yaml:1:1: there are no operations") for line in lines)
    assert lines[-1] == "2 problems in the flow"
    plain = json.loads(run(folder, "flow", "check", "wrong.yaml", "worse.yaml", "--json").stdout)
    assert [each["file"] for each in plain["problems"]] == ["wrong.yaml", "worse.yaml"]


def test_the_schema_is_printed(folder: Path) -> None:
    done = run(folder, "flow", "schema")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["$schema"].endswith("2020-12/schema")


def test_a_flow_is_shown_on_the_terminal_and_in_a_file(folder: Path) -> None:
    shown = run(folder, "flow", "show", "right.yaml")
    assert (shown.returncode, shown.stdout.splitlines()[0]) == (0, "right (right.yaml)")
    assert run(folder, "flow", "show", "right.yaml", "-o", "a.svg", PATH="").returncode == 0
    assert (folder / "a.svg").read_text().startswith("<svg")
    assert run(folder, "flow", "show", "right.yaml", "--as", "png").returncode == 2
    assert run(folder, "flow", "show", "wrong.yaml").returncode == 2
    refused = run(folder, "flow", "show", "right.yaml", "-o", "none/a.svg")
    assert (refused.returncode, "cannot be written" in refused.stderr) == (2, True)


def test_a_flow_that_runs_a_file_is_not_exported(folder: Path) -> None:
    (folder / "shout.py").write_text(
        "from chatbot import operation\n\n\n"
        "@operation\ndef shout(text: str) -> str:\n    return text.upper()\n"
    )
    entry = "{run: ./shout.py:shout, inputs: {text: message.text}}"
    local = f"version: 1\noperations: {{clean: {entry}}}\n"
    write(folder, local=local)
    done = run(folder, "flow", "export", "local.yaml", "--dffml")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "`clean` runs ./shout.py:shout: DFFML loads no operation from a file" in done.stderr


def test_tests_of_a_flow_are_run_and_counted(folder: Path) -> None:
    (folder / "right.test.yaml").write_text(
        "tests:\n  - {said: hi, reply: hello}\n  - {said: 'otto: hi', silence: true}\n"
    )
    done = run(folder, "flow", "test", "right.yaml", "--junit", "out.xml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 passed" in done.stdout
    assert "2 of 2 operations ran, 1 of 1 conditions were true and false" in done.stdout
    assert "<testsuites>" in (folder / "out.xml").read_text()
    assert run(folder, "flow", "test").returncode == 0, "all tests below this folder"


def test_a_test_that_fails_and_one_that_is_wrong_have_their_exit_codes(folder: Path) -> None:
    tests = folder / "right.test.yaml"
    tests.write_text("tests:\n  - {said: hi, reply: goodbye}\n")
    failed = run(folder, "flow", "test", "right.yaml")
    assert failed.returncode == 1
    assert "right.test.yaml:2:5: hi" in failed.stdout
    assert "    - goodbye\n    + hello" in failed.stdout
    plain = json.loads(run(folder, "flow", "test", "right.yaml", "--json").stdout)
    assert (plain["passed"], plain["failed"]) == (0, 1)
    tests.write_text("tests:\n  - {sad: hi, reply: goodbye}\n")
    wrong = run(folder, "flow", "test", "right.yaml")
    assert wrong.returncode == 2
    assert "right.test.yaml:2:6: a test has no key `sad` (did you mean said?)" in wrong.stderr
    assert run(folder, "flow", "test", "part.yaml").returncode == 2
    assert run(folder, "flow", "test", "--nats", "wrong").returncode == 2


def test_the_hook_names_a_command_that_there_is(folder: Path) -> None:
    [hook] = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == "chatbot-flow-check"
    program, *arguments = hook["entry"].split()
    assert program == "chatbot"
    assert run(folder, *arguments, "right.yaml", "part.yaml").returncode == 0
    taken = re.compile(hook["files"])
    for name in ("support.yaml", "support.test.yaml", "support-labels.yaml"):
        assert taken.search(f"flows/{name}")
        assert taken.search(f"my/flow/{name}")
    assert not taken.search("deploy/compose.yaml")
