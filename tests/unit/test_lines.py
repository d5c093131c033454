"""Lines of JSON on pipes: one line out for one line in, in order, whatever is in it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from chatbot.listeners.lines import LinesListener, LinesSettings
from chatbot.listeners.stdin import AT_ONCE, LONGEST
from chatbot.messages import Action
from tests.unit.test_console import Desk, stdin

__all__ = ["stdin"]

Capture = pytest.CaptureFixture[str]


@contextmanager
def piped_output() -> Iterator[int]:
    """What is written to standard output can be read from this, in the block."""
    saved = os.dup(1)
    ours, theirs = os.pipe()
    os.dup2(theirs, 1)
    os.close(theirs)
    try:
        yield ours
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        with suppress(OSError):
            os.close(ours)


def run(desk: Desk) -> asyncio.Task[None]:
    return asyncio.ensure_future(LinesListener("jsonl-1", LinesSettings(nick="b")).run(desk))


async def ended(running: asyncio.Task[None]) -> None:
    async with asyncio.timeout(10.0):
        await running


def written(capfd: Capture) -> list[dict[str, Any]]:
    """Return what was written so far."""
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


async def test_each_line_has_its_outcome_in_the_order_of_the_lines(
    stdin: int, capfd: Capture
) -> None:
    desk = Desk()
    running = run(desk)
    os.write(stdin, b'{"text": "one", "id": "a"}\n\n{"text": "two"}\n{"text": "three"}')
    os.close(stdin)
    await desk.has(3)
    one, two, three = desk.heard
    desk.answer(three, error="x raised KeyError")
    desk.answer(two, skipped="too old", actions=(Action("kick", to="ben"),))
    desk.answer(one, "ONE", "Ü", understood={"label": "x", "score": float("nan")})
    await ended(running)
    first, second, third = written(capfd)
    user = first.pop("sender")
    assert user == one.sender
    assert first == {
        "line": 1,
        "elsewhere": [],
        "id": "a",
        "room": "console",
        "text": "one",
        "replies": [{"text": "ONE"}, {"text": "Ü"}],
        "actions": [],
        "understood": {"label": "x", "score": None},
        "error": "",
        "skipped": "",
    }
    assert (second["id"], second["line"]) == ("line-3", 3)
    assert (second["skipped"], second["actions"]) == ("too old", [{"kind": "kick", "to": "ben"}])
    assert third["error"] == "x raised KeyError"
    assert desk.done == [one.id, two.id, three.id]


async def test_a_line_says_what_it_wants_of_its_message(stdin: int, capfd: Capture) -> None:
    desk = Desk()
    running = run(desk)
    line = {
        "text": "hi",
        "id": "2",
        "room": "#a",
        "sender": "ann",
        "name": "Ann",
        "account": "ann@x",
        "time": "2026-01-02T03:04:05+01:00",
        "addressed": False,
        "reply_to": "1",
        "thread": "t",
    }
    os.write(stdin, b'{"text": "before", "id": "1"}\n' + json.dumps(line).encode() + b"\n")
    await desk.has(2)
    before, message = desk.heard
    assert (before.addressed, before.private, before.room) == (True, True, "console")
    assert (message.text, message.room, message.sender) == ("hi", "#a", "ann")
    assert (message.name, message.account, message.thread) == ("Ann", "ann@x", "t")
    assert (message.addressed, message.private, message.nick) == (False, False, "b")
    assert message.time == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert message.reply_to == before.id != message.id
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"hello", "JSON is malformed"),
        (b"[1]", "Expected `object`, got `array`"),
        (b"{}", "Object missing required field `text`"),
        (b'{"text": 5}', "Expected `str`, got `int` - at `$.text`"),
        (b'{"text": "a", "txt": "b"}', "Object contains unknown field `txt`"),
        (b'{"text": "a", "time": "yesterday"}', "Invalid RFC3339 encoded datetime"),
        (b'{"text": "a"} {"text": "b"}', "trailing characters"),
        (b'{"text": "' + b"x" * LONGEST + b'"}', f"longer than {LONGEST} bytes"),
        (b'{"a":' * 100_000, ""),
        (b"\xff\x00", "malformed"),
    ],
)
async def test_a_line_that_is_wrong_is_told_and_the_rest_goes_on(
    stdin: int, capfd: Capture, line: bytes, wrong: str
) -> None:
    desk = Desk()
    running = run(desk)

    def write() -> None:
        with open(stdin, "wb") as file:
            file.write(b'{"text": "one"}\n' + line + b'\n{"text": "three"}\n')

    await asyncio.to_thread(write)
    await desk.has(2)
    for message in desk.heard:
        desk.answer(message, "ok")
    await ended(running)
    first, second, third = written(capfd)
    assert (first["line"], second["line"], third["line"]) == (1, 2, 3)
    assert wrong in second["error"]
    assert second.keys() == {"line", "error"}


async def test_two_lines_may_have_one_id(stdin: int, capfd: Capture) -> None:
    desk = Desk()
    running = run(desk)
    os.write(stdin, b'{"text": "a", "id": "x"}\n{"text": "b", "id": "x"}\n')
    os.close(stdin)
    await desk.has(2)
    for message in desk.heard:
        desk.answer(message)
    await ended(running)
    assert [(each["id"], each["text"]) for each in written(capfd)] == [("x", "a"), ("x", "b")]


async def test_no_more_is_read_than_may_be_unanswered(stdin: int, capfd: Capture) -> None:
    desk = Desk()
    running = run(desk)
    os.write(stdin, b'{"text": "x"}\n' * (AT_ONCE + 5))
    os.close(stdin)
    await desk.has(AT_ONCE)
    await asyncio.sleep(0)
    assert len(desk.heard) == AT_ONCE
    for count in range(AT_ONCE + 5):
        await desk.has(count + 1)
        desk.answer(desk.heard[count], "y" * 100)
    await ended(running)
    assert [each["line"] for each in written(capfd)] == list(range(1, AT_ONCE + 6))


async def test_a_reader_that_does_not_read_stops_nothing_else(stdin: int) -> None:
    desk = Desk()
    running = run(desk)
    os.write(stdin, b'{"text": "x"}\n' * 20)
    os.close(stdin)
    await desk.has(20)
    with piped_output() as stdout:
        for message in desk.heard:
            desk.answer(message, "y" * 20_000)  # more than a pipe holds
        async with asyncio.timeout(5.0):
            while len(desk.done) < 2:
                await asyncio.sleep(0.01)  # the loop goes on
        assert len(desk.done) < 20, "what nobody has read is not done"
        found = await asyncio.to_thread(_read_all, stdout, 20)
        await ended(running)
    assert found == 20
    assert len(desk.done) == 20


async def test_who_stops_reading_ends_it(stdin: int) -> None:
    desk = Desk()
    running = run(desk)
    os.write(stdin, b'{"text": "x"}\n')
    await desk.has(1)
    with piped_output() as stdout:
        os.close(stdout)
        desk.answer(desk.heard[0], "nobody sees it")
        await ended(running)
    assert desk.done == []


async def test_nothing_to_read_is_the_end(stdin: int, capfd: Capture) -> None:
    os.close(stdin)
    await ended(run(Desk()))
    assert written(capfd) == []


def _read_all(pipe: int, lines: int) -> int:
    data = b""
    while data.count(b"\n") < lines:
        data += os.read(pipe, 1 << 20)
    return data.count(b"\n")
