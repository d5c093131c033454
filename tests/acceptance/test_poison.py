"""Messages that do harm end in the dead letters; what is beside them is answered."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from chatbot.broker import Broker, EmbeddedServer
from chatbot.messages import ChatMessage, DeadLetter, Outcome, Reply
from chatbot.nodes.roster import Roster
from chatbot.nodes.watchdog import STUCK
from chatbot.settings import NATS_URL
from tests.integration.test_intake import (
    dead_letters,
    hear,
    message,
    outcomes,
    primary_process,
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
THREADS = 40
"""More than Python's executor has, on machines of up to 36 cores."""


def harmful(folder: Path, timeout: str = "60s", on: str = "nodes") -> Path:
    return written(folder, FLOW.format(folder=folder, timeout=timeout, on=on))


def amid(*harm: str) -> list[ChatMessage]:
    """Return harmful messages amid `FINE` others."""
    fine = [message(f"fine {number}") for number in range(FINE)]
    return [*fine[: FINE // 2], *map(message, harm), *fine[FINE // 2 :]]


@asynccontextmanager
async def nodes(
    program: Program, server: EmbeddedServer, count: int
) -> AsyncIterator[list[Process]]:
    """Run nodes that may be killed, in processes of their own."""
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(
                program.start("node", "run", "test_harm", **{NATS_URL: server.url})
            )
            for _ in range(count)
        ]
        for each in started:
            await each.wait_for("ready to run test_harm")
        yield started


def alive(started: list[Process]) -> list[Process]:
    return [each for each in started if each.process.returncode is None]


def answered(found: dict[str, Outcome]) -> int:
    return sum(each.replies == (Reply(each.id.removeprefix("id of ")),) for each in found.values())


def by_text(letters: list[DeadLetter]) -> dict[str, DeadLetter]:
    assert len(letters) == len({each.message.id for each in letters})
    return {each.message.text: each for each in letters}


@pytest.mark.crash
async def test_a_call_that_kills_its_nodes_kills_three_and_all_others_are_answered(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with nodes(program, nats_server, 4) as started:
        await hear(broker, *amid("segfault it"))
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


HARM = {
    "raise it": "ValueError",
    "garble it": "ValueError",
    "odd it": "EncodingError",
    "hang it": "TimeoutError",
    "thread it": "TimeoutError",
}


async def test_what_fails_or_never_ends_on_a_node_costs_nothing_but_itself(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with nodes(program, nats_server, 1) as (node,):
        harm = HARM | {"block it": "TimeoutError"}
        await hear(broker, *amid(*harm))
        async with taking(broker, harmful(tmp_path, timeout="500ms")):
            found = await outcomes(broker, FINE + len(harm), timeout=60.0)
            await settled(broker)
        assert answered(found) == FINE
        letters = by_text(await dead_letters(broker))
        assert {text: each.kind for text, each in letters.items()} == harm
        for each in letters.values():
            assert each.operation == "harm"
            assert each.nodes
            assert all(name.endswith(f":{node.pid}") for name in each.nodes), "it lives"
        assert "output 'text' of test_harm: text is an object, which" in letters["odd it"].reason
        assert "it took longer than 0.5 s" in letters["block it"].reason
        assert "in run" in letters["raise it"].trace
        node.process.terminate()
        assert await node.ended(8.0) == 0, "threads that hang do not keep it"


@pytest.mark.crash
async def test_what_never_ends_on_the_primary_costs_nothing_but_itself(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    path = harmful(tmp_path, timeout="500ms", on="primary")
    harm = {text: kind for text, kind in HARM.items() if text != "odd it"}
    harm |= {"block it": "TimeoutError", "regex it": "TimeoutError"}
    threads = {f"thread it, {number}": "TimeoutError" for number in range(THREADS)}
    async with (
        Roster.follow(broker) as roster,
        primary_process(program, nats_server, path, roster) as process,
    ):
        await hear(broker, *map(message, threads))
        await outcomes(broker, THREADS)
        await hear(broker, *amid(*harm))
        found = await outcomes(broker, THREADS + FINE + len(harm), timeout=60.0)
        await settled(broker)
        assert answered(found) == FINE
        letters = by_text(await dead_letters(broker))
        assert {text: each.kind for text, each in letters.items()} == harm | threads
        for each in letters.values():
            assert each.operation == "harm"
            assert [name.rpartition(":")[2] for name in each.nodes] == [str(process.pid)]
        process.process.terminate()
        assert await process.ended(10.0) == 0, "threads that hang do not keep it"


OUTER = """\
version: 1
name: test
operations:
  inner: {flow: inner.yaml, inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: inner.text}}
"""
INNER = """\
version: 1
name: inner
inputs: {text: string}
operations:
  harm: {run: test_harm, on: primary, inputs: {text: input.text}, config: {folder: FOLDER}}
outputs: {text: harm.text}
"""


@pytest.mark.crash
async def test_a_call_that_kills_its_primary_kills_three_and_all_others_are_answered(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    path = written(tmp_path, OUTER)
    (path.parent / "inner.yaml").write_text(INNER.replace("FOLDER", str(tmp_path)))
    await hear(broker, *amid("segfault it"))
    command = ("run", str(path), "--no-node", "--no-listeners")
    async with Roster.follow(broker) as roster:
        for _ in range(3):
            async with program.start(*command, **{NATS_URL: nats_server.url}) as dying:
                assert await dying.ended(60.0) == -signal.SIGSEGV
        async with primary_process(program, nats_server, path, roster) as process:
            found = await outcomes(broker, FINE + 1, timeout=60.0)
            await settled(broker)
            process.process.terminate()
            assert await process.ended(10.0) == 0
    assert answered(found) == FINE
    (letter,) = await dead_letters(broker)
    assert letter.message.text == "segfault it"
    assert (letter.operation, letter.kind, letter.attempts) == ("harm", "PoisonError", 3)
    assert letter.nodes[0] == "unknown"
    assert len(set(letter.nodes)) == 3


@pytest.mark.crash
async def test_a_node_whose_operation_heeds_no_end_ends_itself_and_another_goes_on(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with nodes(program, nats_server, 1) as (node,):
        await hear(broker, message("heedless it"))
        async with taking(broker, harmful(tmp_path, timeout="500ms")):
            await hear(broker, *amid())
            assert await node.ended(30.0) == STUCK
            assert "a call of test_harm goes on though its time is over" in node.err
            (tmp_path / "mended").touch()
            async with nodes(program, nats_server, 1):
                assert answered(await outcomes(broker, FINE + 1, timeout=30.0)) == FINE + 1
                await settled(broker)
    assert await dead_letters(broker) == []
