"""`chatbot flow dev`: what happens to each message, and saving the files while it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer
from chatbot.commands.teller import LATE
from chatbot.settings import NATS_URL
from tests.acceptance.test_terminal import terminal
from tests.servers.processes import Process, Program

WORDS = """
import asyncio
from pathlib import Path
from chatbot import Reply, operation

@operation
async def shout(text: str) -> Reply | None:
    while text == "wait" and not Path(__file__).with_name("go").exists():
        await asyncio.sleep(0.05)
    if text == "break":
        raise LookupError("no such word")
    return Reply(text.upper()) if text != "hush" else None

@operation(cheap=True, output="is_long")
def measure(text: str) -> bool:
    return len(text) > 8
"""
FLOW = """
version: 1
listeners: {irc: {server: irc.example.org, channels: ["#a"], password: "${NOT_SET_HERE}"}}
operations:
  measure: {run: words.py:measure, inputs: {text: message.text}}
  shout: {run: words.py:shout, inputs: {text: message.text}}
  again: {run: words.py:shout, when: measure.is_long, inputs: {text: message.text}}
"""


def written(folder: Path, words: str = WORDS) -> Path:
    (folder / "words.py").write_text(words)
    (folder / "loud.yaml").write_text(FLOW)
    return folder / "loud.yaml"


async def say(bot: Process, text: str) -> None:
    assert bot.process.stdin is not None
    bot.process.stdin.write(text.encode() + b"\n")
    await bot.process.stdin.drain()


async def test_each_messages_journey_is_shown(program: Program, tmp_path: Path) -> None:
    # Whatever server the environment names is left alone.
    given = {NATS_URL: "nats://127.0.0.1:1", "CHATBOT_DATA": str(tmp_path / "untouched")}
    said = "hello\nhush\nbreak\nlong enough\n"
    code, out, err = await program.run("flow", "dev", str(written(tmp_path)), stdin=said, **given)
    assert code == 0, err
    assert not (tmp_path / "untouched").exists()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert any(
        line.startswith("#1 ✓ shout text='hello' → reply={'text': 'HELLO'") for line in lines
    )
    assert any(line.endswith("ms, on a node") for line in lines if line.startswith("#1 ✓ shout"))
    assert any(line.startswith("#1 ✓ measure text='hello' → is_long=False") for line in lines)
    assert "#1 · not run again (`when` is not true)" in lines
    assert any(line.startswith("#2 ✓ shout text='hush' → nothing") for line in lines)
    [failed] = [line for line in lines if line.startswith("#3 ✗ shout text='break'")]
    assert f"→ LookupError: no such word ({tmp_path}/words.py:11)" in failed
    assert any(line.startswith("#4 ✓ again text='long enough'") for line in lines)
    assert "bot: LONG ENOUGH / LONG ENOUGH" in lines
    assert "irc.example.org" not in out + err


@pytest.mark.crash
async def test_what_is_saved_is_taken_up_and_what_takes_long_is_shown(
    program: Program, tmp_path: Path
) -> None:
    flow = written(tmp_path, WORDS.replace("text: str) -> Reply", "text) -> Reply"))
    async with program.start("flow", "dev", str(flow)) as bot:
        await bot.wait_for("`text` has no type hint")
        await bot.wait_for("mend it, and it starts")
        written(tmp_path)
        await bot.wait_for("loud listens: console")
        await say(bot, "wait")
        await bot.wait_for(" waits for a node, or runs there since ")
        (tmp_path / "go").touch()
        await bot.wait_for("bot: WAIT")
        [shown] = re.findall(r"there since ([0-9.]+) s\n", bot.out)
        assert float(shown) >= LATE
        written(tmp_path, WORDS.replace("text.upper()", "text.title()"))
        await bot.wait_for("from now on")
        await say(bot, "hello")
        await bot.wait_for("bot: Hello")


async def test_the_bot_has_its_nick_and_a_models_revision_is_left_out(
    program: Program, tmp_path: Path
) -> None:
    (tmp_path / "called.py").write_text(CALLED)
    (tmp_path / "called.yaml").write_text(
        "version: 1\n"
        "listeners: {irc: {server: irc.example.org, nick: helper}}\n"
        "operations:\n"
        "  look: {run: called.py:look, inputs: {text: message.text}}\n"
        '  say: {reply: "I am {{ message.nick }}"}\n'
    )
    path = str(tmp_path / "called.yaml")
    code, out, err = await program.run("flow", "dev", path, stdin="hi\n")
    assert code == 0, err
    assert "helper: I am helper" in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    [look] = [line for line in lines if line.startswith("#1 ✓ look")]
    assert "→ label='hi' " in look
    assert "revision" not in look


CALLED = """
from typing import NamedTuple
from chatbot import operation

