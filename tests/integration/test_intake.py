"""A message in IN has exactly one outcome in OUT, whoever dies in between."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatbot.broker import Broker, EmbeddedServer, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.flowfile.load import load
from chatbot.listeners.bridge import NatsBridge
from chatbot.messages import ChatMessage, DeadLetter, Outcome, Reply
from chatbot.nodes.roster import Roster
from chatbot.orchestrator import intake as module
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.intake import Intake
from chatbot.orchestrator.primary import primary
from chatbot.settings import NATS_URL
from tests.integration.test_nodes import serving, started
from tests.servers.processes import Process, Program, until

NETWORK = "net"

GATE = """\
version: 1
name: test
operations:
  gate: {{run: test_gate, inputs: {{text: message.text}}, config: {{folder: {folder}}}}}
  say: {{run: test_say, inputs: {{text: gate.text}}}}
outputs: {{passed: gate.text}}
"""

SAY = """\
version: 1
name: test
operations:
  say: {run: test_say, inputs: {text: message.text}}
"""

REFUSE = """\
version: 1
name: test
operations:
  refuse: {run: test_refuse, inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: refuse.text}}
"""

REFUSE_WITHIN = """\
version: 1
name: test
operations:
  within: {flow: inner.yaml, inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: within.passed}}
"""
INNER = """\
version: 1
inputs: {text: string}
operations:
  refuse: {run: test_refuse, inputs: {text: text}}
outputs: {passed: refuse.text}
"""

ODD = """\
version: 1
name: test
operations:
  odd: {run: test_odd, inputs: {text: message.text}}
