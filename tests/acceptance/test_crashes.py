"""Whole processes on a real IRC server, killed at the worst moment: each message, one answer."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from chatbot_test_operations import Gate

from chatbot.broker import Broker, EmbeddedServer
from chatbot.settings import NATS_URL
from tests.integration.test_nodes import gate_flow, running, serving, texts
from tests.servers.irc import Ngircd, RawClient
from tests.servers.processes import Process, Program, until

pytestmark = pytest.mark.crash

CHANNEL = "#help"
PEOPLE = 6
LINES = 25
TAKEN_OVER = 10.0

FLOW = """\
version: 1
name: crash
listeners:
  irc:
    server: 127.0.0.1
    port: {port}
    tls: false
    nick: echo
    channels: ["{channel}"]
    rate: 500
    burst: 100
operations:
  gate: {{run: test_gate, inputs: {{text: message.text}}, config: {{folder: {folder}}}}}
  say: {{run: test_say, inputs: {{text: gate.text}}}}
"""


def flow_file(folder: Path, ngircd: Ngircd) -> str:
    """Write a flow that says what it hears, once `open` is in `folder`."""
    path = folder / "crash.yaml"
    path.write_text(FLOW.format(port=ngircd.port, channel=CHANNEL, folder=folder))
    return str(path)


class Person:
    """Somebody in the channel, who counts what the bot says."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.answers: Counter[str] = Counter()

    def say(self, *texts: str) -> None:
        self.client.say(CHANNEL, *texts)

    async def listen(self) -> None:
        while True:
            line = await self.client.next_line()
            if said := re.match(rf":echo\S* PRIVMSG {CHANNEL} :(.*)", line):
                self.answers[said[1]] += 1


@asynccontextmanager
async def person(ngircd: Ngircd, nick: str) -> AsyncIterator[Person]:
    client = await RawClient.connect(ngircd.port, nick, CHANNEL)
    made = Person(client)
    listening = asyncio.ensure_future(made.listen())
    try:
        yield made
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await client.close()


async def in_channel(bot: Process, seen: Person) -> None:
    """Wait until `bot` is in the channel."""
    await bot.wait_for("listens: 127.0.0.1")
    await until(lambda: any(re.match(r":echo\S* JOIN", line) for line in seen.client.lines))


async def killed(bot: Process) -> None:
    """Kill `bot`; its children, which hold its pipes, may take a moment longer."""
    bot.signal(signal.SIGKILL)
    await until(lambda: bot.process.returncode is not None)


async def answered_last(seen: Person, text: str = "the last") -> None:
    """Say one more thing and wait for its answer: what was answered twice has been by then."""
    seen.say(text)
    await until(lambda: seen.answers[text])
    assert seen.answers.pop(text) == 1


async def test_a_bot_that_was_killed_answers_what_it_had_heard_once(
    program: Program, ngircd: Ngircd, tmp_path: Path
) -> None:
    flow = flow_file(tmp_path, ngircd)
    said = [f"line {number}" for number in range(5)]
    async with person(ngircd, "anna") as anna:
        async with program.start("run", flow) as first:
            await in_channel(first, anna)
            anna.say(*said)
            async with asyncio.timeout(30):
                while (await program.status())["primaries"][0]["contexts"] < len(said):
                    await asyncio.sleep(0.2)  # it has not heard them all
            await killed(first)
        anna.client.lines.clear()
        assert not anna.answers
        (tmp_path / "open").touch()
        async with program.start("run", flow) as second:
            await in_channel(second, anna)
            await until(lambda: len(anna.answers) == len(said), 40.0)
            await answered_last(anna)
    assert anna.answers == Counter(said)


async def test_a_killed_nats_server_loses_no_message_and_none_is_answered_twice(
    program: Program, ngircd: Ngircd, tmp_path: Path
) -> None:
    flow = flow_file(tmp_path, ngircd)
    (tmp_path / "open").touch()
    expected = Counter(f"{p} says {n}" for p in range(PEOPLE) for n in range(LINES))
    async with person(ngircd, "anna") as anna, program.start("run", flow) as bot:
        await in_channel(bot, anna)
        server = nats_server_of(program.data)
        people = [await RawClient.connect(ngircd.port, f"p{p}", CHANNEL) for p in range(PEOPLE)]
        for number in range(LINES):
            for p, each in enumerate(people):
                each.say(CHANNEL, f"{p} says {number}")
            if number == LINES // 2:
                await until(lambda: len(anna.answers) > PEOPLE)
                os.kill(server, signal.SIGKILL)
        await until(lambda: len(anna.answers) == len(expected), 40.0)
        await answered_last(anna)
        assert nats_server_of(program.data) != server
        for each in people:
            await each.close()
    assert anna.answers == expected


async def test_a_second_bot_stands_by_and_takes_over_when_the_first_is_killed(
    program: Program, ngircd: Ngircd, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    flow = flow_file(tmp_path, ngircd)
    (tmp_path / "open").touch()
    url = {NATS_URL: nats_server.url}
    async with person(ngircd, "anna") as anna, program.start("run", flow, **url) as first:
        await in_channel(first, anna)
        async with program.start("run", flow, "--no-node", **url) as second:
            await second.wait_for("stand by")
            anna.say("one")
            await until(lambda: anna.answers["one"])  # in no order
            await answered_last(anna, "two")
            assert not any("JOIN" in line and "echo1" in line for line in anna.client.lines)
            await killed(first)
            anna.client.lines.clear()
            async with program.start("node", "run", "test_gate", **url):
                async with asyncio.timeout(TAKEN_OVER):
                    await in_channel(second, anna)
                anna.say("three")
                await until(lambda: anna.answers["three"])  # in no order
                await answered_last(anna, "four")
    assert anna.answers == Counter(["one", "three"])


async def test_a_node_that_is_told_to_end_does_so_though_its_operation_does_not(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with running(broker, gate_flow(tmp_path), texts(Gate.op, "a")) as results:
        async with program.start("node", "run", "test_gate", **{NATS_URL: nats_server.url}) as node:
            await until(lambda: any(tmp_path.glob("started-*")))
            node.signal(signal.SIGTERM)
            await until(lambda: node.process.returncode is not None, 12.0)
        (tmp_path / "open").touch()
        async with serving(broker, "test_gate"), asyncio.timeout(10):
            assert await results == Counter("a")


def nats_server_of(data: Path) -> int:
    """Return the process of the embedded server with this data folder."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:  # it has ended
            continue
        if b"nats-server" in command and str(data).encode() in command:
            return int(path.parent.name)
    raise AssertionError("no NATS server runs")
