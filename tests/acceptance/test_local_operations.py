"""Operations in a file beside the flow, run by nodes that are processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer
from chatbot.settings import NATS_URL
from tests.servers.processes import Process, Program

SHOUT = """
import os
from chatbot import Batch, Reply, operation

@operation
def shout(texts: Batch[str]) -> Batch[Reply]:
    return [Reply(f"{text.upper()}! ({os.getpid()})") for text in texts]
"""
FLOW = """
version: 1
operations:
  shout: {run: shout.py:shout, inputs: {texts: message.text}}
"""


def written(folder: Path, code: str = SHOUT) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "shout.py").write_text(code)
    (folder / "loud.yaml").write_text(FLOW)
    return folder


async def say(bot: Process, text: str) -> None:
    assert bot.process.stdin is not None
    bot.process.stdin.write(json.dumps({"text": text}).encode() + b"\n")
    await bot.process.stdin.drain()


async def test_a_bot_starts_a_node_with_the_file_that_its_flow_names(
    program: Program, tmp_path: Path
) -> None:
    flow = written(tmp_path / "flow") / "loud.yaml"
    code, out, err = await program.run("run", str(flow), stdin="hello\n")
    assert code == 0, err
    assert "HELLO! (" in out


@pytest.mark.crash
async def test_a_node_elsewhere_needs_the_same_file_and_says_so(
    program: Program, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    here = written(tmp_path / "here")
    there = written(tmp_path / "there", SHOUT.replace("!", "?"))
    given = {NATS_URL: nats_server.url}
    flow, file = str(here / "loud.yaml"), str(there / "shout.py")
    async with program.start("run", flow, "--no-node", "--jsonl", **given) as bot:
        await bot.wait_for("loud listens")
        await say(bot, "hello")
        await bot.wait_for("start one with: chatbot node run --operations shout.py")
        async with (
            program.start("node", "run", "clean_text", **given) as ignorant,
            program.start("node", "run", "--operations", file, **given) as node,
        ):
            await ignorant.wait_for("shout.py:shout for loud: this node was not given that file")
            await node.wait_for("ready to run shout.py:shout")
            await node.wait_for("bring the same file here")
            assert "HELLO" not in bot.out
            written(there)
            await node.wait_for("running shout.py:shout for loud")
            await bot.wait_for(f"HELLO! ({node.pid})")


@pytest.mark.crash
async def test_a_node_that_runs_takes_a_changed_file_up(
    program: Program, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    folder = written(tmp_path / "flow")
    flow, file = str(folder / "loud.yaml"), str(folder / "shout.py")
    given = {NATS_URL: nats_server.url}
    async with (
        program.start("node", "run", "--operations", file, **given) as node,
        program.start("run", flow, "--watch", "--no-node", "--jsonl", **given) as bot,
    ):
        await say(bot, "one")
        await bot.wait_for(f"ONE! ({node.pid})")
        written(folder, SHOUT.replace("!", "?"))
        await bot.wait_for("from now on")
        await say(bot, "two")
        await bot.wait_for(f"TWO? ({node.pid})")
        (folder / "shout.py").write_text("def (")
        await bot.wait_for("is not Python")
        await say(bot, "three")
        await bot.wait_for(f"THREE? ({node.pid})")


async def test_a_file_that_is_wrong_is_told_at_once(program: Program, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(SHOUT.replace("Batch[str]", "int", 1))
    code, _, err = await program.run("node", "run", "--operations", str(tmp_path / "no.py"))
    assert (code, "does not exist" in err) == (2, True)
    (tmp_path / "wrong.py").write_text("x: 1 = ")
    code, _, err = await program.run("node", "run", "--operations", str(tmp_path / "wrong.py"))
    assert (code, "is not Python" in err) == (2, True)
