"""`chatbot operations list` and `chatbot flow explain`."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from chatbot.commands import operations
from chatbot.errors import OperationError
from chatbot.flowfile.description import type_words
from chatbot.inference.backends import NAMES
from tests.unit.flowfiles import installed
from tests.unit.test_cli import run

__all__ = ["installed"]


def test_all_installed_operations_are_listed_with_their_package_and_place() -> None:
    found = {each.name: each for each in operations.listed()}
    assert {"answer", "classify_text", "clean_text", "sample_label", "multiply"} <= found.keys()
    assert found["sample_label"].package == "flowfile-samples"
    assert operations.where(found["sample_label"]) == "nodes"
    assert operations.where(found["clean_text"]) == "primary"
    assert operations.where(found["sample_broken"]) == "broken"
    assert "No module named" in found["sample_broken"].broken


def test_an_operation_is_explained() -> None:
    plain = json.loads(json.dumps(operations.as_json(operations.explain("sample_label"))))
    assert [each["name"] for each in plain["outputs"]] == ["label", "score", "sure"]
    assert plain["inputs"] == [{"name": "text", "type": "a string", "required": True}]
    by_name = {each["name"]: each for each in plain["config"]}
    assert by_name["words"] == {"name": "words", "type": "map of text", "required": True}
    assert by_name["threshold"]["default"] == 0.5
    assert by_name["mode"]["type"] == "fast or exact"
    assert by_name["look"]["default"] == {"size": 3, "colour": "red"}


def test_a_batching_operation_says_so() -> None:
    found = operations.explain("classify_text")
    assert found.batches
    assert found.doc.startswith("Give `text` the likeliest label")
    assert operations.example(found)[-1] == "    config: {examples: ...}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("clasify_text", "did you mean classify_text?"), ("pos_tagger", "dffml-operations-nlp")],
)
def test_what_is_not_installed_is_refused(name: str, hint: str) -> None:
    with pytest.raises(OperationError) as refused:
        operations.explain(name)
    assert hint in refused.value.hint


def test_types_are_in_the_words_of_a_flow_file() -> None:
    assert type_words(bool | tuple[str, ...]) == "true or false or list of text"
    assert type_words(Path | None) == "file"


def test_the_commands_print_for_people_and_for_programs(tmp_path: Path) -> None:
    listed = run(tmp_path, "operations", "list", COLUMNS="80")
    assert listed.returncode == 0, listed.stderr
    assert max(map(len, listed.stdout.splitlines())) <= 80
    plain = json.loads(run(tmp_path, "operations", "list", "--json").stdout)
    begun = {line.split()[0] for line in listed.stdout.splitlines() if line[0] != " "}
    assert begun >= {each["name"] for each in plain}, "names are whole, to be copied"
    shown = run(tmp_path, "flow", "explain", "answer").stdout
    assert "addressed_only  list of text   default: []" in shown
    assert run(tmp_path, "flow", "explain", "nothing").returncode == 2


def test_what_may_be_chosen_for_a_model_is_named(tmp_path: Path) -> None:
    shown = run(tmp_path, "flow", "explain", "classify_text").stdout
    assert [name for name in NAMES if f"`{name}`" not in shown] == []


def test_documentation_is_filled_to_the_terminal_and_lists_are_kept() -> None:
    text = "One line that\ngoes on.\n\n- a list\n- of two\n\nAnother paragraph, of some length."
    assert list(operations._filled(text, "  ", 40)) == [
        "  One line that goes on.",
        "",
        "  - a list",
        "  - of two",
        "",
        "  Another paragraph, of some length.",
    ]


def test_the_example_of_an_operation_is_a_flow_that_can_be_copied(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    shown = run(tmp_path, "flow", "explain", "loud.py").stdout
    assert "operations:\n      loud:\n        run: loud.py\n" in shown
    for name in operations.SHORT:
        shown = run(tmp_path, "flow", "explain", name).stdout.partition("in a flow:\n")[2]
        (tmp_path / "short.yaml").write_text("version: 1\n" + textwrap.dedent(shown))
        done = run(tmp_path, "flow", "check", "short.yaml")
        assert done.returncode == 0, done.stderr


LOUD = """
from chatbot import Reply, operation

@operation
def shout(text: str) -> Reply:
    \"\"\"Shout.\"\"\"
    return Reply(text.upper())
"""
