"""A person at a terminal: what is typed, what is shown, and how it is left."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyte
import pytest

from tests.servers.processes import Program, environment

FLOW = """\
version: 1
name: desk
operations:
  answer:
    inputs: {label: message.text, sender: message.sender}
    config: {answers: {hi: "Hello, hello!", long: "LONG"}}
outputs: {label: message.text, sure: message.addressed}
"""
STUCK = """\
version: 1
name: stuck
operations:
  test_shout: {inputs: {text: message.text}}
"""
LONG = " ".join(f"word{number}" for number in range(40))
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07")


class Terminal:
    """A terminal with the program in it, as a person has it on the screen."""

    def __init__(self, process: asyncio.subprocess.Process, ours: int) -> None:
        self.process = process
        self.raw = b""
        self._ours = ours
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(ours, self._read)

    @property
    def shown(self) -> str:
        """All that was printed, without what moves the cursor and makes colours."""
        return CONTROL.sub(b"", self.raw).decode(errors="replace").replace("\r", "")

    @property
    def screen(self) -> list[str]:
        """The lines that are on the screen now, as a terminal draws what was printed."""
        screen = pyte.Screen(80, 24)
        pyte.ByteStream(screen).feed(self.raw)
        return "\n".join(line.rstrip() for line in screen.display).rstrip().split("\n")

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    async def wait_for(self, *texts: str, timeout: float = 60.0) -> None:
        """Wait until `texts` were shown, one after the other."""
        try:
            async with asyncio.timeout(timeout):
                while not re.search(".*".join(map(re.escape, texts)), self.shown, re.DOTALL):
                    await self.changed()
        except TimeoutError:
            raise AssertionError(f"no {texts} on\n{self.shown}") from None

    async def changed(self) -> None:
        """Wait until more was printed."""
        self._changed.clear()
        await self._changed.wait()

    async def ended(self, timeout: float = 60.0) -> int:
        async with asyncio.timeout(timeout):
            return await self.process.wait()

    def _read(self) -> None:
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # how Linux says that nobody is at the other side any more
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._ours)
        self.raw += data
        self._changed.set()


@asynccontextmanager
async def terminal(program: Program, *arguments: str) -> AsyncIterator[Terminal]:
    """Run `chatbot` in a terminal; at the block's end the terminal must be as it was."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, b"\x18\x00\x50\x00\x00\x00\x00\x00")  # 24 by 80
    before = termios.tcgetattr(theirs)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatbot", *arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**own_environment(program.data), "TERM": "xterm-256color"},
        cwd=program.data,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    running = Terminal(process, ours)
    try:
        yield running
        assert "Traceback" not in running.shown
        assert termios.tcgetattr(theirs) == before, "the terminal is left as it was"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
        os.close(theirs)


def own_environment(data: Path) -> dict[str, str]:
    kept: dict[str, Any] = environment(
        data, PROMPT_TOOLKIT_NO_CPR="1", XDG_CACHE_HOME=str(data / "cache")
    )
    kept.pop("COLUMNS")
    return kept


async def test_a_person_types_and_sees_what_was_understood(program: Program) -> None:
    (program.data / "desk.yaml").write_text(FLOW.replace("LONG", LONG))
    async with terminal(program, "run", "desk.yaml") as desk:
        await desk.wait_for("Ctrl-D ends", "you:")
        desk.type("hi\r")
        await desk.wait_for("[hi] bot: Hello, hello!\n", "you:")
        desk.type("what now\r")
        await desk.wait_for("[what now] silent\n", "you:")
        desk.type("long\r")
        await desk.wait_for("word39", "you:")
        lines = desk.shown.partition("[long] bot: ")[2].splitlines()[:5]
        assert all(f" {word} " in f" {' '.join(lines)} " for word in LONG.split()), "whole words"
        desk.type("half a line\x04")
        desk.type("\x15\x04")  # Ctrl-D ends on an empty line only
        assert await desk.ended() == 0
    history = program.data / "cache" / "chatbot" / "console-history"
    assert history.stat().st_mode & 0o077 == 0, "what was typed is for nobody else"


