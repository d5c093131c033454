"""Flows that change while bots run them, in processes of their own."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

from chatbot.broker import EmbeddedServer
from chatbot.settings import NATS_URL
from tests.acceptance.test_crashes import CHANNEL, Person, answered_last, in_channel, person
from tests.servers.irc import Ngircd
from tests.servers.processes import Program, until

FLOW = """\
version: 1
name: reload
listeners:
  irc:
    server: 127.0.0.1
    port: {port}
    tls: false
    nick: echo
    channels: [{channels}]
    rate: 500
    burst: 100
operations:
  first: {{run: {run}, inputs: {{text: message.text}}}}
  say: {{run: test_say, inputs: {{text: first.text}}}}
"""


def written(path: Path, ngircd: Ngircd, run: str, *channels: str) -> str:
    names = ", ".join(f'"{name}"' for name in channels or (CHANNEL,))
    path.write_text(FLOW.format(port=ngircd.port, run=run, channels=names))
    return str(path)


async def test_a_bot_that_watches_its_file_changes_in_mid_conversation(
    program: Program, ngircd: Ngircd, tmp_path: Path
) -> None:
    path = tmp_path / "reload.yaml"
    flow = written(path, ngircd, "test_fail")
    async with person(ngircd, "anna") as anna, program.start("run", flow, "--watch") as bot:
        await in_channel(bot, anna)
        anna.say("one")
        await until(lambda: anna.answers["one"])
        joined = len(anna.client.lines)
        written(path, ngircd, "test_shout")  # which the node was not started for
        await bot.wait_for("from now on; was")
        anna.say("two")
        await until(lambda: anna.answers["TWO"])
        written(path, ngircd, "test_shuot")
        await bot.wait_for("did you mean test_shout?")
        await bot.wait_for("goes on")
        anna.say("three")
        await until(lambda: anna.answers["THREE"])
        assert not any("QUIT" in line for line in anna.client.lines[joined:])
        written(path, ngircd, "test_shout", CHANNEL, "#another")
        await bot.wait_for("its listeners have changed")
        await until(lambda: any(":echo" in each and "JOIN" in each for each in rejoined(anna)))
        await answered_last(anna, "FOUR")
    assert anna.answers == Counter(["one", "TWO", "THREE"])


def rejoined(anna: Person) -> list[str]:
    """Return what was seen after the bot had left."""
    lines = anna.client.lines
    left = [number for number, line in enumerate(lines) if ":echo" in line and "QUIT" in line]
    return lines[left[-1] :] if left else []


async def test_a_flow_is_applied_to_all_its_primaries_or_it_is_said_which_refuse(
    program: Program, ngircd: Ngircd, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    url = {NATS_URL: nats_server.url}
    paths = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    one, two = (written(path, ngircd, "test_fail") for path in paths)
    none = ("--no-listeners", "--no-node")
    async with (
        program.start("node", "run", "test_fail", "test_shout", **url),
        program.start("run", one, *none, **url) as first,
        program.start("run", two, *none, **url) as second,
    ):
        await both_there(program, url)
        for path in paths:
            written(path, ngircd, "test_shout")
        code, out, err = await program.run("flow", "apply", one, **url)
        assert (code, out.count("from the next message")) == (0, 2), err
        written(paths[0], ngircd, "test_fail")
        written(paths[1], ngircd, "test_fial")
        code, out, _ = await program.run("flow", "apply", one, "--json", **url)
        assert code == 1
        found = {each["pid"]: each for each in json.loads(out)}
        assert found[first.pid]["done"]
        assert not found[second.pid]["done"]
        assert "two.yaml:13:16:" in found[second.pid]["problems"][0]
        code, _, err = await program.run("flow", "apply", two, **url)
        assert code == 2
        assert "did you mean test_fail?" in err


async def both_there(program: Program, url: dict[str, str]) -> None:
    """Wait until two primaries are announced."""
    async with asyncio.timeout(30.0):
        while True:
            code, out, err = await program.run("status", "--json", **url)
            assert code == 0, err
            if len(json.loads(out)["primaries"]) == 2:
                return
