"""Garbage on every subject of a real broker: it is dropped, and the next good message answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec.msgpack import Ext

from chatbot.broker import Broker, EmbeddedServer, streams, subjects
from chatbot.broker.address import Address
from chatbot.broker.buckets import open_bucket
from chatbot.broker.lease import hold
from chatbot.broker.subjects import Lane
from chatbot.listeners.bridge import NatsBridge
from chatbot.messages import (
    Call,
    FlowRecord,
    OperationRecord,
    Outcome,
    Part,
    Reply,
    Result,
    Results,
    Work,
)
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.intake import Intake
from tests.integration.test_intake import (
    NETWORK,
    REFUSE,
    dead_letters,
    message,
    outcomes,
    settled,
    taking,
    written,
)
from tests.integration.test_nodes import serving
from tests.servers.processes import until

SHOUT = """\
version: 1
name: test
operations:
  shout: {run: test_shout, inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: shout.text}}
"""

GARBAGE = [
    *(b"", b"\0", b"\xc1", b"{}", b"\xff" * 100, b"\x80", b"\x90", b"hello\r\nPUB x 0\r\n\r\n"),
    *(
        b"\x91" * 50_000,
        b"\x81\xa1x" * 20_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff\xa1",
    ),
    *(b"\x82\xa2id\xa1\xff\xa1a\x01", b"\x81\xa7primary\xa1\xff", b"\x81\xa4node\xa1\xff"),
    *(
        b"\x81\xa4flow\xa1\xff",
        b"\x82\xa8protocol\x02\xa4flow\xa1\xff",
        b"\xc9\xff\xff\xff\xff\x01",
    ),
]
"""What is no record at all, or one with text that is none."""

ODD_VALUES = (
    float("nan"),
    [],
    {},
    2**63,
    "x" * 100,
    Ext(1, b"\xc1"),
    Ext(2, b"\xff"),
    Ext(99, b""),
)


@asynccontextmanager
async def answering(broker: Broker, folder: Path) -> AsyncIterator[Intake]:
    """Run a primary and a node; check at the end that both go on."""
    async with taking(broker, written(folder, SHOUT)) as intake, serving(broker, "test_shout"):
        await until(lambda: not intake.missing)
        yield intake
        await answered(broker, "good")


async def answered(broker: Broker, text: str) -> None:
    """Say something, and wait for its outcome, as a listener that has just been opened."""
    async with NatsBridge.open(broker, "test", NETWORK) as bridge, asyncio.timeout(15):
        said = message(text)
        await bridge.hear(said)
        async for delivery in bridge.outcomes():
            await delivery.done()
            if delivery.outcome.id == said.id:
                assert delivery.outcome.replies == (Reply(text.upper()),)
                return


async def publish(broker: Broker, subject: str, contents: Iterable[bytes]) -> None:
    for content in contents:
        await broker.nc.publish(subject, content)
    await broker.nc.flush()


async def test_garbage_on_any_subject_stops_nobody(broker: Broker, tmp_path: Path) -> None:
    async with answering(broker, tmp_path) as intake:
        primary, key = intake.record().id, intake.records[0].key
        for lane in Lane:
            for number, content in enumerate(GARBAGE):
                said = subjects.in_subject("test", lane, NETWORK, f"garbage {number}")
                await publish(broker, said, [content])
                decided = subjects.out_subject("test", NETWORK, f"garbage {number}", lane)
                await publish(broker, decided, [content])
            await publish(broker, subjects.work_subject("test", lane, key), GARBAGE)
            await publish(broker, subjects.done_subject(primary), GARBAGE)
            await publish(broker, subjects.done_address(primary, lane), GARBAGE)
        for subject in (
            subjects.dead_subject("test"),
            subjects.wanted_subject(primary),
            subjects.claim_subject("test.x"),
            subjects.partial_subject("test", "id of good"),
        ):
            await publish(broker, subject, GARBAGE)
        await answered(broker, "better")
        await settled(broker)


async def test_garbage_in_the_buckets_stops_nobody(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with answering(broker, tmp_path):
        for bucket in (subjects.FLOWS, subjects.ROSTER, subjects.LOCKS):
            for number, content in enumerate(GARBAGE):
                for key in (f"test.{number}", f"node.{number}", f"primary.{number}", f"~{number}"):
                    await publish(broker, f"$KV.{bucket}.{key}", [content])
        async with Roster.follow(broker, tell=lambda _: None) as roster:
            assert len(roster.primaries) == 1, "whoever comes now sees those that are there"
            async with serving(broker, "test_shout") as late:
                await until(lambda: late.id in {each.id for each in roster.nodes})
                await until(lambda: late.record().operations)


async def test_a_lease_that_holds_garbage_is_waited_for(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    ran = asyncio.Event()

    async def body() -> None:
        ran.set()

    bucket = await open_bucket(broker, subjects.LEASES)
    await bucket.put("it", b"\xff\xfe\x1b[2J\n\xff")
    held = asyncio.ensure_future(hold(broker, "it", "us", body))
    await until(lambda: "stand by: it is held by" in caplog.text or held.done())
    assert not held.done()
    await bucket.delete("it")
    async with asyncio.timeout(10):
        await held
    assert ran.is_set()
    assert "\x1b" not in caplog.text


async def test_records_that_lie_stop_nobody(broker: Broker, tmp_path: Path) -> None:
    async with answering(broker, tmp_path) as intake:
        primary, key = intake.record().id, intake.records[0].key
        work = subjects.work_subject("test", Lane.PEOPLE, key)
        for owner in ("", "a.b", "*", ">", "a b", "x" * 300, "nobody", "a\r\nPUB b 0\r\n\r\n"):
            await publish(broker, work, [Work(owner, [Call(1, 1, {"text": "x"})]).encode()])
        await publish(broker, work, [Work(primary, []).encode()])
        for value in ODD_VALUES:
            for packed in (True, False):
                calls = [Call(1, 99, {"text": value}), Call(-1, 2**63, {"": value})]
                await publish(broker, work, [Work("nobody", calls, packed).encode()])
                result = Result(1, 1, [{"text": value}, {"other": value}])
                for seconds in (float("inf"), float("inf"), 1.0, float("nan"), -1.0, 1e308):
                    lie = Results("n", key, seconds, [result], packed, _parts(value))
                    await publish(broker, subjects.done_subject(primary), [lie.encode()])
        await answered(broker, "better")


def _parts(value: object) -> list[Part]:
    odd = {"text": value}
    return [Part(1, 1, -5, [odd]), Part(1, 1, 2**40, [odd], True), Part(1, 1, 0, [odd] * 3)]


async def test_a_flow_that_lies_does_not_end_a_node(broker: Broker, tmp_path: Path) -> None:
    async with answering(broker, tmp_path):
        lies: list[dict[str, object]] = [
            {"config": {"x": 1}},
            {"config": {"folder": {"a": [{}]}, "": None}},
            {"files": {"folder": ["f", "0" * 40]}},
            {"files": {"folder": ["passwd", "../../../etc"]}},
            {"concurrency": 10**7},
            {"batch": -1},
        ]
        for number, lie in enumerate(lies):
            operation = {"key": f"k{number}", "name": "test_gate", "instance": "it", **lie}
            record = {
                **msgspec.to_builtins(FlowRecord(f"lie{number}", "r")),
                "operations": [operation],
            }
            await publish(
                broker, f"$KV.{subjects.FLOWS}.lie{number}.p", [msgspec.msgpack.encode(record)]
            )
        for odd in ("../../x", "a.b", "*", ""):
            named = FlowRecord("lie", "r", [OperationRecord(odd, "test_shout", "it")])
            await publish(broker, f"$KV.{subjects.FLOWS}.lie.p", [named.encode()])
        async with serving(broker, "test_shout", "test_gate") as node:
            await until(lambda: node.record().operations)


async def test_one_id_under_many_subjects_does_not_fill_the_intake(
    broker: Broker, tmp_path: Path
) -> None:
    same = message("the same", key="it")
    async with taking(broker, written(tmp_path, SHOUT)):
        for number in range(50):
            subject = subjects.in_subject("test", Lane.PEOPLE, NETWORK, f"other {number}")
            await broker.publish(subject, same.encode())
        async with serving(broker, "test_shout"):
            assert (await outcomes(broker, 1))["id of it"].replies == (Reply("THE SAME"),)
            await settled(broker)


async def test_headers_of_strangers_are_not_the_servers(broker: Broker, tmp_path: Path) -> None:
    async with answering(broker, tmp_path):
        for number, status in enumerate(("404", "408", "409", "503", "100", "x")):
            said = message("with a header", key=f"h{number}")
            subject = subjects.in_subject("test", Lane.PEOPLE, NETWORK, said.id)
            headers = {"Status": status, "Nats-Pending-Messages": "many", "Description": "Consumer"}
            await broker.js.publish(subject, said.encode(), headers=headers)
        assert len(await outcomes(broker, 6)) == 6
        await settled(broker)


async def test_a_time_that_cannot_be_written_ends_in_the_dead_letters(
    broker: Broker, tmp_path: Path
) -> None:
    fields = {**msgspec.to_builtins(message("x", key="old")), "time": "0001-01-01T00:00:00+23:59"}
    path = written(tmp_path, f"{REFUSE}backlog: answer\n")
    async with taking(broker, path), serving(broker, "test_refuse"):
        subject = subjects.in_subject("test", Lane.PEOPLE, NETWORK, "id of old")
        await broker.publish(subject, msgspec.msgpack.encode(fields))
        assert (await outcomes(broker, 1))["id of old"].error
        await settled(broker)
    (letter,) = await dead_letters(broker)
    assert letter.message.text == "x"


async def test_an_outcome_that_lies_does_not_stop_a_listener(broker: Broker) -> None:
    await streams.ensure(broker, streams.flow_streams("test"))
    odd = Outcome("id", NETWORK, "#a,#b\r\nQUIT", "anna", (Reply("\0\r\n\x01" * 99),), {"a": 1})
    for number, content in enumerate([*GARBAGE, odd.encode()]):
        await broker.publish(subjects.out_subject("test", NETWORK, str(number)), content)
    async with NatsBridge.open(broker, "test", NETWORK) as bridge, asyncio.timeout(10):
        assert (await anext(bridge.outcomes())).outcome == odd


async def test_headers_that_are_none_do_not_end_the_connection(
    broker: Broker, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    async with answering(broker, tmp_path):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(Address.parse(nats_server.url).servers[0].rpartition(":")[2])
        )
        token = Address.parse(nats_server.url).token
        writer.write(b'CONNECT {"auth_token":"%s","headers":true}\r\n' % str(token).encode())
        data = message("raw").encode()
        for number, header in enumerate(
            (
                b"",
                b"NATS/1.0",
                b"NATS/1.0\r\n\r\n",
                b"\xff" * 40,
                b"NATS/1.0 \xff\xff\r\n\r\n",
                b"NATS/1.0\r\n:\r\n\r\n",
                b"NATS/1.0\r\n\xff: \xff\r\n\r\n",
                b"NATS/1.0 503\r\n\r\n",
            )
        ):
            subject = subjects.in_subject("test", Lane.PEOPLE, NETWORK, f"raw {number}").encode()
            sizes = (subject, len(header), len(header) + len(data))
            writer.write(b"HPUB %s %d %d\r\n" % sizes + header + data + b"\r\n")
        writer.write(b"PING\r\n")
        async with asyncio.timeout(10):
            while (line := await reader.readline()) != b"PONG\r\n":
                assert line, "the server closed the connection"
        writer.close()
        await writer.wait_closed()
