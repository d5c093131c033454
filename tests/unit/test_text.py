"""Cleaning what people type."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.placement import is_cheap
from operations.text import clean, clean_text

KIB_64 = 65536


@pytest.mark.parametrize(
    "text",
    [
        "helpbot: how do I install this?",
        "helpbot, how do I install this?",
        "HELPBOT: how do I install this?",
        "@helpbot how do I install this?",
        "@Helpbot: how do I install this?",
        "helpbot how do I install this?",
        "helpbot_: how do I install this?",
        "helpbot :  how do I   install this?",
        "how do I install this, helpbot?",
        "how do I install this @helpbot?",
    ],
)
def test_the_name_of_the_bot_is_taken_out_wherever_people_put_it(text: str) -> None:
    cleaned = clean(text, "helpbot")
    assert cleaned.text == "how do I install this?"
    assert cleaned.open


def test_a_nick_that_the_server_changed_is_still_the_bots() -> None:
    assert clean("helpbot: hi", "helpbot_").text == "hi"
    assert clean("help[bot]: hi", "help[bot]").text == "hi"


@pytest.mark.parametrize("text", ["helpbots are fine", "what is helpbot", "my helpbot: it died"])
def test_the_name_within_a_sentence_stays(text: str) -> None:
    assert clean(text, "helpbot").text == text


@pytest.mark.parametrize(
    "text",
    [
        "anna: how do I install this?",
        "anna, thanks!",
        "@anna thanks",
        "anna_: yes",
        "anna : yes",
        "[anna]: yes",
        "!seen anna",
    ],
)
def test_what_begins_with_somebody_elses_name_is_not_open(text: str) -> None:
    assert clean(text, "helpbot").text == text
    assert not clean(text, "helpbot").open


@pytest.mark.parametrize(
    "text",
    [
        "hi, how do I install this?",
        "question: how do I install this?",
        "Thanks, that worked",
        "12: how do I install this?",
        "helpbot: anna: that is you",
        "helpbot: !help",
        "how do I install this: with pip?",
        "",
    ],
)
def test_an_opening_word_is_no_name(text: str) -> None:
    assert clean(text, "helpbot").open


def test_format_codes_of_irc_go() -> None:
    text = "\x0304,12red\x03 \x02bold\x02 \x1ditalic\x0f \x04ff8800hex\x04 \x1fline\x1e \x16\x11x"
    assert clean(text).text == "red bold italic hex line x"


def test_invisible_characters_go_and_letters_take_their_plain_form() -> None:
    assert clean("ｈｅｌｌｏ\u200b wo\u202erld\ufeff\x07\x00 \ud800ﬁne").text == "hello world fine"
    assert clean("\u3164\u2800\u00ad").text == ""


def test_links_are_kept_aside() -> None:
    cleaned = clean("see https://example.org/a_(b), and <www.example.com/x?y=1>.")
    assert cleaned.text == "see , and ."
    assert cleaned.links == ("https://example.org/a_(b)", "www.example.com/x?y=1")


def test_of_a_link_in_markdown_the_words_stay() -> None:
    cleaned = clean("is [the manual](https://example.org/m) wrong?")
    assert cleaned.text == "is the manual wrong?"
    assert cleaned.links == ("https://example.org/m",)


def test_code_is_kept_aside() -> None:
    cleaned = clean("what does `ls -l` do in\n```sh\nls -l | wc\n> x\n```\nplease?")
    assert cleaned.text == "what does do in please?"
    assert cleaned.code == ("ls -l", "ls -l | wc\n> x")
    assert cleaned.quotes == ()


def test_a_fence_that_is_never_closed_goes_to_the_end() -> None:
    cleaned = clean("why?\n```\nfoo()\nbar()")
    assert cleaned.text == "why?"
    assert cleaned.code == ("foo()\nbar()",)


def test_quoted_lines_are_kept_aside() -> None:
    cleaned = clean("> how do I install it?\n>> really\n\nwith pip", "helpbot")
    assert cleaned.text == "with pip"
    assert cleaned.quotes == ("how do I install it?", "really")


@pytest.mark.parametrize(
    "text",
    ["https://example.org", "`ls`", "helpbot: https://example.org!", "> what", "```\nx\n```"],
)
def test_nothing_is_left_of_links_code_and_quotes_alone(text: str) -> None:
    assert clean(text, "helpbot").text == ""


def test_a_smiley_is_a_text() -> None:
    assert clean(":)").text == ":)"
    assert clean("🎉 https://example.org").text == "🎉"


@given(st.text(max_size=300), st.text(max_size=20))
@settings(max_examples=400, deadline=None)
def test_any_text_becomes_one_legible_line(text: str, nick: str) -> None:
    cleaned = clean(text, nick)
    assert cleaned.text == " ".join(cleaned.text.split())
    assert not [c for c in cleaned.text if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
    assert len(cleaned.text) <= 18 * len(text)  # NFKC's longest expansion
    cleaned.text.encode()


@given(st.lists(st.sampled_from(["a", "B", "z", "é", "한", "１", "?", ".", ",", "-"]), max_size=40))
def test_a_clean_text_stays_as_it_is(words: list[str]) -> None:
    once = clean(" ".join(words)).text
    assert clean(once).text == once


@pytest.mark.parametrize(
    "unit",
    [
        "`", "```", "``x", "> ", "\n> ", "[", "[a](", "[a](http://", "http://", "www.", "<", "@",
        "a:", "a.b-c+", "\x031,", "\u0301\u0316", "ﾞ\u0334", "\ufdfa", "\ud800", "((((", "helpbot: ",
        "_", "http://a])", "\u3164", " \n",
    ],
)  # fmt: skip
def test_hostile_texts_of_64_kib_take_no_more_than_linear_time(unit: str) -> None:
    hostile = (unit * (KIB_64 // len(unit) + 1))[:KIB_64]
    for text in (hostile, f"helpbot{hostile}", f"{hostile}helpbot", f"http://{hostile}"):
        started = time.process_time()
        clean(text, "helpbot")
        assert time.process_time() - started < 1.5  # quadratic: from 3 s to minutes


async def test_the_operation_gives_each_field_as_an_output() -> None:
    outputs = await clean_text.test(text="helpbot: see `x` on https://example.org", nick="helpbot")
    assert outputs == {
        "text": "see on",
        "open": True,
        "links": ["https://example.org"],
        "code": ["x"],
        "quotes": [],
    }
    assert set(clean_text.op.outputs) == set(outputs)
    assert is_cheap(clean_text.imp)
