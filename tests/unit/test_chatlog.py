"""Lines of recorded logs become the messages that a listener would have heard."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import pytest

from chatbot.commands import chatlog
from chatbot.errors import UsageError
from chatbot.messages import ChatMessage
from tests.servers.processes import ROOT

EXCERPT = ROOT / "flows" / "logs" / "ubuntu-2012-02-03.txt"
NICK = "helpbot"


def read(tmp_path: Path, content: str | bytes, name: str = "log.txt") -> list[ChatMessage]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(chatlog.read(path, NICK))


@pytest.mark.parametrize(
    ("line", "sender", "text"),
    [
        ("[08:47] <anna> hi, all", "anna", "hi, all"),
        ("08:47 <@anna> hi", "anna", "hi"),
        ("08:47:10 < anna> hi", "anna", "hi"),
        ("[2016-11-20 07:02:10] <anna-b> <3 this", "anna-b", "<3 this"),
        ("2016-11-20T07:02:10 <anna> hi", "anna", "hi"),
        ("rust 2018-05-29 [21:20:37] <anna> I doubt it ", "anna", "I doubt it"),
        ("wiki 2013-01-26 [15:04:04] <bugs>\t 03(mod) Wrong  ", "bugs", "03(mod) Wrong"),
        ("[09:24] <Alex[RM-UK] > a nick with a blank", "Alex[RM-UK]", "a nick with a blank"),
        ("[09:24] <[Kim]> brackets", "[Kim]", "brackets"),
        ("[09:24] <`quiet^> marks", "`quiet^", "marks"),
        ("[02:27]  * anna says Hi!", "anna", "says Hi!"),
        ("wiki 2013-01-26 [18:14:41] * anna  mutters.  ", "anna", "mutters."),
        ("[09:24] <anna> \x0304red\x03 and \x02bold\x02", "anna", "red and bold"),
    ],
)
def test_a_line_says_who_said_what(tmp_path: Path, line: str, sender: str, text: str) -> None:
    [message] = read(tmp_path, f"{line}\n")
    assert (message.sender, message.text) == (sender, text)
    assert (message.network, message.nick, message.private) == ("replay", NICK, False)


@pytest.mark.parametrize(
    "line",
    [
        "=== anna [n=anna@example.org]  has joined #ubuntu",
        "=== anna is now known as anna_",
        "[08:47] -anna- a notice, which no bot answers",
        "[08:47] * anna (n=anna@example.org) has joined #ubuntu",
        "[08:47] * anna is now known as anna_",
        "[08:47] * Joins: anna (n=anna@example.org)",
        "[08:47] * Now talking on #ubuntu",
        "[08:47] * anna sets mode: +o kim",
        "[08:47] <anna>",
        "[08:47] <anna>   ",
        "[25:47] <anna> at no time of day",
        "the rest of a message that had line ends",
        '{"sender": "not in a log of lines", "text": "x"}',
        "",
    ],
)
def test_other_lines_are_passed_over(tmp_path: Path, line: str) -> None:
    [message] = read(tmp_path, f"[08:46] <kim> before\n{line}\n")
    assert message.text == "before"


def test_the_room_is_the_channel_where_the_line_names_it(tmp_path: Path) -> None:
    lines = "rust 2018-05-29 [21:20:37] <a> x\n2018-05-29 21:20:38 <a> x\n"
    assert [m.room for m in read(tmp_path, lines)] == ["rust", "log.txt"]


def test_the_bot_is_addressed_as_the_irc_listener_would_have_it(tmp_path: Path) -> None:
    said = ["helpbot: hi", "HelpBot, hi", "@helpbot hi", "helpbot hi", "anna: hi", "helpbots: hi"]
    messages = read(tmp_path, "".join(f"[08:47] <kim> {text}\n" for text in said))
    assert [m.addressed for m in messages] == [True, True, True, False, False, False]


def test_lines_that_share_a_minute_are_spread_over_it(tmp_path: Path) -> None:
    lines = "[08:47] <a> 1\n[08:47] <a> 2\n=== b\n[08:47] <a> 3\n[08:48] <a> 4\n[08:48:30] <a> 5\n"
    seconds = [(m.time.minute, m.time.second) for m in read(tmp_path, lines)]
    assert seconds == [(47, 0), (47, 20), (47, 40), (48, 0), (48, 30)]


def test_more_lines_than_a_minute_takes_stay_in_order(tmp_path: Path) -> None:
    lines = "[08:47] <a> x\n" * (chatlog.MOST_A_MINUTE + 3) + "[08:48] <a> y\n"
    times = [m.time for m in read(tmp_path, lines)]
    assert times == sorted(times)
    assert len(times) == chatlog.MOST_A_MINUTE + 4
    assert times[-2] < times[-1]


def test_times_run_on_over_midnight(tmp_path: Path) -> None:
    times = ["22:10", "23:59", "00:01", "12:00", "01:00"]
    messages = read(tmp_path, "".join(f"[{time}] <a> x\n" for time in times), "2005-12-31.txt")
    assert [f"{m.time:%m-%d %H:%M}" for m in messages] == [
        "12-31 22:10",
        "12-31 23:59",
        "01-01 00:01",
        "01-01 12:00",
        "01-02 01:00",
    ]
    assert messages[0].time.year == 2005


def test_a_clock_that_is_put_back_an_hour_begins_no_day(tmp_path: Path) -> None:
    messages = read(tmp_path, "[02:59] <a> x\n[02:00] <a> y\n[02:10] <a> z\n")
    assert {m.time.day for m in messages} == {1}


def test_dates_in_the_lines_are_kept(tmp_path: Path) -> None:
    lines = "2016-11-20 23:02:10 <a> x\n2016-11-22 23:02:11 <a> x\n2016-02-30 10:00:00 <a> x\n"
    first, second, third = (m.time for m in read(tmp_path, lines, "2001-01-01.txt"))
    assert first == datetime(2016, 11, 20, 23, 2, 10, tzinfo=UTC)
    assert second - first == timedelta(days=2, seconds=1)
    assert third.date() == second.date(), "a day that there is not: the last one goes on"


def test_bytes_that_are_no_utf8_are_replaced(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf[08:47] <kim> caf\xe9\r\n[08:48] <\xff> \xe2\x82\xac\n"
    assert [m.text for m in read(tmp_path, content)] == ["caf�", "€"]


def test_ids_name_the_line_and_differ(tmp_path: Path) -> None:
    content = "[08:47] <a> x\n\n=== b\n[08:47] <a> x\n"
    first, second = (m.id for m in read(tmp_path, content))
    assert (first[-2:], second[-2:]) == ("/1", "/4")
    assert [m.id for m in read(tmp_path, content)] == [first, second]
    assert read(tmp_path, content, "other.txt")[0].id != first


def test_json_lines_say_as_much_as_they_know(tmp_path: Path) -> None:
    lines = (
        '{"sender": "anna", "text": "one\\ntwo"}\n\n'
        '{"sender": "@kim:example.org", "text": "hi", "id": "$event", "room": "!r:example.org",'
        ' "time": "2024-02-03T04:05:06+01:00", "private": true, "unknown": 1}\n'
        '{"sender": "kim", "text": "helpbot: hi", "id": 7, "addressed": false}\n'
    )
    first, second, third = read(tmp_path, lines)
    assert (first.sender, first.text, first.room) == ("anna", "one\ntwo", "log.txt")
    assert (second.id, second.room, second.addressed, second.private) == (
        "$event",
        "!r:example.org",
        True,
        True,
    )
    assert second.time == datetime(2024, 2, 3, 3, 5, 6, tzinfo=UTC)
    assert second.time.tzinfo is UTC
    assert (third.id, third.addressed) == ("7", False)
    assert first.time < third.time


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "truncated"),
        ("[1]", "Expected `object`"),
        ("[08:47] <kim> hi", "Expected `object`"),
        ('{"sender": "kim"}', "missing required field `text`"),
        ('{"sender": "kim", "text": null}', "Expected `str`, got `null`"),
        ('{"sender": "kim", "text": "secret", "time": "yesterday"}', "Invalid RFC3339"),
        ('{"sender": "kim", "text": "secret\\ud800"}', "truncated"),
    ],
)
async def test_a_bad_json_line_is_told_with_its_place(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text(f'{{"sender": "kim", "text": "hi"}}\n\n{line}\n')
    with pytest.raises(UsageError, match=reason) as caught:
        await chatlog.count(path)
    assert caught.value.message.startswith(f"{path}:3: ")
    assert "secret" not in caught.value.message
    assert caught.value.exit_code == 2
    assert await chatlog.count(path, 1) == 1, "what is not wanted is not read"


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"no message\n", b"\x89PNG\n\0\0\n[08:47] <a> x"]
)
async def test_a_file_that_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        await chatlog.count(path)
    assert "[12:34] <nick> text" in caught.value.hint


async def test_dev_null_is_refused() -> None:
    with pytest.raises(UsageError, match="no line that is a message"):
        await chatlog.count(Path("/dev/null"))


def test_noise_raises_nothing_but_a_usage_error(tmp_path: Path) -> None:
    noise = random.Random(2)
    alphabet = '[]<>*:0123456789- \n\t\r{}",.abcé\x03\x01\ud7ff'
    for _ in range(200):
        start = noise.choice(["", "[08:47] <a> x\n", '{"sender": "a", "text": "b"}\n'])
        try:
            read(tmp_path, start + "".join(noise.choices(alphabet, k=400)))
        except UsageError:
            continue


def test_a_line_without_end_costs_no_more_than_others(tmp_path: Path) -> None:
    content = b"[08:47] <kim> " + b"x" * (3 * chatlog.LONGEST) + b"\n[08:48] <kim> y\n"
    messages = read(tmp_path, content)
    assert [m.text[0] for m in messages] == ["x", "y"]
    assert len(messages[0].text) < chatlog.LONGEST


async def test_the_shipped_excerpt_is_read_whole() -> None:
    messages = list(chatlog.read(EXCERPT, NICK))
    lines = EXCERPT.read_text().splitlines()
    assert len(messages) == sum(not line.startswith("===") for line in lines)
    assert len(messages) == await chatlog.count(EXCERPT)
    assert f"{messages[0].time:%Y-%m-%d %H:%M}" == "2012-02-03 18:25", "the day is in its name"
    times = [m.time for m in messages]
    assert times == sorted(set(times)), "no two at the same instant"


async def test_a_large_log_is_begun_at_once_and_counted_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    excerpt = EXCERPT.read_bytes()
    path.write_bytes(excerpt * (20_000_000 // len(excerpt)))
    started = process_time()
    assert next(chatlog.read(path, NICK)).sender
    assert process_time() - started < 0.2
    assert await chatlog.count(path, 500) == 500
    assert process_time() - started < 0.4
    assert await chatlog.count(path) > 100_000
    assert process_time() - started < 10.0
