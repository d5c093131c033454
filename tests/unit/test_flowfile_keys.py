"""The table of what a flow file may have is complete in itself."""

from __future__ import annotations

import re

import pytest

from chatbot.flowfile import keys
from chatbot.flowfile.keys import SECTIONS, Key

ALL = [(s, name, key) for s, described in SECTIONS.items() for name, key in described.keys.items()]


def named(key: Key) -> list[str]:
    return [name for name in (key.section, key.each) if name]


@pytest.mark.parametrize(("section", "name", "key"), ALL)
def test_a_key_names_sections_that_there_are(section: str, name: str, key: Key) -> None:
    assert set(named(key)) <= set(SECTIONS), f"{section}.{name}"


@pytest.mark.parametrize(("section", "name", "key"), ALL)
def test_a_key_says_what_it_is_for_and_which_types_it_has(
    section: str, name: str, key: Key
) -> None:
    assert key.doc.endswith(".")
    assert set(key.types) <= set(keys.ANY) | {keys.WHOLE}
    re.compile(key.pattern)
    if key.choices and key.default is not None:
        assert key.default in key.choices


def test_every_section_is_used_by_another_or_is_a_file() -> None:
    used = {name for _, _, key in ALL for name in named(key)}
    assert set(SECTIONS) - used == {"flow", "subflow"}
