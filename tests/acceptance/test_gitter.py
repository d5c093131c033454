"""The bot on a classic Gitter server, as we read its source: answered once, whoever dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.servers.gitter import TOKEN, GitterServer, Place
from tests.servers.processes import Program, until

QUESTIONS = 40
FLOW = """\
version: 1
name: desk
listeners:
  gitter:
    server: {server}
    stream: {stream}
    token_file: token
    rooms: [org/room]
    rate: 100000
operations:
  answer:
    inputs: {{label: message.text, sender: message.sender}}
    config: {{answers: {{{answers}}}}}
outputs: {{label: message.text}}
"""


def write(folder: Path, server: GitterServer) -> str:
    answers = ", ".join(f'q{n}: "a{n} for {{sender}}"' for n in range(QUESTIONS))
    text = FLOW.format(server=server.address, stream=server.stream_address, answers=answers)
    (folder / "desk.yaml").write_text(text)
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "token").chmod(0o600)
    return "desk.yaml"


async def test_a_question_in_a_room_is_answered_and_the_token_shown_nowhere(
    program: Program,
) -> None:
    async with GitterServer.running() as server:
        room = server.room("org/room", "ann", "bot")
        flow = write(program.data, server)
        async with program.start("-vv", "run", flow, "--no-node") as bot:
            await bot.wait_for("listens: 127.0.0.1")
            await server.streaming(room)
            server.say("ann", room, "q1")
            await until(lambda: server.texts(room) == ["a1 for ann"])
        assert TOKEN not in bot.out + bot.err


async def test_a_wrong_token_ends_the_bot_with_what_to_do(program: Program) -> None:
    async with GitterServer.running() as server:
        server.tokens.clear()
        code, out, err = await program.run("run", write(program.data, server), "--no-node")
        assert code == 2
        assert "does not know the token" in err
        assert "Traceback" not in err
        assert TOKEN not in out + err


@pytest.mark.crash
@pytest.mark.parametrize("trouble", ["slow posts", "lost answers"])
async def test_a_bot_that_is_killed_again_and_again_answers_each_question_once(
    program: Program, trouble: str
) -> None:
    async with GitterServer.running() as server:
        room = server.room("org/room", "ann", "bot")
        flow = write(program.data, server)
        server.late = 0.1 if trouble == "slow posts" else 0.02
        async with asyncio.TaskGroup() as group:
            for kill in range(4):
                async with program.start("run", flow, "--no-node") as bot:
                    await server.streaming(room, kill + 1)
                    if kill == 0:
                        group.create_task(ask(server, room))
                    said = len(server.texts(room))
                    server.unanswered = 3 if trouble == "lost answers" else 0
                    await until(lambda said=said: len(server.texts(room)) > said + 2, 60.0)
                    await asyncio.sleep(0.03 * kill)
                    await bot.kill()
        async with program.start("run", flow, "--no-node"):
            await until(lambda: len(server.texts(room)) >= QUESTIONS, 60.0)
            server.say("ann", room, "q0")  # behind all others
            await until(lambda: server.texts(room).count("a0 for ann") >= 2, 30.0)
        wanted = Counter(f"a{n} for ann" for n in range(QUESTIONS))
        assert Counter(server.texts(room)) == wanted + Counter(["a0 for ann"])


async def ask(server: GitterServer, room: Place) -> None:
    for number in range(QUESTIONS):
        server.say("ann", room, f"q{number}")
        await asyncio.sleep(0.5)