async def test_what_was_typed_is_there_the_next_time_and_colours_are_if_wanted(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program.data / "desk.yaml").write_text(FLOW)
    async with terminal(program, "run", "desk.yaml") as desk:
        await desk.wait_for("you:")
        desk.type("hi\r")
        await desk.wait_for("[hi] bot: Hello, hello!", "you:")
        assert re.search(rb"\x1b\[[0-9;]*3[26]m", desk.raw), "green or cyan"
        desk.type("\x04")
        assert await desk.ended() == 0
    monkeypatch.setenv("NO_COLOR", "1")
    async with terminal(program, "run", "desk.yaml") as desk:
        await desk.wait_for("you:")
        async with asyncio.timeout(30.0):
            while desk.screen[-1] != "you: hi":
                desk.type("\x1b[A")  # up; the history is read behind the prompt
                await asyncio.sleep(0.1)
        desk.type("\r")
        await desk.wait_for("[hi] bot: Hello, hello!", "you:")
        assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", desk.raw)
        desk.type("\x04")
        assert await desk.ended() == 0


async def test_ctrl_c_at_the_prompt_drains_and_leaves_the_terminal_sane(program: Program) -> None:
    (program.data / "desk.yaml").write_text(FLOW)
    async with terminal(program, "run", "desk.yaml") as desk:
        await desk.wait_for("you:")
        desk.type("half a li")
        await desk.wait_for("half a li")
        desk.type("\x03")
        await desk.wait_for("draining; once more to end at once")
        assert await desk.ended() == 0


async def test_a_second_ctrl_c_ends_it_at_once(program: Program) -> None:
    (program.data / "stuck.yaml").write_text(STUCK)
    async with terminal(program, "run", "stuck.yaml", "--no-node") as desk:
        await desk.wait_for("you:")
        desk.type("hi\r")
        await desk.wait_for("no node runs test_shout")  # the message waits; so does the prompt
        desk.type("\x03")
        await desk.wait_for("draining; once more to end at once")
        desk.type("\x03")
        assert await desk.ended(5.0) in {0, 130}


async def test_what_is_logged_stands_above_the_line_being_typed(program: Program) -> None:
    (program.data / "desk.yaml").write_text(FLOW)
    async with terminal(program, "run", "desk.yaml") as desk:
        await desk.wait_for("you:")
        desk.type("half a li")
        await desk.wait_for("half a li")
        [ports] = (program.data / "nats" / "ports").glob("nats-server_*.ports")
        os.kill(int(ports.stem.rpartition("_")[2]), signal.SIGKILL)
        await desk.wait_for("starting it again")
        await desk.wait_for("connected to NATS")
        async with asyncio.timeout(30.0):  # until the prompt is drawn again
            while "half a li" not in desk.screen[-1]:
                await asyncio.sleep(0.05)
        assert not any("half a li" in line for line in desk.screen[:-1])
        assert any("connected to NATS" in line for line in desk.screen[:-1])
        desk.type("\x15hi\r")
        await desk.wait_for("[hi] bot: Hello, hello!", "you:")
        desk.type("\x04")
        assert await desk.ended() == 0


async def test_while_it_loads_something_moves(program: Program) -> None:
    async with terminal(program, "run", "support") as desk:
        await desk.wait_for("starting answer_from_faq, classify_text")
        await desk.wait_for("you:", timeout=60.0)
        desk.type("thanks!\r")
        await desk.wait_for("bot: You're welcome", "you:")
        desk.type("\x04")
        assert await desk.ended() == 0


async def test_who_sits_at_the_terminal_may_give_every_command(program: Program) -> None:
    (program.data / "desk.yaml").write_text(FLOW)
    (program.data / "off.yaml").write_text(FLOW + "listeners: {console: {roles: []}}\n")
    async with terminal(program, "run", "desk.yaml") as desk:
        await desk.wait_for("you:")
        desk.type("!mute 1m\r")
        await desk.wait_for("I am silent here until", "you:")
        desk.type("hi\r")
        await desk.wait_for("silent, muted\n", "you:")
        desk.type("\x04")
        assert await desk.ended() == 0
    async with terminal(program, "run", "off.yaml") as desk:
        await desk.wait_for("you:")
        desk.type("!mute 1m\r")
        await desk.wait_for("is for who has the role moderator", "you:")
        desk.type("\x04")
        assert await desk.ended() == 0


async def test_a_pipe_has_the_roles_alone_that_the_flow_names(program: Program) -> None:
    (program.data / "desk.yaml").write_text(FLOW)
    code, out, err = await program.run("run", "desk.yaml", stdin="!mute 1m\n")
    assert (code, "is for who has the role moderator" in out) == (0, True), out + err
    given = ("--set", "listeners.console.roles=[moderator]")
    code, out, err = await program.run("run", "desk.yaml", *given, stdin="!mute 1m\n")
    assert (code, "I am silent here" in out) == (0, True), out + err
