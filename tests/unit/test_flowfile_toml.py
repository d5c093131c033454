"""Flow files in TOML and JSON: the same flows, and the same places for what is wrong."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from chatbot.flowfile.load import load
from chatbot.flowfile.problems import Mark, Report
from chatbot.flowfile.toml import parse_toml
from tests.unit.flowfiles import installed, problems_of

__all__ = ["installed"]

FLOW = """\
version = 1
name = "flow"

[operations.shout]
run = "sample_plain"
inputs = {text = "message.text"}

[operations.answer]
reply = '''
{{ shout.result }}!
'''

[outputs]
loud = "shout.result"
"""


def test_a_flow_in_toml_is_the_flow_in_yaml_and_json(tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text(FLOW)
    (tmp_path / "flow.json").write_text(json.dumps(tomllib.loads(FLOW), indent="\t"))
    in_toml, in_json = load(tmp_path / "flow.toml"), load(tmp_path / "flow.json")
    assert in_toml.revision == in_json.revision
    assert set(in_toml.instances) == {"shout", "answer"}


# What stands before `^` in the text is where the problem must be.
WRONG = [
    ("version = ^2\n[operations]\na = {run = 'sample_plain'}", "this version is not supported"),
    ("version = 1\n[operations.a]\nrun = ^'sample_plane'", "no operation `sample_plane`"),
    ("version = 1\n[operations.a]\nrun = 'sample_plain'\n^wen = 'x'", "`a` has no key `wen`"),
    (
        "version = 1\n[operations]\na.run = 'sample_plain'\na.inputs.text = ^'message.txt'",
        "a message has no field `txt`",
    ),
    (
        "version = 1\n[operations]\na = {run = 'sample_plain', inputs = {text = ^'message.txt'}}",
        "a message has no field `txt`",
    ),
    (
        "version = 1\n[operations.a]\nrun = 'sample_plain'\ninputs.text = ['message.text',\n"
        "  # another\n  ^'message.txt',\n]",
        "a message has no field `txt`",
    ),
    ("version = 1\n[^operation]\n", "a flow has no key `operation`"),
    ("version = 1\n[[^lists]]\nx = 1\n[[lists]]\nx = 2\n", "a flow has no key `lists`"),
    ("version = 1\nname = ^name", "is not TOML: Invalid value"),
    (
        "version = 1\n[operations.say]\nreply = '''\nHello\n{{ ^message.nam }}'''",
        "a message has no field `nam`",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_told_at_its_place(tmp_path: Path, text: str, message: str) -> None:
    before = text[: text.index("^")]
    (tmp_path / "flow.toml").write_text(text.replace("^", "", 1))
    found = problems_of(tmp_path / "flow.toml")
    place = before.count("\n") + 1, len(before) - before.rfind("\n")
    assert [p for p in found if message in p.message and (p.line, p.column) == place], found


def test_json_has_its_places_too(tmp_path: Path) -> None:
    text = '{"version": 1,\n\t"operations": {"a": {"run": "sample_plane"}}}'
    (tmp_path / "flow.json").write_text(text)
    [problem] = problems_of(tmp_path / "flow.json")
    assert (problem.line, problem.column) == (2, 30)
    (tmp_path / "flow.json").write_text('{"version": 1,\n "name": "a" "b"}')
    [problem] = problems_of(tmp_path / "flow.json")
    assert problem.line == 2


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
SCALAR = TEXT | st.integers(-(2**60), 2**60) | st.booleans() | st.floats(allow_nan=False)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUE, min_size=1, max_size=4))
def test_the_tree_is_what_pythons_own_parser_loads(values: dict[str, Any]) -> None:
    text = tomlkit.dumps(values)
    tree = parse_toml(text, Mark("x.toml"), Report())
    assert tree is not None
    assert tree.plain() == tomllib.loads(text)


AWKWARD = [
    'a = """x\\\n   y"""\nb = 1',
    "a = '''it''s'''''\nb = 2",
    'a = """say \\"""hi\\""" """""\nb = 3',
    "[a.b]\nx = 1\n[a]\ny = 2\n[[c]]\n[c.d]\nz = 1\n[[c]]\n[c.d]\nz = 2",
    '"a.b"."c d" = 1\n\'e\'.f = 1979-05-27\ng = 07:32:00',
    "a = [1, [2, {b = 'x]', c = [']']}], # ]\n]\nd = -inf # x\ne = 0xff",
    "a = 1\r\nb = 2\r\n",
    "a.b.c = 1\na.b.d = 2\n  [e . f]\nx=1",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_toml_is_read_as_it_is_meant(text: str) -> None:
    tree = parse_toml(text, Mark("x.toml"), Report())
    assert tree is not None
    expected = json.loads(json.dumps(tomllib.loads(text), default=str))
    found = json.loads(json.dumps(tree.plain()))
    assert found == expected
