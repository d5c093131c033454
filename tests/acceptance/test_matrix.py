"""The bot as people start it, on a real homeserver: killed, away, and nothing lost or repeated."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from tests.servers.matrix import MatrixVenue
from tests.servers.matrix_people import Person
from tests.servers.processes import Process, Program

POSTED = 500
FLOW = """\
version: 1
name: echo
backlog: answer
listeners:
  matrix: {settings}
operations:
  say: {{run: test_say, inputs: {{text: message.text}}}}
"""


def write_flow(program: Program, venue: MatrixVenue) -> None:
    settings = {
        "user": venue.bot.id,
        "homeserver": venue.server.address,
        "token": "${MATRIX_TOKEN}",
        "invites": ["@ann:*"],
    }
    (program.data / "echo.yaml").write_text(FLOW.format(settings=json.dumps(settings)))


async def answers(venue: MatrixVenue, ann: Person) -> Counter[str]:
    return Counter(await ann.said(venue.room, venue.bot.id))


async def answered(bot: Process, venue: MatrixVenue, ann: Person, count: int) -> Counter[str]:
    """Return what was said once it is so much."""
    async with asyncio.timeout(150):
        while (found := await answers(venue, ann)).total() < count:
            assert bot.process.returncode is None, bot.err
            await asyncio.sleep(1.0)
    return found


async def test_a_message_in_a_room_is_answered_and_a_secret_is_nowhere(
    program: Program, venue: MatrixVenue
) -> None:
    write_flow(program, venue)
    async with program.start("run", "echo.yaml", MATRIX_TOKEN=venue.bot.token) as bot:
        await bot.wait_for(f"listens: {venue.bot.id}")
        await venue.present()
        await venue.say("ann", "hello")
        await venue.people["ann"].until_said(venue.room, venue.bot.id, "hello", timeout=60)
    assert venue.bot.token not in bot.out + bot.err


@pytest.mark.crash
async def test_what_was_said_while_it_was_down_is_answered_once_though_it_is_killed_again(
    program: Program, venue: MatrixVenue
) -> None:
    write_flow(program, venue)
    ann = venue.people["ann"]
    given = {"MATRIX_TOKEN": venue.bot.token}
    async with program.start("run", "echo.yaml", **given) as first:
        await venue.present()
        await venue.say("ann", "hello")
        await ann.until_said(venue.room, venue.bot.id, "hello", timeout=60)
        await first.kill()
    for start in range(0, POSTED, 20):
        said = (venue.say("ben", f"message {n}") for n in range(start, start + 20))
        await asyncio.gather(*said)
    async with program.start("run", "echo.yaml", **given) as second:
        await answered(second, venue, ann, 60)
        await second.kill()
    assert (await answers(venue, ann)).total() < POSTED, "it was killed in the middle"
    async with program.start("run", "echo.yaml", **given) as third:
        await answered(third, venue, ann, POSTED + 1)
        await venue.say("ann", "the end")
        await ann.until_said(venue.room, venue.bot.id, "the end", timeout=30)
    found = await answers(venue, ann)
    assert found == {f"message {n}": 1 for n in range(POSTED)} | {"hello": 1, "the end": 1}


@pytest.mark.crash
async def test_a_homeserver_that_is_killed_loses_and_repeats_nothing(
    program: Program, venue: MatrixVenue
) -> None:
    write_flow(program, venue)
    ann = venue.people["ann"]
    async with program.start("run", "echo.yaml", MATRIX_TOKEN=venue.bot.token) as bot:
        await venue.present()
        await venue.say("ann", "hello")
        await ann.until_said(venue.room, venue.bot.id, "hello", timeout=60)
        posting = asyncio.ensure_future(
            asyncio.gather(*(venue.say("ben", f"message {n}") for n in range(60)))
        )
        for _ in range(2):
            await asyncio.sleep(1.0)  # at any moment
            await venue.restart()
        await posting
        await answered(bot, venue, ann, 61)
        found = await answers(venue, ann)
    assert found == {f"message {n}": 1 for n in range(60)} | {"hello": 1}
