"""Texts, names and replies of Matrix."""

from __future__ import annotations

import json

import pytest

from chatbot.listeners.matrix import MatrixSettings, text
from chatbot.listeners.matrix.content import MOST, contents, formatted
from chatbot.messages import Outcome, Reply

SETTINGS = MatrixSettings(user="@bot:example.org", token="x")


def outcome(*replies: Reply, **more: object) -> Outcome:
    return Outcome("$q", "net", "!r", "@ann:example.org", replies, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ann", "Ann"),
        ("Ann\n\r\u2028B", "Ann B"),
        ("\u202eAnn\u2066\u200b\u200e\x00\x1b[31m", "Ann [31m"),
        ("👩\u200d🔬", "👩🔬"),
        ("\ud800x", "x"),
        ("a" * 500, "a" * 100),
        (" \t\u3000 ", ""),
    ],
)
def test_a_name_is_one_short_line_that_turns_nothing_round(given: str, shown: str) -> None:
    assert text.name(given) == shown


def test_a_quotation_is_cut_off_and_nothing_else() -> None:
    assert text.without_fallback("> <@a:b> x\n> y\n\nhi\n> z") == "hi\n> z"
    assert text.without_fallback("> * <@a:b> waves\n\nhi") == "hi"
    assert text.without_fallback("> quoted by hand\n\nhi") == "> quoted by hand\n\nhi"


def test_a_long_text_breaks_at_lines_and_words() -> None:
    assert text.pieces("one two\nthree four", limit=10, most=9) == ["one two", "three four"]
    assert text.pieces("one two three", limit=8, most=9) == ["one two", "three"]
    assert text.pieces("abcdefghij", limit=4, most=2) == ["abcd", "e…"]
    assert text.pieces("ééé", limit=3, most=9) == ["é", "é", "é"]
    assert text.pieces("\n\n \n", limit=3, most=9) == []


@pytest.mark.parametrize(
    "given",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://example.org/spy.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,hi)",
        '<https://ok.example/" onclick=x>',
    ],
)
def test_no_text_becomes_markup_that_does_something(given: str) -> None:
    shown = formatted(given)
    for bad in ("<script", "<img", 'href="javascript', 'href="data', '" onclick'):
        assert bad not in shown


def test_markdown_is_shown_as_such() -> None:
    shown = formatted("**bold** `<code>`\n\n| a |\n|---|\n| b |")
    assert "<strong>bold</strong> <code>&lt;code&gt;</code>" in shown
    assert "<td>b</td>" in shown


def test_no_content_is_beyond_the_limit() -> None:
    for worst in ("&" * 200_000, '"' * 200_000, "\u0100" * 100_000, "\x01\n" * 90_000):
        made = contents(outcome(Reply(worst, markdown=True)), SETTINGS)
        assert len(made) <= 3
        assert all(len(json.dumps(each, ensure_ascii=False).encode()) < MOST + 500 for each in made)


def test_a_reply_to_a_message_that_was_tried_again_names_the_message() -> None:
    retried = Outcome("$q~retry-2", "net", "!r", "@ann:example.org", (Reply("hi"),))
    (content,) = contents(retried, SETTINGS)
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": "$q"}}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user", "bot"),
        ("user", "@bot"),
        ("user", "@b o t:example.org"),
        ("homeserver", "matrix.example.org"),
        ("homeserver", "ftp://example.org"),
        ("homeserver", "https://user:pw@example.org"),
        ("homeserver", "https://[example.org"),
        ("rooms", ("general",)),
        ("invites", ("",)),
        ("parts", 0),
        ("token", "a\nb"),
    ],
)
def test_a_wrong_setting_is_told_and_no_secret_is(key: str, value: object) -> None:
    wrong = MatrixSettings(**{"user": "@bot:example.org", "token": "s3cret", key: value})  # type: ignore[arg-type]
    (problem,) = wrong.problems()
    assert problem[0] == key
    assert "s3cret" not in repr(wrong) + problem[1]


def test_an_account_without_a_secret_is_told() -> None:
    ((key, _),) = MatrixSettings(user="@bot:example.org").problems()
    assert key == "user"


def test_old_and_new_ids_are_accounts() -> None:
    for user in ("@bot:example.org", "@Bot_=-./:127.0.0.1:8448", "@b:[2001:db8::1]:8448"):
        assert MatrixSettings(user=user, token="x").problems() == []
