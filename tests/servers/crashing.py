"""A bot and a node on a network of the tests, one of which dies or stops at a point; an auditor.

What the auditor finds is the guarantee: each message that was posted is in IN once, has one
outcome in OUT and all parts of that on the network, once; nothing is in DEAD; the position is at
the end; and nothing is left that somebody still holds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chatbot.broker import Broker, EmbeddedServer, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.messages import ChatMessage, Outcome, Record
from chatbot.nodes.roster import Roster
from chatbot.settings import NATS_URL
from tests.servers.cluster import Cluster
from tests.servers.processes import Process, Program, until

FLOW = "crash"
PARTS = 2
LAST = "and now?"
OPERATIONS = """\
operations:
  gate: {{run: test_gate, inputs: {{text: message.text}}, config: {{folder: {folder}}}}}
  say: {{run: test_say, inputs: {{text: gate.text}}}}
  again: {{run: test_say, inputs: {{text: gate.text}}}}
"""
PLATFORM = """\
version: 1
name: crash
listeners:
  platform: {{kind: test_platform, folder: {folder}, people: 100}}
"""
"""Of many people: one who asks without end, answered at once each time, looks like a bot."""
PROGRAM = {
    "whole": ("run", "crash.yaml"),
    "bot": ("run", "crash.yaml", "--no-node"),
    "primary": ("run", "crash.yaml", "--no-node", "--no-listeners"),
    "node": ("node", "run", "test_gate"),
}


class Site:
    """Where processes of one flow run: over one NATS server, on one network."""

    def __init__(
        self,
        folder: Path,
        server: EmbeddedServer | Cluster,
        broker: Broker,
        listeners: str = PLATFORM,
    ) -> None:
        self.folder = folder
        self.server = server
        self.broker = broker
        self._data = folder / "data"
        (self._data / "crash.yaml").write_text((listeners + OPERATIONS).format(folder=folder))
        (folder / "open").touch()
        (folder / "posted").touch()
        self._posted: list[str] = []
        self.quick = True
        """Whether what a dead process held is another's sooner than by default."""

    @asynccontextmanager
    async def start(
        self, kind: str, point: str = "-", how: str = "kill", *, url: str = "", **extra: str
    ) -> AsyncIterator[Process]:
        """Run a `bot` or a `node`, with a failpoint if one is named, for the block's duration.

        `url` where it reaches the server by another way, `extra` for its environment.
        """
        program = Program(self._data)
        if self.quick:
            program.entry = ["tests.servers.failing", point, how]
        there = {NATS_URL: url or self.server.url, **extra}
        async with program.start(*PROGRAM[kind], **there) as process:
            try:
                yield process
            finally:
                process.signal(signal.SIGCONT)
                if point != "-" and how == "stop":
                    process.signal(signal.SIGKILL)

    def post(self, *texts: str) -> None:
        """Say something on the network."""
        self._posted += texts
        with (self.folder / "posted").open("a") as file:
            file.writelines(f"{text}\n" for text in texts)

    async def restart_server(self, how: signal.Signals) -> None:
        """End the NATS server; return when it has been started again and takes messages."""
        assert isinstance(self.server, EmbeddedServer)
        server, before = self.server, self.server.pid
        os.kill(before, how)
        await until(lambda: server.pid != before)
        await self.broker.publish(subjects.done_subject("nobody"), b"")

    async def there(self, roster: Roster, kind: str, process: Process) -> None:
        """Wait until a process has announced itself."""
        await until(
            lambda: (
                process.pid
                in {each.pid for each in (roster.primaries if kind == "bot" else roster.nodes)}
            )
        )

    async def finished(self, *, emptied: bool = True) -> None:
        """Wait until all that was posted is answered, and nobody holds anything any more.

        Not `emptied`: what is done may lie in WORK until it is too old.
        """
        wanted = PARTS * len(self._posted)
        await until(lambda: len(self.said()) >= wanted, 60.0)
        await self.settled(emptied=emptied)

    def hold(self) -> None:
        """Have the operation of what comes wait, until `go_on`."""
        (self.folder / "open").unlink()

    def go_on(self) -> None:
        (self.folder / "open").touch()

    def started(self, node: Process | None = None) -> list[str]:
        """Return the texts for which the operation was started, by `node` or by any."""
        paths = self.folder.glob(f"started-{node.pid if node else '*'}")
        return [line for path in paths for line in path.read_text().splitlines()]

    def said(self) -> dict[str, set[str]]:
        """Return what was said, by the part's id: more than one text would be two parts."""
        path = self.folder / "said"
        found: dict[str, set[str]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            part, text = json.loads(line)
            found.setdefault(part, set()).add(text)
        return found

    async def audit(self) -> None:
        """Find each message handled, and each outcome once; see the module."""
        expected = {f"platform/{n}": text for n, text in enumerate(self._posted, 1)}
        heard = await self.stored(subjects.in_stream(FLOW), ChatMessage)
        assert {each.id: each.text for each in heard} == expected
        assert len(heard) == len(expected), "each is in IN once"
        await self.audit_outcomes(expected)
        parts = {f"{id}#{n}": {text} for id, text in expected.items() for n in range(PARTS)}
        assert self.said() == parts
        assert (self.folder / "position").read_text() == str(len(expected))
        positions = [int(line) for line in (self.folder / "positions").read_text().split()]
        assert positions == sorted(positions), "it never goes back"

    async def audit_outcomes(self, expected: dict[str, str]) -> None:
        """Find one good outcome for each message of `expected` (text by id), and no dead letter."""
        decided = await self.stored(subjects.out_stream(FLOW), Outcome)
        assert sorted(each.id for each in decided) == sorted(expected), "each has one outcome"
        for each in decided:
            assert not each.error
            assert [reply.text for reply in each.replies] == [expected[each.id]] * PARTS
        assert (await self.broker.js.stream_info(subjects.DEAD)).state.messages == 0

    async def stored(self, stream: str, kind: type[Record]) -> list[Any]:
        """Return all that a stream ever stored. None has an id that a dedupe window would know."""
        state = (await self.broker.js.stream_info(stream)).state
        found = [await self.broker.js.get_msg(stream, n) for n in range(1, state.last_seq + 1)]
        assert not [each for each in found if "Nats-Msg-Id" in (each.headers or {})]
        return [kind.decode(each.data) for each in found if each.data]

    async def settled(self, *, emptied: bool = True) -> None:
        """Wait until nothing in IN, WORK or OUT waits, or is held by somebody."""
        own = [
            (subjects.in_stream(FLOW), streams.in_consumer(FLOW, lane).durable_name)
            for lane in Lane
        ]
        own += [
            (subjects.out_stream(FLOW), each.name)
            for each in await self.broker.js.consumers_info(subjects.out_stream(FLOW))
        ]
        own += [
            (subjects.WORK, each.name)
            for each in await self.broker.js.consumers_info(subjects.WORK)
        ]
        async with asyncio.timeout(30.0):
            while emptied and (await self.broker.js.stream_info(subjects.WORK)).state.messages:
                await asyncio.sleep(0.02)
            for stream, name in own:
                while True:
                    info = await self.broker.js.consumer_info(stream, str(name))
                    if not info.num_pending and not info.num_ack_pending:
                        break
                    await asyncio.sleep(0.02)


async def all_of(cases: Iterable[Awaitable[None]]) -> None:
    """Run all at once and each to its end, whatever becomes of the others; raise what they did."""
    done = await asyncio.gather(*cases, return_exceptions=True)
    failed = [each for each in done if isinstance(each, Exception)]
    if failed:
        raise ExceptionGroup("some cases failed", failed)


async def killed_itself(process: Process) -> None:
    """Wait until `process` has come to its point and is dead."""
    await until(lambda: process.process.returncode is not None)
    assert process.process.returncode == -signal.SIGKILL, process.err


async def stopped_itself(process: Process) -> None:
    """Wait until `process` has come to its point and stands still."""
    await until(lambda: _state(process) == "T")


def _state(process: Process) -> str:
    assert process.process.returncode is None, process.err
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
