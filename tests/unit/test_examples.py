"""Reading labelled examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.errors import FlowError
from chatbot.inference.examples import read_examples


def problems(tmp_path: Path, text: str) -> list[tuple[int, str]]:
    path = tmp_path / "labels.yaml"
    path.write_text(text)
    with pytest.raises(FlowError) as caught:
        read_examples(path)
    assert all(problem.file == str(path) for problem in caught.value.problems)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def test_labels_and_sentences_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text("b:\n  - hi\n  - hello\n  - hi\na: [yes, 'no']\n")
    assert read_examples(path) == {"b": ["hi", "hello"], "a": ["yes", "no"]}


def test_all_problems_are_told_with_their_places(tmp_path: Path) -> None:
    text = "greeting:\n  - hi\n  - 12\n  -\nbye: see you\nempty:\nthanks:\n  - Hi\n"
    found = problems(tmp_path, text)
    assert [line for line, _ in found] == [3, 4, 5, 6, 8]
    assert "a whole number" in found[0][1]
    assert "'bye' is a text, not a list" in found[2][1]
    assert "'empty' has no examples" in found[3][1]
    assert "under 'greeting' and 'thanks'" in found[4][1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("- hi\n", "is a list, not a map of labels"),
        ("greeting: [hi]\n", "fewer than two labels"),
        ("a: [x\n", "is not YAML"),
    ],
)
def test_what_is_no_examples_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    [(_, found)] = problems(tmp_path, text)
    assert message in found


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FlowError) as caught:
        read_examples(tmp_path / "none.yaml")
    assert caught.value.problems[0].file.endswith("none.yaml")
