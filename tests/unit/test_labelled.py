"""Reading labelled texts in all forms, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.errors import FlowError
from chatbot.inference.examples import read_examples
from chatbot.inference.labelled import read_labelled


def _written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", 'label\ttext\na\tsay "hi"\nb\tbye, all\n'),
        ("a.tsv", '\ufefftext\tlabel\r\nsay "hi"\ta\r\nbye, all\tb\r\n'),
        ("a.csv", 'text,label\n"say ""hi""",a\n"bye, all",b\n'),
        (
            "a.jsonl",
            '{"text": "say \\"hi\\"", "label": "a"}\n\n{"text": "bye, all", "labels": ["b"]}\n',
        ),
        ("a.yaml", 'a:\n  - say "hi"\nb:\n  - bye, all\n'),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    rows = read_labelled(_written(tmp_path, name, text), frozenset("ab"))
    assert [(row.text, row.labels) for row in rows] == [
        ('say "hi"', ("a",)),
        ("bye, all", ("b",)),
    ]


@pytest.mark.parametrize(
    ("name", "text", "places"),
    [
        ("a.tsv", "label\ttext\ngreting\thi\na\t\na\n", [(2, 1), (3, 3), (4, 1)]),
        ("a.csv", 'text,label\nhi,\n"two\nlines",gone\n', [(2, 4), (3, 11)]),
        ("a.jsonl", '{"text": 1, "label": "a"}\n[]\n{"text": \n', [(1, 1), (2, 1), (3, 10)]),
        ("a.yaml", "a:\n  - 12\n  -\nb: x\n", [(2, 5), (3, 4), (4, 1)]),
        ("a.tsv", "lable\ttext\na\thi\n", [(1, 1)]),
        ("a.tsv", "", [(1, 1)]),
        ("a.csv", 'text,label\nhi,a\n"open\n', [(3, 1)]),
    ],
)
def test_all_that_is_wrong_is_told_with_its_place(
    tmp_path: Path, name: str, text: str, places: list[tuple[int, int]]
) -> None:
    path = _written(tmp_path, name, text)
    with pytest.raises(FlowError) as caught:
        read_labelled(path, frozenset({"a", "greeting"}))
    problems = caught.value.problems
    assert [(each.line, each.column) for each in problems] == places
    assert {each.file for each in problems} == {str(path)}


def test_a_label_that_the_flow_lacks_has_a_suggestion(tmp_path: Path) -> None:
    path = _written(tmp_path, "a.tsv", "label\ttext\ngreting\thi\n")
    with pytest.raises(FlowError) as caught:
        read_labelled(path, frozenset({"a", "greeting"}))
    assert caught.value.problems[0].hint == "did you mean greeting?"


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"label\ttext\na\t\xff\n")
    for name, line in (("a.tsv", 2), ("none.csv", 1)):
        with pytest.raises(FlowError) as caught:
            read_labelled(tmp_path / name)
        assert caught.value.problems[0].line == line


def test_examples_may_be_rows(tmp_path: Path) -> None:
    path = _written(tmp_path, "a.tsv", "label\ttext\nb\thi\na\tbye\nb\thi\nb\they\n")
    assert read_examples(path) == {"b": ["hi", "hey"], "a": ["bye"]}


def test_rows_that_contradict_are_left_out_unless_texts_may_have_several(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _written(tmp_path, "a.tsv", "label\ttext\nb\thi\na\tHi\nb\tyo\na\tno\n")
    assert read_examples(path) == {"b": ["yo"], "a": ["no"]}
    assert "leave out 2 examples" in caplog.text
    assert "a.tsv:2" in caplog.text
    assert read_examples(path, several=True) == {"b": ["hi", "yo"], "a": ["Hi", "no"]}
