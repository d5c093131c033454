"""The tree of a YAML text: values as YAML 1.2 has them, each with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.flowfile.document import Node, parse, read
from chatbot.flowfile.problems import Mark, Report


def tree_of(text: str) -> Node:
    report = Report()
    tree = parse(text, Mark("f"), report)
    assert report.problems() == []
    assert tree is not None
    return tree


def places(text: str) -> dict[str, tuple[int, int, int, int]]:
    entries: Any = tree_of(text).value
    return {k: (n.key.line, n.key.column, n.mark.line, n.mark.column) for k, n in entries.items()}


def test_keys_and_values_know_their_places() -> None:
    text = 'a: 1\n"b c":\n  - x\n\nd: {e: f}\n'
    assert places(text) == {"a": (1, 1, 1, 4), "b c": (2, 1, 3, 3), "d": (5, 1, 5, 4)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("~", None),
        ("12", 12),
        ("0x10", 16),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("2020-01-01", "2020-01-01"),
        ("'12'", "12"),
        ('"\\ud83d\\ude00"', "😀"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_a_scalar_is_what_yaml_says(text: str, value: object) -> None:
    found = tree_of(f"x: {text}").plain()["x"]
    assert found == value
    assert type(found) is type(value)


def test_anchors_and_merges_work() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a]\nd: {<<: [{y: 4}, *a]}\n"
    assert tree_of(text).plain() == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": [{"x": 1, "y": 2}],
        "d": {"x": 1, "y": 4},
    }


def test_an_alias_in_a_circle_is_reported() -> None:
    report = Report()
    parse("a: &a [*a]\n", Mark("f"), report)
    assert [p.message for p in report.problems()] == ["an alias leads back to what contains it"]


def test_every_duplicate_key_is_reported() -> None:
    report = Report()
    parse("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n", Mark("f"), report)
    assert [(p.line, p.column) for p in report.problems()] == [(2, 1), (3, 11), (4, 1)]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a: [1,\n", 1, 4), ("a: 'x\n", 1, 4), ("a: b: c\n", 1, 5), ("a: \x07\n", 1, 4)],
)
def test_a_syntax_error_has_a_place(text: str, line: int, column: int) -> None:
    report = Report()
    assert parse(text, Mark("f"), report) is None
    [problem] = report.problems()
    assert (problem.line, problem.column) == (line, column)
    assert problem.message.startswith("is not YAML")


def test_json_with_tabs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": [1, "😀"], "b": None}, indent="\t"))
    report = Report()
    tree = read(path, report)
    assert tree is not None
    assert tree.plain() == {"a": [1, "😀"], "b": None}


KEYS = st.text(st.characters(codec="utf-8"), max_size=60)
"""YAML takes no key of more than 1024 characters, escapes and all, on one line."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_is_read_as_json(value: object) -> None:
    text = json.dumps({"x": value})
    assert tree_of(text).plain() == {"x": value}


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    report = Report()
    tree = parse(text, Mark("f"), report)
    assert tree is None or isinstance(tree, Node)
    assert all(p.line >= 1 and p.column >= 1 for p in report.problems())
