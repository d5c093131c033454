"""Addresses, listening addresses and subjects: what people write becomes what NATS takes."""

from __future__ import annotations

import pytest

from chatbot.broker.address import Address, redact
from chatbot.broker.server import Listen
from chatbot.broker.subjects import Lane, in_filter, in_subject, out_subject, token
from chatbot.errors import ConnectError, UsageError

HOSTILE = [
    "",
    " ",
    "a b",
    "a_b",
    "a.b",
    "a.*",
    "a.>",
    "*",
    ">",
    "$JS.API",
    "#help",
    "#Help",
    "##help",
    "a\tb",
    "a\r\nPUB x 0",
    "ä",
    "ö",
    "日本",
    "日",
    "😀",
    "a" * 64,
    "a" * 65,
    "a" * 66,
    "a" * 5000,
]


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("nats://host", ("nats://host:4222",)),
        ("host", ("nats://host:4222",)),
        ("host:5", ("nats://host:5",)),
        ("tls://h:1", ("tls://h:1",)),
        ("nats://[::1]:7", ("nats://[::1]:7",)),
        ("nats://a:1,nats://b,c:3", ("nats://a:1", "nats://b:4222", "nats://c:3")),
    ],
)
def test_an_address_names_one_server_or_several(url: str, servers: tuple[str, ...]) -> None:
    assert Address.parse(url) == Address(servers)


def test_an_address_holds_a_token_or_a_user_with_a_password() -> None:
    assert Address.parse("nats://s%40cret@h").token == "s@cret"
    found = Address.parse("nats://me:p%2Fw@h")
    assert (found.user, found.password, found.token) == ("me", "p/w", None)
    assert Address.parse("nats://a,nats://tok@b").token == "tok"


def test_a_pin_is_read_and_never_ignored() -> None:
    assert Address.parse("tls://t@h:1?pin=AB").pin == "ab"
    with pytest.raises(ConnectError) as raised:
        Address.parse("nats://secret@h:1?pin=ab")  # would send the token in the clear
    assert "tls://" in raised.value.hint
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://secret@h",
        "nats://",
        "nats://secret@",
        "nats://me:secret@h:port",
        "nats://me:secret@h:99999",
        "nats://me:sec/ret@h",
        "nats://me:sec,ret@h",
        "nats://secret@[::1",
    ],
)
def test_what_is_no_address_is_refused_without_its_credential(url: str) -> None:
    with pytest.raises(ConnectError) as raised:
        Address.parse(url)
    told = f"{raised.value} {raised.value.hint} {raised.value.__suppress_context__}"
    for part in ("secret", "sec", "ret@", "me:"):
        assert part not in told
    assert raised.value.__suppress_context__, "a traceback would show the parser's own words"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://tok@h:1", "h:1"),
        ("nats://me:pass@h:1", "h:1"),
        ("nats://me:p@ss@h", "h"),
        ("nats://me:p,ss@h", "h"),
        ("nats://me:p?ss@h", "h"),
        ("tls://tok@h:1?pin=abcd", "h:1"),
        ("nats://h:1", "nats://h:1"),
        ("nats://tok@a:1,nats://tok@b:2", "a:1,b:2"),
        ("nats://a,nats://b", "nats://a,nats://b"),
        ("a:1,b:2", "a:1,b:2"),
    ],
)
def test_a_shown_address_has_no_credential(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("192.0.2.7", Listen("192.0.2.7")),
        ("192.0.2.7:1", Listen("192.0.2.7", 1)),
        ("bot.example.org:65535", Listen("bot.example.org", 65535)),
        ("::1", Listen("::1")),
        ("::", Listen("::")),
        ("[::1]", Listen("::1")),
        ("[2001:db8::7]:4223", Listen("2001:db8::7", 4223)),
        ("0.0.0.0", Listen("0.0.0.0")),
    ],
)
def test_a_listening_address_is_a_host_and_perhaps_a_port(text: str, listen: Listen) -> None:
    assert Listen.parse(text) == listen


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", ":1", "h:", "h:0", "h:65536", "h:x", "h:-1", "h:²"),
        *("[]", "[]:1", "[::1", "a:1:2", "nats://h:1", "a b", "h/1", "[h", "h]:1", "*"),
    ],
)
def test_what_is_no_listening_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Listen.parse(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_one_token_of_a_subject(name: str) -> None:
    found = token(name)
    assert found.isascii()
    assert 0 < len(found) <= 64
    assert all(c.isalnum() or c in "_-=" for c in found)


def test_distinct_names_are_distinct_tokens() -> None:
    assert len({token(name) for name in HOSTILE}) == len(HOSTILE)


def test_a_name_that_looks_like_anothers_token_is_not_taken_for_it() -> None:
    assert token(token("a b")) != token("a b")


def test_a_message_has_a_subject_of_its_own_within_its_flow() -> None:
    subject = in_subject("f.x", Lane.PEOPLE, "irc net", "id > *")
    assert len(subject.split(".")) == 6
    assert subject.startswith(in_filter("f.x", Lane.PEOPLE)[:-1])
    assert not in_subject("f", Lane.PEOPLE, "n", "1").startswith(in_filter("f.x")[:-3])
    assert out_subject("f", "n", "1") != out_subject("f", "n", "2")
