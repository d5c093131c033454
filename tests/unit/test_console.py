"""The console's lines and answers, on a pipe; the terminal is in the acceptance tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from chatbot.listeners.bridge import Delivery
from chatbot.listeners.console import LONGEST, ConsoleListener, ConsoleSettings
from chatbot.listeners.stdin import AT_ONCE
from chatbot.messages import Action, ChatMessage, Elsewhere, Outcome, Reply, answer_id

TOLD = Elsewhere("#mods", (Reply("warned\nben"),), (Action("unmute", to="ben"),))


class Desk:
    """The rest of the program: what the console hears lies here until it is answered."""

    def __init__(self) -> None:
        self.heard: list[ChatMessage] = []
        self.done: list[str] = []
        self._news = asyncio.Event()
        self._deliveries: asyncio.Queue[Delivery] = asyncio.Queue()

    async def hear(self, message: ChatMessage) -> None:
        self.heard.append(message)
        self._news.set()

    async def outcomes(self) -> AsyncIterator[Delivery]:
        while True:
            yield await self._deliveries.get()

    async def has(self, count: int) -> None:
        async with asyncio.timeout(10.0):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()

    def answer(self, message: ChatMessage, *texts: str, **more: Any) -> None:
        replies = tuple(Reply(text) for text in texts)
        outcome = Outcome(
            message.id, message.network, message.room, message.sender, replies=replies, **more
        )

        async def done() -> None:
            self.done.append(outcome.id)

        self._deliveries.put_nowait(Delivery(outcome, 1, done))


@pytest.fixture
def stdin() -> Iterator[int]:
    """What is written to this comes in by standard input."""
    saved = os.dup(0)
    ours, theirs = os.pipe()
    os.dup2(ours, 0)
    os.close(ours)
    try:
        yield theirs
    finally:
        os.dup2(saved, 0)
        os.close(saved)


async def test_what_is_part_of_another_outcome_is_done_and_not_shown_twice(
    stdin: int, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk()
    running = asyncio.ensure_future(listener().run(desk))
    os.write(stdin, b"hi\n")
    os.close(stdin)
    await desk.has(1)
    part = msgspec.structs.replace(desk.heard[0], id="elsewhere/1", room="#mods")
    desk.answer(part, "warned ben")
    desk.answer(desk.heard[0], "a")
    async with asyncio.timeout(10.0):
        await running
    assert capsys.readouterr().out.rstrip() == "bot: a"
    assert desk.done == ["elsewhere/1", desk.heard[0].id]


def _write(pipe: int, data: bytes) -> None:
    with open(pipe, "wb") as file:  # closed after it
        file.write(data)


def listener() -> ConsoleListener:
    return ConsoleListener("console-1", ConsoleSettings(nick="bot"))


async def test_answers_are_shown_in_the_order_of_the_lines(
    stdin: int, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk()
    running = asyncio.ensure_future(listener().run(desk))
    os.write(stdin, b"one\n\n  \ntwo\nthree, without an end")
    os.close(stdin)
    await desk.has(3)
    for message in reversed(desk.heard):
        desk.answer(message, message.text.upper(), understood={"label": "x", "score": 0.5})
    async with asyncio.timeout(10.0):
        await running
    assert capsys.readouterr().out == (
        "[x 0.50] bot: ONE\n[x 0.50] bot: TWO\n[x 0.50] bot: THREE, WITHOUT AN END\n"
    )
    assert desk.done == [message.id for message in desk.heard], "performed, then acknowledged"


async def test_one_by_one_a_line_comes_after_all_that_came_of_the_one_before(stdin: int) -> None:
    desk, console = Desk(), listener()
    console.one_by_one = True
    running = asyncio.ensure_future(console.run(desk))
    _write(stdin, b"one\ntwo\n")
    await desk.has(1)
    await asyncio.sleep(0.1)
    assert len(desk.heard) == 1
    desk.answer(desk.heard[0], "a")
    await desk.has(2)
    desk.answer(desk.heard[1], "b")
    async with asyncio.timeout(10.0):
        await running
    first, second = desk.heard
    assert (first.after, second.after) == ("", first.id)


async def test_it_says_who_spoke_and_that_the_bot_was_meant(stdin: int) -> None:
    desk = Desk()
    running = asyncio.ensure_future(listener().run(desk))
    lines = "grüß dich\n".encode() + b"caf\xe9\n" + b"x" * (LONGEST * 5) + b"\n"
    await asyncio.to_thread(_write, stdin, lines)
    await desk.has(3)
    first, second, third = desk.heard
    assert first.roles == (), "a pipe may bring anybody's lines"
    assert (first.network, first.nick, first.addressed, first.private) == (
        *("console-1", "bot"),
        *(True, True),
    )
    assert (first.text, second.text) == ("grüß dich", "caf�")
    assert len(third.text) == LONGEST
    assert len({message.id for message in desk.heard}) == 3
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("texts", "more", "shown"),
    [
        (["a", "b"], {"understood": {"label": "x"}}, "[x] bot: a / b"),
        ([], {"understood": {"label": "x", "score": 0.42}}, "[x 0.42] silent"),
        (
            [],
            {"understood": {"label": "x", "score": 0.42, "sure": False}},
            "[x 0.42 unsure] silent, not sure enough",
        ),
        (["a"], {"understood": {"label": "x", "sure": True}}, "[x] bot: a"),
        ([], {"understood": {"rude": True, "loud": False}}, "[rude not loud] silent"),
        ([], {}, "silent"),
        ([], {"skipped": "muted"}, "silent, muted"),
        ([], {"error": "x raised KeyError"}, "could not be answered: x raised KeyError"),
        (["[red]no markup[/] \x1b[31mno\rcolour"], {}, "bot: [red]no markup[/]  [31mno colour"),
        (["long " * 60], {}, "bot: " + ("long " * 60).rstrip()),
        ([], {"actions": (Action("delete"),)}, "silent\n  does: (delete)"),
        (
            ["a"],
            {"actions": (Action("mute", "ben", seconds=600.0), Action("react", text="👍"))},
            "bot: a\n  does: (mute ben 10m) (react 👍)",
        ),
        ([], {"actions": (Action("post", on="hook"),)}, "silent"),
        (["a"], {"elsewhere": (TOLD,)}, "bot: a\n  in #mods: warned ben / (unmute ben)"),
    ],
)
async def test_what_is_shown_of_an_answer(
    stdin: int,
    capsys: pytest.CaptureFixture[str],
    texts: list[str],
    more: dict[str, Any],
    shown: str,
) -> None:
    desk = Desk()
    running = asyncio.ensure_future(listener().run(desk))
    os.write(stdin, b"hi\n")
    os.close(stdin)
    await desk.has(1)
    desk.answer(desk.heard[0], *texts, **more)
    async with asyncio.timeout(10.0):
        await running
    assert capsys.readouterr().out.rstrip() == shown


async def test_what_comes_of_an_action_later_is_shown_where_it_is_told(
    stdin: int, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk()
    running = asyncio.ensure_future(listener().run(desk))
    os.write(stdin, b"hi\n")
    os.close(stdin)
    await desk.has(1)
    filed = (Action("issue", on="github"), Action("issue", on="github", room="#mods"))
    desk.answer(desk.heard[0], "a", actions=filed)
    later = [
        msgspec.structs.replace(desk.heard[0], id=answer_id(desk.heard[0].id, "github", number))
        for number in (0, 1)
    ]
    desk.answer(later[0], "filed")
    desk.answer(later[1], elsewhere=(Elsewhere("#mods", (Reply("filed, too"),)),))
    async with asyncio.timeout(10.0):
        await running
    assert capsys.readouterr().out == "bot: a\nbot: filed\n  in #mods: filed, too\n"


async def test_it_reads_no_further_ahead_than_it_may(stdin: int) -> None:
    desk = Desk()
    running = asyncio.ensure_future(listener().run(desk))
    os.write(stdin, b"x\n" * (AT_ONCE + 10))
    os.close(stdin)
    await desk.has(AT_ONCE)
    await asyncio.sleep(0)
    assert len(desk.heard) == AT_ONCE
    desk.answer(desk.heard[0])
    await desk.has(AT_ONCE + 1)
    for message in desk.heard[1:]:
        desk.answer(message)
    await desk.has(AT_ONCE + 10)
    for message in desk.heard[AT_ONCE + 1 :]:
        desk.answer(message)
    async with asyncio.timeout(10.0):
        await running


async def test_nothing_to_hear_is_the_end(stdin: int, capsys: pytest.CaptureFixture[str]) -> None:
    os.close(stdin)
    async with asyncio.timeout(10.0):
        await listener().run(Desk())
    assert capsys.readouterr().out == ""
