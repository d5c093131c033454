"""What may go onto the wire, and what is made of what came from it."""

from __future__ import annotations

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatbot.listeners.irc.text import (
    heard,
    is_channel,
    is_nick,
    is_target,
    lines,
    room_for_text,
)


@settings(deadline=None)
@example("aa \u3000\u3000\u3000a", 8)
@given(st.text(max_size=2000), st.integers(min_value=8, max_value=450))
def test_no_line_exceeds_the_limit_or_holds_a_line_end(text: str, limit: int) -> None:
    for line in lines(text, limit=limit, most=5):
        assert line.strip()
        assert len(line.encode()) <= limit
        assert not set(line) & set("\r\n\0\x01")


@settings(deadline=None)
@given(st.text(alphabet="añ語👩‍🚀 e\u0301", max_size=3000), st.integers(8, 450))
def test_nothing_but_blanks_is_lost_where_there_are_lines_enough(text: str, limit: int) -> None:
    said = lines(text, limit=limit, most=10**6)
    assert "".join(said).replace(" ", "") == text.replace(" ", "")


def test_a_long_text_breaks_between_words() -> None:
    said = lines("the quick brown fox jumps over", limit=12, most=9)
    assert said == ["the quick", "brown fox", "jumps over"]


def test_a_long_word_breaks_between_graphemes() -> None:
    astronaut = "👩‍🚀"
    said = lines(astronaut * 10, limit=25, most=9)
    assert [len(regex.findall(r"\X", line)) for line in said] == [2] * 5


def test_a_grapheme_that_no_line_can_hold_is_said_in_pieces() -> None:
    monster = "a" + "\u0301" * 300
    assert "".join(lines(monster, limit=50, most=99)) == monster


def test_each_line_of_a_reply_is_a_line_and_empty_ones_are_not() -> None:
    assert lines("one\r\ntwo\rthree\n\n \nfour", limit=100, most=5) == [
        "one",
        "two",
        "three",
        "four",
    ]


def test_what_exceeds_the_lines_allowed_ends_in_an_ellipsis() -> None:
    assert lines("a\nb\nc\nd", limit=100, most=2) == ["a", "b…"]
    said = lines("x" * 100, limit=10, most=3)
    assert said == ["x" * 10, "x" * 10, "x" * 7 + "…"]


def test_a_text_of_exactly_the_lines_allowed_is_not_cut() -> None:
    assert lines("a\nb\n", limit=100, most=2) == ["a", "b"]


def test_the_prefix_that_the_server_adds_is_counted() -> None:
    full = ":bot!bot@host.example PRIVMSG #chan :"
    room = room_for_text("bot!bot@host.example", "PRIVMSG", "#chan", reserve=100)
    assert len(full) + room + len("\r\n") == 512
    assert room_for_text(None, "PRIVMSG", "#chan", reserve=100) == room + 20 - 100


@pytest.mark.parametrize("name", ["", ":x", "a b", "a,b", "a\rb", "a\0", "$*", "@#chan", "a" * 201])
def test_a_hostile_target_is_refused(name: str) -> None:
    assert not is_target(name)


@pytest.mark.parametrize("name", ["#chan", "&local", "Ann", "[x]\\`_^{}|-9", "#日本語"])
def test_a_usual_target_is_allowed(name: str) -> None:
    assert is_target(name)


def test_channels_and_nicks_are_told_apart() -> None:
    assert is_channel("#a")
    assert not is_channel("a")
    assert is_nick("bot_[1]")
    assert not any(is_nick(name) for name in ("#a", "1a", "-a", "a!b", "a b", "", "a.b"))


def test_what_is_heard_is_one_line_without_formatting() -> None:
    assert heard("\x02bold\x02 \x0304,12red\x03 x\ny\0z\x7f ") == "bold red x y z"


@given(st.text(max_size=400), st.integers(64, 200))
def test_a_line_that_is_cut_is_one_line_within_the_limit(text: str, limit: int) -> None:
    cut = lines(text, limit=limit, most=1000, cut=True)
    assert all(len(line.encode(errors="replace")) <= limit for line in cut)
    assert len(cut) <= len(lines(text, limit=100_000, most=1000))


def test_a_line_that_is_cut_keeps_its_last_link() -> None:
    text = "word " * 40 + "see https://example.org/first and https://example.org/long for more"
    (line,) = lines(text, limit=100, most=5, cut=True)
    assert line.startswith("word word")
    assert line.endswith("word… https://example.org/long")
    (other,) = lines("https://example.org/a " + "word " * 40, limit=100, most=5, cut=True)
    assert (other.count("http"), other[-1]) == (1, "…")
    (endless,) = lines("word " * 40 + "http://x/" + "y" * 200, limit=100, most=5, cut=True)
    assert endless.endswith("word…")
