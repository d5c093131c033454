"""A flow is found by its path or by the name of one that comes with the program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chatbot.flowfile import shipped
from tests.unit.flowfiles import problems_of, write


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "flows"
    folder.mkdir()
    write(
        folder,
        support="version: 1\noperations: {}\n",
        moderation="version: 1\noperations: {}\n",
        understand="version: 1\ninputs: {text: string}\noperations: {}\n",
        labels="greeting: [hi]\n",
    )
    monkeypatch.setattr(shipped, "_FOLDERS", (folder, tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    return folder


def test_only_flows_for_bots_are_listed(flows: Path) -> None:
    assert shipped.names() == ["moderation", "support"]


def test_a_bare_name_finds_the_flow_that_comes_with_the_program(flows: Path) -> None:
    [problem] = problems_of("support")
    assert problem.file == str(flows / "support.yaml")


def test_an_existing_path_comes_first(flows: Path, tmp_path: Path) -> None:
    (tmp_path / "support").write_text("version: 1\n")
    [problem] = problems_of("support")
    assert problem.file == "support"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("suport", "no flow of that name", "did you mean support?"),
        ("zzz", "no flow of that name", "there are: moderation, support"),
        ("flows/suport.yaml", "no such file", "did you mean support.yaml?"),
        ("none/support.yaml", "no such file", "there is no folder none"),
        ("flows", "is a folder", ""),
    ],
)
def test_what_does_not_exist_is_told(flows: Path, name: str, message: str, hint: str) -> None:
    [problem] = problems_of(name)
    assert (problem.file, problem.line, problem.hint) == (name, 1, hint)
    assert message in problem.message


def test_the_wheel_has_the_flows_where_they_are_looked_for() -> None:
    root = Path(shipped.__file__).parents[2]
    text = (root / "pyproject.toml").read_text()
    assert 'flows = "chatbot/shipped/flows"' in text
    assert root / "chatbot" / "shipped" / "flows" in shipped._FOLDERS


def test_importing_the_loader_imports_neither_yaml_nor_dffml_nor_torch() -> None:
    program = (
        "import sys, chatbot.flowfile.load; "
        "print(sorted({'ruamel.yaml', 'dffml', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