class Look(NamedTuple):
    label: str
    revision: str

@operation(cheap=True)
def look(text: str) -> Look:
    return Look(text, "0123456789abcdef" * 2)
"""


ROOMS = """
version: 1
name: rooms
listeners: {irc: {server: irc.example.org, nick: helper, channels: ["#dev"]}}
schedules: {noon: {every: day at 12:00, in: ["irc/#dev"]}}
state: {names: {per: room, type: list, start: []}}
operations:
  note: {set: {names: {append: message.name}}}
  who: {when: message.addressed, reply: "{{ message.name }} in {{ message.room }}"}
  sum: {reply: "{{ schedule.noon.day }}: {{ state.names | join(' and ') }}"}
"""


async def test_anybody_may_speak_anywhere_a_schedule_is_due_and_commands_are_obeyed(
    program: Program, tmp_path: Path
) -> None:
    (tmp_path / "rooms.yaml").write_text(ROOMS)
    lines = [
        "/room #dev",
        "/by otto hi all",
        "/by anna helper: hi",
        "/due noon",
        "/due non",
        "!mute 1m",
        "helper: still there?",
        "/by otto !unmute",
    ]
    said = "".join(f"{line}\n" for line in lines)
    code, out, err = await program.run("flow", "dev", str(tmp_path / "rooms.yaml"), stdin=said)
    assert code == 0, err
    shown = [line for line in out.splitlines() if not line.startswith("#")]
    assert shown[:3] == ["  you, in #dev", "silent", "helper: anna in #dev"]
    assert shown[3].endswith("day: otto and anna"), "what was said before was done before"
    assert "there is no schedule non: did you mean noon?" in shown[4]
    assert "I am silent here until" in shown[5]
    assert shown[6] == "silent, muted"
    assert "!unmute is for who has the role moderator" in shown[7]
    legs = [" ".join(line.split()) for line in out.splitlines() if line.startswith("#")]
    assert [line[:12] for line in legs if line.startswith("#3")] == [
        "#3 ✓ sum sch",
        "#3 · not run",
        "#3 · not run",
    ]


async def test_what_is_no_flow_is_refused(program: Program) -> None:
    code, _, err = await program.run("flow", "dev", "nowhere")
    assert (code, "no flow of that name comes with the program" in err) == (2, True)


@pytest.mark.crash
async def test_a_person_types_edits_and_types_again(program: Program) -> None:
    folder = program.data
    written(folder)
    async with terminal(program, "flow", "dev", "loud.yaml") as desk:
        await desk.wait_for("Ctrl-D ends", "you:")
        desk.type("hello\r")
        await desk.wait_for("#1 ✓ shout", "bot: HELLO\n", "you:")
        written(folder, WORDS.replace("text.upper()", "text.title()"))
        await desk.wait_for("from now on")
        desk.type("hello\r")
        await desk.wait_for("#2 ✓ shout", "bot: Hello\n", "you:")
        desk.type("/du\t\r")
        await desk.wait_for("the flow has no schedules", "you:")
        desk.type("/room #dev\r")
        await desk.wait_for("you, in #dev", "you in #dev:")
        desk.type("\x04")
        assert await desk.ended() == 0


async def test_on_a_named_server_it_takes_no_message_of_the_bot_that_runs(
    program: Program, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    flow = str(written(tmp_path))
    code, out, err = await program.run(
        "flow", "dev", flow, "--nats", nats_server.url, stdin="hello\n"
    )
    assert code == 0, err
    assert "loud-dev listens: console" in err
    assert "bot: HELLO" in out