outputs: {thing: odd.thing}
"""


def message(text: str, key: str | None = None) -> ChatMessage:
    return ChatMessage(
        id=f"id of {key or text}",
        network=NETWORK,
        room="#room",
        sender="anna",
        text=text,
        time=datetime.now(UTC),
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "test.yaml"
    path.write_text(text)
    (folder / "inner.yaml").write_text(INNER)
    return path


def gated(folder: Path) -> Path:
    """Write the flow that waits at a gate until `open` is there."""
    return written(folder, GATE.format(folder=folder))


@asynccontextmanager
async def taking(broker: Broker, path: Path) -> AsyncIterator[Intake]:
    """Run a primary in this process."""
    async with Roster.follow(broker) as roster, primary(broker, load(path), roster) as intake:
        yield intake


@asynccontextmanager
async def primary_process(
    program: Program, nats_server: EmbeddedServer, path: Path, roster: Roster
) -> AsyncIterator[Process]:
    """Run a primary in a process of its own; it takes messages when this returns."""
    arguments = ("run", str(path), "--no-node", "--no-listeners")
    async with program.start(*arguments, **{NATS_URL: nats_server.url}) as process:
        await until(lambda: process.pid in {each.pid for each in roster.primaries})
        yield process


async def hear(broker: Broker, *messages: ChatMessage) -> None:
    await streams.ensure(broker, streams.flow_streams("test"))
    async with NatsBridge.open(broker, "test", "listener", transient=True) as bridge:
        await asyncio.gather(*(bridge.hear(each) for each in messages))


async def outcomes(broker: Broker, count: int, timeout: float = 20.0) -> dict[str, Outcome]:
    """Wait until OUT has `count` outcomes; return them by the id of their message."""
    stream = subjects.out_stream("test")
    async with asyncio.timeout(timeout):
        while (await broker.js.stream_info(stream)).state.messages < count:
            await asyncio.sleep(0.02)
    found: dict[str, Outcome] = {}
    for sequence in range(1, count + 1):
        outcome = Outcome.decode((await broker.js.get_msg(stream, sequence)).data or b"")
        assert outcome.id not in found
        found[outcome.id] = outcome
    assert (await broker.js.stream_info(stream)).state.last_seq == count
    return found


async def settled(broker: Broker, timeout: float = 15.0) -> None:
    """Wait until nothing in IN waits for a primary or is held by one."""
    stream = subjects.in_stream("test")
    async with asyncio.timeout(timeout):
        for lane in Lane:
            name = str(streams.in_consumer("test", lane).durable_name)
            while True:
                info = await broker.js.consumer_info(stream, name)
                if not info.num_pending and not info.num_ack_pending:
                    break
                await asyncio.sleep(0.02)


async def dead_letters(broker: Broker) -> list[DeadLetter]:
    count = (await broker.js.stream_info(subjects.DEAD)).state.messages
    return [
        DeadLetter.decode((await broker.js.get_msg(subjects.DEAD, sequence)).data or b"")
        for sequence in range(1, count + 1)
    ]


async def test_a_message_has_exactly_one_outcome(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    said = [message(f"text {number}") for number in range(30)]
    async with taking(broker, gated(tmp_path)), serving(broker, "test_gate"):
        await hear(broker, *said)
        await hear(broker, *said)
        found = await outcomes(broker, 30)
        await settled(broker)
    for each in said:
        outcome = found[each.id]
        assert (outcome.network, outcome.room, outcome.sender) == (NETWORK, "#room", "anna")
        assert (outcome.replies, outcome.understood) == (
            (Reply(each.text),),
            {"passed": each.text},
        )
        assert not outcome.error
    assert await dead_letters(broker) == []


async def test_a_message_that_is_heard_before_there_is_a_primary_is_answered(
    broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "open").touch()
    await hear(broker, message("early"))
    async with taking(broker, gated(tmp_path)), serving(broker, "test_gate"):
        assert (await outcomes(broker, 1))["id of early"].replies == (Reply("early"),)


@pytest.mark.crash
async def test_a_message_that_a_killed_primary_held_has_one_outcome(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    path = gated(tmp_path)
    said = [message(f"text {number}") for number in range(5)]
    async with Roster.follow(broker) as roster, serving(broker, "test_gate"):
        async with primary_process(program, nats_server, path, roster) as first:
            await hear(broker, *said)
            await until(lambda: started(tmp_path))
            await first.kill()
        async with taking(broker, path):
            (tmp_path / "open").touch()
            found = await outcomes(broker, 5)
            await settled(broker)
    assert {each.id: each.replies for each in found.values()} == {
        each.id: (Reply(each.text),) for each in said
    }


@pytest.mark.crash
async def test_primaries_share_a_flow_and_a_killed_ones_messages_are_the_others(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    path = gated(tmp_path)
    said = [message(f"text {number}") for number in range(100)]
    async with Roster.follow(broker) as roster, serving(broker, "test_gate"):
        async with primary_process(program, nats_server, path, roster) as first:
            async with taking(broker, path) as second:
                await hear(broker, *said)
                await until(lambda: second.record().contexts > 0)
                held = second.record().contexts
                assert 0 < held < 100, "both have some"
                await first.kill()
                (tmp_path / "open").touch()
                assert set(await outcomes(broker, 100)) == {each.id for each in said}
                await settled(broker)
                assert second.record().done == 100


async def test_a_primary_that_drains_hands_back_what_it_cannot_finish(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRAIN", 0.2)
    path = gated(tmp_path)
    async with serving(broker, "test_gate"):
        async with taking(broker, path):
            await hear(broker, message("a"))
            await until(lambda: started(tmp_path))
        left = asyncio.get_running_loop().time()
        (tmp_path / "open").touch()
        async with taking(broker, path):
            await outcomes(broker, 1)
            assert asyncio.get_running_loop().time() - left < 4.0, "it was handed back at once"
            await settled(broker)


async def test_a_primary_that_drains_finishes_what_runs(broker: Broker, tmp_path: Path) -> None:
    path = gated(tmp_path)
    async with serving(broker, "test_gate"):
        async with taking(broker, path):
            await hear(broker, message("a"))
            await until(lambda: started(tmp_path))
            (tmp_path / "open").touch()
        await outcomes(broker, 1, timeout=0.5)
        await settled(broker, timeout=1.0)


async def test_the_first_outcome_of_a_message_stands(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    said = message("a")
    await streams.ensure(broker, streams.flow_streams("test"))
    first = Outcome(said.id, said.network, said.room, said.sender, (Reply("the first"),))
    await broker.publish(subjects.out_subject("test", NETWORK, said.id), first.encode())
    async with taking(broker, gated(tmp_path)), serving(broker, "test_gate"):
        await hear(broker, said)
        await until(lambda: started(tmp_path))
        await settled(broker)
        assert await outcomes(broker, 1) == {said.id: first}
    assert await dead_letters(broker) == []


@pytest.mark.parametrize("flow", [REFUSE, REFUSE_WITHIN], ids=["in the flow", "in a subflow"])
async def test_what_fails_is_one_dead_letter_and_an_outcome_without_what_was_said(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture, flow: str
) -> None:
    async with taking(broker, written(tmp_path, flow)), serving(broker, "test_refuse"):
        await hear(broker, message("my secret", key="it"))
        (outcome,) = (await outcomes(broker, 1)).values()
        await settled(broker)
    assert outcome.error
    assert not outcome.replies
    assert "secret" not in str(outcome)
    (letter,) = await dead_letters(broker)
    assert letter.message.text == "my secret"
    assert "ValueError" in letter.reason
    assert "secret" in letter.reason
    assert "in refuse" in letter.trace, "it says where"
    assert "secret" not in "".join(
        record.getMessage() + (record.exc_text or "") for record in caplog.records
    )


async def test_what_cannot_cross_the_wire_is_a_dead_letter_and_is_not_tried_for_ever(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with taking(broker, written(tmp_path, ODD)):
        await hear(broker, message("my secret", key="it"))
        (outcome,) = (await outcomes(broker, 1, timeout=5.0)).values()
        await settled(broker)
    assert outcome.error
    assert "secret" not in f"{outcome}{caplog.text}"
    (letter,) = await dead_letters(broker)
    assert letter.reason == (
        "output 'thing' of the flow: thing['my secret'] is an object, "
        "which cannot be sent to another machine"
    )


async def test_messages_wait_for_a_node_however_many_they_are(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "open").touch()
    count = module.PARKED + 100
    async with taking(broker, gated(tmp_path)) as intake:
        await hear(broker, *(message(f"text {number}") for number in range(count)))
        await until(lambda: intake.record().contexts == module.PARKED)
        assert intake.missing == ["gate"]
        await until(lambda: "no node runs gate" in caplog.text)
        assert "chatbot node run test_gate" in caplog.text
        async with serving(broker, "test_gate"):
            assert len(await outcomes(broker, count)) == count
            await settled(broker)
            assert intake.missing == []


async def test_what_is_not_understood_is_dropped_and_the_rest_goes_on(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "open").touch()
    await streams.ensure(broker, streams.flow_streams("test"))
    for name, data in (("nonsense", b"\xc1 secret"), ("empty", b""), ("other", b"\x81\xa1a\x01")):
        await broker.publish(subjects.in_subject("test", Lane.PEOPLE, NETWORK, name), data)
    async with taking(broker, gated(tmp_path)), serving(broker, "test_gate"):
        await hear(broker, message("a"))
        assert set(await outcomes(broker, 1)) == {"id of a"}
        await settled(broker)
    dropped = [record for record in caplog.records if "not understood" in record.getMessage()]
    assert [record.levelname for record in dropped] == ["ERROR"] * 3
    assert "secret" not in caplog.text


async def test_a_message_that_was_answered_leaves_nothing_for_the_collector(
    broker: Broker, tmp_path: Path
) -> None:
    path = written(tmp_path, SAY)
    gc.collect()
    gc.disable()  # a pause of half a second, for all, when it finds ten thousands at once
    try:
        async with taking(broker, path):
            await hear(broker, *(message(f"text {number}") for number in range(20)))
            await outcomes(broker, 20)
            await settled(broker)
            left = [each for each in gc.get_objects() if type(each) is Context]
            assert left == []
    finally:
        gc.enable()


async def test_a_node_runs_as_many_calls_at_once_as_the_flow_says(
    broker: Broker, tmp_path: Path
) -> None:
    path = tmp_path / "wait.yaml"
    path.write_text(
        "version: 1\nname: test\noperations:\n"
        "  wait: {run: test_wait, inputs: {text: message.text},"
        " config: {seconds: 0.1}, concurrency: 8}\n"
        "  say: {run: test_say, inputs: {text: wait.text}}\n"
    )
    async with taking(broker, path), serving(broker, "test_wait"):
        await hear(broker, message("the first"))
        await outcomes(broker, 1)
        begun = time.monotonic()
        await hear(broker, *(message(f"text {number}") for number in range(80)))
        await outcomes(broker, 81)
        assert time.monotonic() - begun < 80 * 0.1 / 3, "one after the other it would take 8 s"
