"""What a flow file may say about an IRC network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatbot.listeners.irc import IrcListener, IrcSettings
from chatbot.listeners.irc.settings import address_of


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
        "servers": "a b",
        "password_file": "/does/not/exist",
        "account": "a b",
        "account_password": "a\nb",
        "account_password_file": "/does/not/exist",
        "sasl": "scram",
        "certificate": "/does/not/exist",
        "account_required": None,
        "nickserv": "yes",
        "invites": [1],
        "overflow": "wrap",
    }
    keys = [key for key, _ in IrcSettings(**raw).problems()]
    assert sorted(keys) == sorted([*raw, "channels"])


@pytest.mark.parametrize("channels", [None, 5, {"#a": 1}])
def test_channels_of_another_kind_are_a_problem(channels: Any) -> None:
    problems = IrcSettings(server="x", channels=channels).problems()
    assert [key for key, _ in problems] == ["channels"]


def test_the_password_is_not_shown() -> None:
    settings = IrcSettings(server="x", password="hunter2", account_password="hunter3")
    assert "hunter" not in repr(settings)


def test_a_listener_says_where_it_is() -> None:
    settings = IrcSettings(server="irc.libera.chat", channels=("#a", "#b"))
    assert IrcListener("libera", settings).describe() == "irc.libera.chat:6697 #a,#b"
    assert IrcListener("local", IrcSettings(server="::1")).describe() == "[::1]:6697"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("a.example", ("a.example", 7)),
        ("a.example:6", ("a.example", 6)),
        ("[::1]:6", ("::1", 6)),
        ("[::1]", ("::1", 7)),
        ("::1", ("::1", 7)),
        ("a:b:c", None),
        ("a:0", None),
        ("a:99999", None),
        ("", None),
        ("a/b", None),
        ("a b", None),
    ],
)
def test_a_server_is_a_host_with_or_without_a_port(
    text: str, address: tuple[str, int] | None
) -> None:
    assert address_of(text, 7) == address


@pytest.mark.parametrize(
    ("given", "mechanism"),
    [
        ({}, ""),
        ({"account": "a", "account_password": "b"}, "PLAIN"),
        ({"account": "a", "account_password_file": Path(__file__)}, "PLAIN"),
        ({"certificate": Path(__file__)}, "EXTERNAL"),
        ({"certificate": Path(__file__), "sasl": "none"}, ""),
    ],
)
def test_how_to_log_in_follows_from_what_is_given(given: dict[str, Any], mechanism: str) -> None:
    settings = IrcSettings(server="x", **given)
    assert (settings.mechanism, settings.problems()) == (mechanism, [])


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"sasl": "plain"}, ["account", "account_password"]),
        ({"sasl": "external"}, ["certificate"]),
        ({"nickserv": True, "account": "a"}, ["account_password"]),
        ({"certificate": Path(__file__), "tls": False}, ["certificate"]),
    ],
)
def test_what_is_missing_for_the_login_is_said(given: dict[str, Any], keys: list[str]) -> None:
    assert [key for key, _ in IrcSettings(server="x", **given).problems()] == keys
