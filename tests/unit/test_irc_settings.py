"""What a flow file may say about an IRC network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatbot.listeners.irc import IrcListener, IrcSettings


def test_a_server_is_all_that_is_needed() -> None:
    settings = IrcSettings(server="irc.libera.chat")
    assert settings.problems() == []
    assert (settings.port, settings.tls, settings.nick) == (6697, True, "chatbot")


def test_values_come_as_yaml_gives_them() -> None:
    raw: dict[str, Any] = {"server": "x", "channels": ["#a", "#b"], "ca_file": __file__}
    settings = IrcSettings(**raw)
    assert settings.channels == ("#a", "#b")
    assert settings.ca_file == Path(__file__)
    assert settings.problems() == []


def test_all_that_is_wrong_is_said_at_once() -> None:
    raw: dict[str, Any] = {
        "server": "irc://x",
        "port": "6697",
        "tls": "yes",
        "ca_file": "/does/not/exist",
        "nick": "a b",
        "username": "a b",
        "realname": "a\rb",
        "password": "a\nb",
        "channels": ["a", None],
        "rate": 0,
        "burst": True,
        "lines": 0,
        "delivery": "exactly-once",
    }
    keys = [key for key, _ in IrcSettings(**raw).problems()]
    assert sorted(keys) == sorted([*raw, "channels"])


@pytest.mark.parametrize("channels", [None, 5, {"#a": 1}])
def test_channels_of_another_kind_are_a_problem(channels: Any) -> None:
    problems = IrcSettings(server="x", channels=channels).problems()
    assert [key for key, _ in problems] == ["channels"]


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(IrcSettings(server="x", password="hunter2"))


def test_a_listener_says_where_it_is() -> None:
    settings = IrcSettings(server="irc.libera.chat", channels=("#a", "#b"))
    assert IrcListener("libera", settings).describe() == "irc.libera.chat:6697 #a,#b"
    assert IrcListener("local", IrcSettings(server="::1")).describe() == "[::1]:6697"
