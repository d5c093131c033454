"""`like`: whether a text is like a pattern, in a condition."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.flowfile.pattern import resembles
from chatbot.flowfile.template import Expression, faults


@pytest.mark.parametrize(
    ("text", "pattern", "is_like"),
    [
        ("What is NATS?", "what is *", True),
        ("so what is it", "what is *", False),
        ("so what is it", "*what is*", True),
        ("is it?", "*?", True),
        ("hi", "hi", True),
        ("hi!", "hi", False),
        ("aba", "ab*ba", False),
        ("STRASSE", "straße", True),
        (None, "*", False),
        (7, "7", True),
    ],
)
def test_a_text_is_like_a_pattern(text: object, pattern: str, is_like: bool) -> None:
    condition = Expression(f"{{{{ message.text | like('{pattern}') }}}}")
    assert condition.value({"message.text": text}) is is_like


@given(
    st.lists(st.text("ab", max_size=3), min_size=1, max_size=4).map("*".join),
    st.text("ab\n", max_size=9),
)
def test_a_star_stands_for_any_text(pattern: str, text: str) -> None:
    expected = ".*".join(map(re.escape, pattern.split("*")))
    assert resembles(pattern, text) == bool(re.fullmatch(expected, text, re.DOTALL))


def test_no_pattern_takes_long() -> None:
    started = time.process_time()
    assert not resembles("*a" * 2_000 + "*b", "a" * 16_000)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{{ a.b.startswith('x') }}", "nothing but range", "like('…*')"),
        ("{{ a.b | match('x') }}", "no filter `match`", "like('*…*')"),
        ("{{ a.b is search('x') }}", "no test `search`", "like('*…*')"),
        ("{{ a.b | like }}", "`like` needs a text", "like('…*')"),
    ],
)
def test_what_others_call_it_is_understood(text: str, message: str, hint: str) -> None:
    [fault] = faults(text)
    assert message in fault.message
    assert hint in fault.hint
