"""Nicks as servers compare them and as people write them."""

from __future__ import annotations

from itertools import islice

import pytest

from chatbot.listeners.irc.names import alternatives, fold, is_addressed
from chatbot.listeners.irc.text import is_nick


def test_servers_differ_in_what_they_take_for_the_same() -> None:
    assert fold("A[]\\~", "rfc1459") == fold("a{}|^", "rfc1459")
    assert fold("A[]\\~", "strict-rfc1459") == "a{}|~"
    assert fold("A[]\\~", "ascii") == "a[]\\~"
    assert fold("É", "ascii") == "É"
    assert fold("É", "rfc8265") == "é"


@pytest.mark.parametrize("text", ["bot: hi", "BOT, hi", "@bot hi", "@bot", "@bot: hi", "bot:hi"])
def test_the_bot_is_addressed_by_its_nick(text: str) -> None:
    assert is_addressed(text, "bot", "ascii")


@pytest.mark.parametrize("text", ["bottle: hi", "bot hi", "hi bot", "@bottle hi", "@bot-2 hi", ""])
def test_a_word_that_begins_alike_does_not_address_the_bot(text: str) -> None:
    assert not is_addressed(text, "bot", "ascii")


def test_alternatives_are_valid_differ_and_are_not_too_long_for_old_servers() -> None:
    found = list(islice(alternatives("chatbot12"), 100))
    assert found[:3] == ["chatbot1_", "chatbot__", "chatbot11"]
    assert len(set(found)) == len(found) > 10
    assert all(is_nick(nick) and len(nick) <= 9 for nick in found)
    assert next(alternatives("chatbot")) == "chatbot_"
