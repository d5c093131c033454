"""An entry is opened once, whoever dies: the bot with the tracker's listener, and the primary."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer
from chatbot.settings import NATS_URL
from tests.servers.frozen import freeze
from tests.servers.processes import ROOT, Program, until
from tests.servers.tracker import REPOSITORY, TOKEN, TrackerServer

FLOW = """\
version: 1
name: crash
listeners:
  platform: {{kind: test_platform, folder: {folder}}}
  tracker:
    kind: github
    repository: {repository}
    token: ${{TRACKER_TOKEN}}
    api: {api}
    dry_run: false
operations:
  open:
    run: open_github_issue
    config:
      title: "{{{{ message.text }}}}"
      body: "{{{{ message.text }}}}, said {{{{ message.name }}}}"
      reply: "{{{{ message.name }}}}: noted: {{link}}"
"""
LINK = f"https://tracker.example.org/{REPOSITORY}/issues"


@pytest.fixture
async def server() -> AsyncIterator[TrackerServer]:
    async with TrackerServer.running() as server:
        yield server


class Bot:
    """A bot on the tests' platform and a tracker; its NATS server outlives it."""

    def __init__(self, folder: Path, program: Program, nats: str, tracker: TrackerServer) -> None:
        self.folder = folder
        self.program = program
        self.told = {NATS_URL: nats, "TRACKER_TOKEN": TOKEN}
        text = FLOW.format(folder=folder, repository=REPOSITORY, api=tracker.api)
        (program.data / "crash.yaml").write_text(text)
        (folder / "posted").touch()
        program.entry = ["tests.servers.failing", "-", "kill"]  # what the dead held is soon ours

    def post(self, text: str) -> None:
        with (self.folder / "posted").open("a") as file:
            file.write(f"{text}\n")

    def said(self) -> list[str]:
        path = self.folder / "said"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line)[1] for line in lines]


@pytest.fixture
def bot(
    tmp_path: Path, program: Program, nats_server: EmbeddedServer, server: TrackerServer
) -> Bot:
    folder = tmp_path / "platform"
    folder.mkdir()
    return Bot(folder, program, nats_server.url, server)


@pytest.mark.crash
async def test_a_bot_that_is_killed_between_the_entry_and_its_note_opens_one(
    bot: Bot, server: TrackerServer
) -> None:
    server.answering.clear()
    async with bot.program.start("run", "crash.yaml", **bot.told) as first:
        bot.post("it crashes")
        await until(lambda: server.issues)
        await first.kill()
    server.answering.set()
    async with bot.program.start("run", "crash.yaml", **bot.told):
        await until(bot.said)
        bot.post("and now?")
        await until(lambda: len(bot.said()) == 2)
    assert [each["title"] for each in server.issues] == ["it crashes", "and now?"]
    assert bot.said() == [f"anna: noted: {LINK}/1", f"anna: noted: {LINK}/2"]
    assert "it crashes, said anna" in server.issues[0]["body"]


@pytest.mark.crash
async def test_a_bot_that_stood_still_meanwhile_opens_and_says_nothing_twice(
    bot: Bot, server: TrackerServer
) -> None:
    server.answering.clear()
    async with bot.program.start("run", "crash.yaml", **bot.told) as first:
        bot.post("it crashes")
        await until(lambda: server.issues)
        freeze(first.pid)
        server.answering.set()
        async with bot.program.start("run", "crash.yaml", **bot.told):
            await until(bot.said)
            first.signal(signal.SIGCONT)
            bot.post("and now?")
            await until(lambda: len(bot.said()) == 2)
    assert [each["title"] for each in server.issues] == ["it crashes", "and now?"]
    assert bot.said() == [f"anna: noted: {LINK}/1", f"anna: noted: {LINK}/2"]


@pytest.mark.crash
@pytest.mark.parametrize("point", ["before OUT", "sent OUT", "stored OUT"])
async def test_what_a_dead_primary_decided_is_handed_over_once(
    bot: Bot, server: TrackerServer, point: str
) -> None:
    """The second that it puts into OUT is the part of its outcome that is another listener's."""
    bot.program.entry = ["tests.servers.failing", point, "kill"]
    async with bot.program.start("run", "crash.yaml", **bot.told) as first:
        bot.post("it crashes")
        await until(lambda: first.process.returncode is not None)
    assert not server.issues, "the tracker's listener notes that it begins before it does"
    bot.program.entry = ["tests.servers.failing", "-", "kill"]
    async with bot.program.start("run", "crash.yaml", **bot.told):
        await until(bot.said)
        bot.post("and now?")
        await until(lambda: len(bot.said()) == 2)
    assert [each["title"] for each in server.issues] == ["it crashes", "and now?"]


TRIAGE = """\
version: 1
name: crash
include: [{triage}]
listeners:
  platform: {{kind: test_platform, folder: {folder}}}
  tracker: {{repository: {repository}, token: "${{TRACKER_TOKEN}}", api: {api}, dry_run: false}}
"""


@pytest.mark.crash
async def test_the_flow_that_ships_opens_links_and_adds(bot: Bot, server: TrackerServer) -> None:
    own = {"triage": ROOT / "flows" / "triage.yaml", "folder": bot.folder}
    told = TRIAGE.format(**own, repository=REPOSITORY, api=server.api)
    (bot.program.data / "crash.yaml").write_text(told)
    bot.program.entry = ["chatbot"]
    async with bot.program.start("run", "crash.yaml", **bot.told) as running:
        await running.wait_for("listens: the tests' platform")
        bot.post("it crashes when I open the export dialog")
        await until(bot.said)
        bot.post("it is 2.1.4 on ubuntu 22.04")
        await until(lambda: server.comments)
        bot.post("it crashes when I close the export dialog in 2.1")
        await until(lambda: len(bot.said()) == 2)
        bot.post("it crashes when I open the export dialogs")
        await until(lambda: len(bot.said()) == 3)
    first, second, third = bot.said()
    assert first == f"anna: noted as bug: {LINK}/1. Which version is it?"
    assert second == f"anna: noted as bug: {LINK}/2; looks like {LINK}/1"
    assert third == f"anna: that was reported today: {LINK}/1"
    assert [each["labels"] for each in server.issues] == [["bug"], ["bug"]]
    assert f"* Version: 2\\.1\n* Looks like: {LINK}/1\n\n<!--" in server.issues[1]["body"]
    assert server.comments[0]["issue"] == 1
    assert "2\\.1\\.4" in server.comments[0]["body"]
