"""The classic Gitter listener's pure parts: a stream's bytes, records, texts, settings."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatbot.listeners.gitter import GitterListener, GitterSettings
from chatbot.listeners.gitter.api import _reset
from chatbot.listeners.gitter.chunks import Chunks
from chatbot.listeners.gitter.records import event, floor, id_at, message, room, user
from chatbot.listeners.gitter.text import ELLIPSIS, plain, said
from chatbot.messages import Reply

FEW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
WORDS = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


@FEW
@given(
    st.lists(st.dictionaries(WORDS, VALUES, max_size=3), max_size=4),
    st.sampled_from(["\r", "\r\n", "\n", "\r \n", " \r\n\n"]),
    st.sampled_from([None, 1]),
    st.integers(1, 40),
)
def test_messages_come_out_whole_however_they_are_cut(
    values: list[Any], delimiter: str, indent: int | None, size: int
) -> None:
    data = "".join(json.dumps(value, indent=indent) + delimiter for value in values).encode()
    chunks = Chunks()
    found = []
    for start in range(0, len(data), size):
        found += chunks.feed(data[start : start + size])
    assert [json.loads(each) for each in found] == values
    assert chunks.lost == 0


@FEW
@given(st.lists(st.binary(max_size=30), max_size=20))
def test_behind_any_bytes_the_next_message_is_found(pieces: list[bytes]) -> None:
    chunks = Chunks(longest=64)
    for piece in pieces:
        chunks.feed(piece)
    assert chunks.feed(b'\r{"a": 1}\r')[-1:] == [b'{"a": 1}']


def test_a_message_without_end_takes_little_room_and_time() -> None:
    chunks = Chunks()
    chunks.feed(b'{"text": "')
    began = time.process_time()
    for _ in range(200):
        assert chunks.feed(b'\\"x{}' * 2000) == []
    assert time.process_time() - began < 1.0
    assert sum(map(len, chunks._begun)) <= 256 * 1024
    assert chunks.feed(b'"}{"a": 1}') == [b'{"a": 1}']
    assert chunks.lost == 1


@FEW
@given(VALUES)
def test_no_value_breaks_a_record(value: Any) -> None:
    for read in (user, room, message, event):
        read(value)
        read({"id": value, "fromUser": value, "text": value, "username": value, "user": value})
    good = {"id": "a", "username": "b"}
    read_back = message(
        {"id": "a", "fromUser": good, "text": "x", "sent": value, "mentions": value}
    )
    assert read_back is not None
    assert read_back.sent.tzinfo is not None


def test_ids_tell_the_time() -> None:
    assert id_at(0x5F000000) == "5f000000" + "0" * 16
    assert floor("5f000005aaaaaaaaaa000001", 5.0) == "5f000000" + "0" * 16
    assert floor("not-an-object-id", 5.0) == "not-an-object-id"
    assert floor("00000001aaaaaaaaaa000001", 5.0) == "0" * 24


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("1000030", 30.0), ("1000030.5", 30.5), ("30", 30.0), ("soon", None), ("-1", None)],
)
def test_when_the_limit_is_counted_anew(told: str, seconds: float | None) -> None:
    now = 1_600_000_000.0
    told = told.replace("1000030", "1600000030")
    assert _reset({"x-ratelimit-reset": told}, now) == seconds
    if seconds == 30.0 and len(told) > 5:
        assert _reset({"x-ratelimit-reset": told + "000"}, now) == 30.0, "in milliseconds"


def test_a_text_that_fits_is_one_message() -> None:
    assert said([Reply("a\nb")], most=1) == ["a\nb"]
    assert said([Reply("  "), Reply(""), Reply("x")], most=1) == ["x"]


def test_long_texts_break_at_line_ends_and_blanks_and_are_cut_with_an_ellipsis() -> None:
    assert said([Reply("aaa bbb ccc ddd")], most=2, limit=7) == ["aaa bbb", "ccc ddd"]
    assert said([Reply("aaa\nbbb ccc")], most=2, limit=7) == ["aaa", "bbb ccc"]
    assert said([Reply("aaa bbb ccc ddd")], most=1, limit=7) == ["aaa" + ELLIPSIS]
    assert said([Reply("e\u0301" * 5)], most=5, limit=3) == ["e\u0301"] * 5
    assert said([Reply("👩‍👩‍👧" * 3)], most=3, limit=10) == ["👩‍👩‍👧"] * 3


@FEW
@given(st.text(max_size=200), st.integers(2, 20), st.integers(1, 5))
def test_no_message_is_too_long_or_empty(text: str, limit: int, most: int) -> None:
    found = said([Reply(text)], most=most, limit=limit)
    assert len(found) <= most
    for each in found:
        assert 0 < len(each.encode("utf-16-le")) // 2 <= limit
        assert each.strip()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 1.5 and snake_case.", "plain text, 1.5 and snake_case."),
        ("_this_ **that** `x`", "\\_this\\_ \\*\\*that\\*\\* \\`x\\`"),
        ("- a\n  1. b\n# c", "\\- a\n  1\\. b\n\\# c"),
        ("see https://x.org/_a_?b=*c*", "see https://x.org/_a_?b=*c*"),
        ("C:\\dir", "C:\\\\dir"),
    ],
)
def test_plain_text_stays_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_settings_that_are_right_have_no_problems(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc")
    given = {"server": "https://g.example.org/api/v1", "rooms": ["org/room", "org/a/b", "org"]}
    assert GitterSettings(**given, token_file=str(token)).problems() == []  # type: ignore[arg-type]
    assert GitterSettings(**given, token="abc").secret() == "abc"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("server", "gitter.example.org"),
        ("server", "https://user:pw@x/v1"),
        ("server", "ftp://x/v1"),
        ("server", "https://x/v1?token=5"),
        ("server", "https://[x/v1"),
        ("server", "https://x:99999/v1"),
        ("stream", "x"),
        ("token", "two\nlines"),
        ("token", "ünicode"),
        ("token", ""),
        ("token_file", "/nowhere/at/all"),
        ("rooms", ("../../user",)),
        ("rooms", ("org/room?x",)),
        ("rooms", 5),
        ("private", "yes"),
        ("ca_file", "/nowhere/at/all"),
        ("rate", 5),
        ("messages", 0),
    ],
)
def test_settings_that_are_wrong_are_told_by_their_key(key: str, value: Any) -> None:
    usual = {"server": "https://x/v1", "token": "" if key == "token_file" else "s3cret"}
    problems = GitterSettings(**{**usual, key: value}).problems()
    assert [told for told, _ in problems] == [key]
    assert "s3cret" not in str(problems)


def test_a_listener_says_where_it_is_and_not_how_it_gets_in() -> None:
    own = GitterSettings(server="https://g.org/v1", token="s3cret", rooms=("a/b", "c/d"))
    listener = GitterListener("gitter", own)
    assert listener.describe() == "g.org a/b,c/d"
    assert "s3cret" not in repr(own) + repr(vars(listener))


def test_a_bot_without_the_extra_knows_the_listener_and_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(['gitterpy', 'aiohttp', 'requests'])\n"
        "import importlib.util; importlib.util.find_spec = lambda name: None\n"
        "from chatbot.listeners.gitter import GitterSettings\n"
        "own = GitterSettings(server='https://x/v1', token='x')\n"
        "print(*(wrong for _, wrong in own.problems()), sep='\\n')"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines() == [
        f"cannot be used without {name}: pip install 'chatbot[gitter]'"
        for name in ("gitterpy", "aiohttp")
    ]
