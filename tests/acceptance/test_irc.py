"""The main job: a real IRC server, a real client, the bot, two nodes, and a kill."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.servers.irc import IiClient, Ngircd, RawClient
from tests.servers.processes import Program, until

PEOPLE = 40


def bot_arguments(port: int, *more: str) -> list[str]:
    values = {
        "server": "127.0.0.1",
        "port": str(port),
        "tls": "false",
        "channels": "['#help']",
        "rate": "500",
        "burst": "100",
    }
    settings = [part for k, v in values.items() for part in ("--set", f"listeners.irc.{k}={v}")]
    return ["run", "support", "--no-node", *settings, *more]


async def test_a_question_in_a_channel_is_classified_elsewhere_and_answered(
    program: Program, ngircd: Ngircd, tmp_path: Path
) -> None:
    async with (
        program.start(*bot_arguments(ngircd.port)) as bot,
        IiClient(tmp_path, ngircd.port, "person") as person,
    ):
        await bot.wait_for("listens: 127.0.0.1")
        await person.join("#help")
        await person.wait_for("helpbot", room="#help")
        person.say("#help", "how do I install this?")
        async with program.start("node", "run", "classify_text"):
            line = await person.wait_for("README", room="#help", timeout=60.0)
            assert "<helpbot>" in line
            assert "person:" in line
            person.say("#help", "the weather is fine over here, we had fish for lunch")
            person.say("#help", "thanks!")
            person.say("#help", "helpbot: thanks!")
            await person.wait_for("welcome, person", room="#help")
        answers = [line for line in person.shown("#help") if "<helpbot>" in line]
        assert len(answers) == 2, "it stays silent where it is not sure"


@pytest.mark.crash
async def test_a_killed_node_loses_no_message_and_none_is_answered_twice(
    program: Program, ngircd: Ngircd
) -> None:
    async with AsyncExitStack() as stack:
        bot = await stack.enter_async_context(program.start(*bot_arguments(ngircd.port)))
        await bot.wait_for("listens: 127.0.0.1")
        nodes = [
            await stack.enter_async_context(program.start("node", "run", "classify_text"))
            for _ in range(2)
        ]
        for node in nodes:
            await node.wait_for("running classify_text", 90.0)
        people = [
            await RawClient.connect(ngircd.port, f"person{i}", "#help") for i in range(PEOPLE)
        ]
        answers: Counter[str] = Counter()
        watching = asyncio.ensure_future(_count_answers(people[0], answers))
        for person in people:
            person.say("#help", "how do I install this?")
        await until(lambda: answers)
        await nodes[0].kill()
        await until(lambda: len(answers) == PEOPLE, 60.0)
        people[1].say("#help", "helpbot: thanks!")
        await until(lambda: answers["thanks"], 30.0)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        for person in people:
            await person.close()
    assert answers == {**{f"person{i}": 1 for i in range(PEOPLE)}, "thanks": 1}


async def _count_answers(watcher: RawClient, answers: Counter[str]) -> None:
    while True:
        line = await watcher.next_line()
        if not line.startswith(":helpbot!"):
            continue
        if "welcome" in line:
            answers["thanks"] += 1
        elif named := re.search(r"PRIVMSG #help :(person\d+):", line):
            answers[named[1]] += 1
