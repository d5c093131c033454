"""Old flow files become new ones, and stay what their authors wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.errors import UsageError
from chatbot.flowfile.load import load
from chatbot.flowfile.migration import STEPS, migrated
from chatbot.flowfile.sections import VERSION
from tests.unit.flowfiles import installed

__all__ = ["installed"]

OLD = """\
# what it is for
name: old   # and why

operations:
  # says it loud
  shout: {run: "sample_plain", inputs: {text: message.text}}
"""


def test_every_version_has_a_step_to_the_next() -> None:
    assert list(STEPS) == list(range(VERSION))


def test_a_file_without_a_version_gets_one_and_keeps_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(OLD)
    found = migrated(path)
    assert found.changes == ("version: 1",)
    assert [line for line in found.after.splitlines() if line != "version: 1"] == OLD.splitlines()
    path.write_text(found.after)
    assert load(path).name == "old"
    assert migrated(path).changes == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "version: 99\noperations: {}\n", "the version 99 is not known"),
        ("a.yaml", "version: true\noperations: {}\n", "the version True is not known"),
        ("a.yaml", "a: [", "is not YAML"),
        ("a.yaml", "greeting: [hi]\n", "is no flow file"),
        ("a.json", "{}", "only YAML"),
    ],
)
def test_what_cannot_be_migrated_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        migrated(tmp_path / name)
