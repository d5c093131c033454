"""Messages that do harm end in the dead letters; what is beside them is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from chatbot.broker import Broker, EmbeddedServer
from chatbot.messages import ChatMessage, Outcome, Reply
from chatbot.settings import NATS_URL
from tests.integration.test_intake import (
    dead_letters,
    hear,
    message,
    outcomes,
    settled,
    taking,
    written,
)
from tests.servers.processes import Process, Program

FLOW = """\
version: 1
name: test
operations:
  harm:
    run: test_harm
    inputs: {{text: message.text}}
    config: {{folder: {folder}}}
    timeout: {timeout}
    on: {on}
  say: {{run: test_say, inputs: {{text: harm.text}}}}
"""
FINE = 50


def harmful(folder: Path, timeout: str = "60s", on: str = "nodes") -> Path:
    return written(folder, FLOW.format(folder=folder, timeout=timeout, on=on))


def fine() -> list[ChatMessage]:
    return [message(f"fine {number}") for number in range(FINE)]


@asynccontextmanager
async def nodes(
    program: Program, server: EmbeddedServer, count: int
) -> AsyncIterator[list[Process]]:
    """Run nodes that may be killed, in processes of their own."""
    async with AsyncExitStack() as stack:
        url = {NATS_URL: server.url}
        start = [
            stack.enter_async_context(program.start("node", "run", "test_harm", **url))
            for _ in range(count)
        ]
        started = [await each for each in start]
        for each in started:
            await each.wait_for("ready to run test_harm")
        yield started


def alive(started: list[Process]) -> list[Process]:
    return [each for each in started if each.process.returncode is None]


def answered(found: dict[str, Outcome]) -> int:
    return sum(each.replies == (Reply(each.id.removeprefix("id of ")),) for each in found.values())


async def test_a_call_that_kills_its_nodes_kills_three_and_all_others_are_answered(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    said = fine()
    async with nodes(program, nats_server, 4) as started:
        await hear(broker, *said[:25], message("segfault it"), *said[25:])
        async with taking(broker, harmful(tmp_path)):
            found = await outcomes(broker, FINE + 1, timeout=40.0)
            await settled(broker)
        assert len(alive(started)) == 1
    assert answered(found) == FINE
    (letter,) = await dead_letters(broker)
    assert letter.message.text == "segfault it"
    assert (letter.operation, letter.kind, letter.attempts) == ("harm", "PoisonError", 3)
    where = {f":{each.pid}" for each in started}
    assert letter.nodes[0] == "unknown"
    assert len({each for each in letter.nodes[1:] if any(map(each.endswith, where))}) == 2
    assert found["id of segfault it"].error == "harm raised PoisonError"
    assert not found["id of segfault it"].replies
