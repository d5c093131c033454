"""Each tutorial is done as a reader does it: its files written, its commands run, in its order.

What stands in a `text` block is shown by the command before it, and a `console` block is typed into
a terminal; `…` stands for any text there.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.acceptance.test_terminal import Terminal, terminal
from tests.servers.pages import TUTORIALS, Block, blocks
from tests.servers.processes import Program, environment

MOST_COMMANDS = 12
MOST_WORDS = 1500
"""What fits in ten minutes: some of reading, the rest of doing."""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put `chatbot` and `python` on the path, and be called ada."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, given in (("chatbot", "-m chatbot "), ("python", "")):
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {given}"$@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LOGNAME", "ada")
    return folder


@pytest.mark.crash
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
async def test_a_tutorial_works_as_it_is_written(page: Path, program: Program, tools: Path) -> None:
    shown = ""
    for block in blocks(page):
        if block.file:
            (program.data / block.file).write_text(block.text)
        elif block.kind == "sh":
            shown = await ran(block, program)
        elif block.kind == "text":
            assert fits(block.text, shown), f"{block} is not in\n{shown}"
        elif block.kind == "console":
            await typed(block, program)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_takes_no_longer_than_ten_minutes(page: Path) -> None:
    commands = [line for each in blocks(page) if each.kind == "sh" for line in each.commands]
    assert len(commands) <= MOST_COMMANDS
    assert len(re.findall(r"\w+", page.read_text())) <= MOST_WORDS


async def ran(block: Block, program: Program) -> str:
    """Run the block's commands; return what they showed. One may fail only if that is shown."""
    shown = ""
    for command in block.commands:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-o", "pipefail", "-c", command),
            cwd=program.data,
            env=environment(program.data / ".data"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(90):
            out, _ = await process.communicate()
        shown += out.decode()
        explained = "flow check" in command and "problem" in shown
        assert process.returncode == 0 or explained, f"{block}: {command}\n{shown}"
    return shown


async def typed(block: Block, program: Program) -> None:
    """Type what the block says that one types, and see what it says that is shown."""
    command, *lines = block.text.splitlines()
    assert command.startswith("$ chatbot ")
    async with terminal(program, *shlex.split(command)[2:]) as desk:
        await seen(desk, "", "you:")
        before = 0
        awaited: list[str] = []
        for line in [*lines, "you:"]:
            if not line.startswith("you:"):
                awaited.append(line)
                continue
            await seen(desk, desk.shown[:before], "\n".join([*awaited, "you:"]))
            before, awaited = len(desk.shown), []
            if line != "you:":
                desk.type(line.removeprefix("you:").strip() + "\r")
        desk.type("\x04")
        assert await desk.ended(30.0) == 0


async def seen(desk: Terminal, before: str, wanted: str) -> None:
    """Wait until what is `wanted` was shown after `before`."""
    try:
        async with asyncio.timeout(30):
            while not fits(wanted, desk.shown[len(before) :]):
                await desk.changed()
    except TimeoutError:
        raise AssertionError(f"no {wanted!r} in\n{desk.shown}") from None


def fits(wanted: str, shown: str) -> bool:
    """Whether all of `wanted` is in `shown`, in its order; lines may be wrapped otherwise."""
    parts = [re.sub(r"\s", "", part) for part in re.split(r"…|\n", wanted)]
    pattern = ".*".join(re.escape(part) for part in parts if part)
    return re.search(pattern, re.sub(r"\s", "", shown)) is not None
