"""Publishing: stored when it returns, once where the stream keeps one, whatever dies."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import nats.errors
import pytest
import uvloop
from nats.aio.msg import Msg

from chatbot.broker import Broker, EmbeddedServer, connect, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.errors import AlreadyPublished, BrokerError, ConnectError
from tests.servers.frozen import freeze
from tests.servers.processes import until

FLOW = "test"


def in_subject(name: str) -> str:
    return subjects.in_subject(FLOW, Lane.PEOPLE, "net", name)


def out_subject(name: str) -> str:
    return subjects.out_subject(FLOW, "net", name)


@pytest.fixture(autouse=True)
async def flow(broker: Broker) -> None:
    await streams.ensure(broker, streams.account_streams() + streams.flow_streams(FLOW))


async def stored(broker: Broker, stream: str) -> int:
    """Return how many messages the stream has; waits while the server is away."""
    while True:
        try:
            return (await broker.js.stream_info(stream)).state.messages
        except broker.errors:
            await asyncio.sleep(0.02)  # a connection comes back by itself


async def test_what_was_published_is_stored_when_it_returns(broker: Broker) -> None:
    for number in range(20):
        await broker.publish(in_subject(str(number)), b"x")
        assert await stored(broker, subjects.in_stream(FLOW)) == number + 1


@pytest.mark.parametrize("subject", [in_subject("a"), out_subject("a")])
async def test_the_first_message_of_a_subject_stands(broker: Broker, subject: str) -> None:
    await broker.publish(subject, b"first")
    with pytest.raises(AlreadyPublished):
        await broker.publish(subject, b"second")
    stream = (subjects.in_stream if ".in." in subject else subjects.out_stream)(FLOW)
    kept = await broker.js.get_last_msg(stream, subject)
    assert (kept.data, await stored(broker, stream)) == (b"first", 1)


async def test_the_first_message_stands_after_the_server_was_killed(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    await broker.publish(out_subject("a"), b"first")
    os.kill(nats_server.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        with pytest.raises(AlreadyPublished):
            await broker.publish(out_subject("a"), b"second")
    kept = await broker.js.get_last_msg(subjects.out_stream(FLOW), out_subject("a"))
    assert kept.data == b"first"


async def test_what_is_published_while_the_server_starts_again_is_stored_once(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    async def publish(name: str) -> None:
        try:
            await broker.publish(in_subject(name), name.encode())
        except AlreadyPublished:
            assert name in publishing, "only a publish whose answer was lost is taken by itself"

    publishing = {str(number) for number in range(200)}
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        for number, name in enumerate(sorted(publishing)):
            group.create_task(publish(name))
            if number == 100:
                await asyncio.sleep(0)  # some leave before the server dies
                os.kill(nats_server.pid, signal.SIGKILL)
    assert await stored(broker, subjects.in_stream(FLOW)) == 200


async def test_publishing_waits_for_a_server_that_is_away_and_can_be_cancelled(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    freeze(nats_server.pid)
    try:
        waiting = asyncio.ensure_future(broker.publish(in_subject("a"), b"x"))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    finally:
        os.kill(nats_server.pid, signal.SIGCONT)
    await broker.publish(in_subject("b"), b"x")


async def test_who_begins_to_listen_when_the_connection_dies_waits_for_the_next_one(
    broker: Broker,
) -> None:
    broker.nc._transport._io_writer.transport.abort()  # type: ignore[union-attr]
    async with broker.answer("heard", lambda data: data * 2):
        assert await broker.ask("heard", b"x", 5.0) == b"xx"


async def test_the_server_knows_what_was_sent_before_a_flush(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    async with connect(nats_server.url, name="other") as other:
        for number in range(100):
            async with broker.answer(f"heard.{number}", bytes):
                assert await other.ask(f"heard.{number}", b"x", 5.0) == b"x"


async def test_who_hears_a_late_answer_to_a_flush_hears_what_follows(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    freeze(nats_server.pid)
    try:
        with pytest.raises(nats.errors.FlushTimeoutError):
            await broker.nc.flush(1)
    finally:
        os.kill(nats_server.pid, signal.SIGCONT)
    async with broker.answer("heard", bytes), asyncio.timeout(3.0):
        assert await broker.ask("heard", b"x", 5.0) == b"x"


async def test_a_stopped_server_that_goes_on_has_stored_it_once(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    freeze(nats_server.pid)
    waiting = asyncio.ensure_future(broker.publish(in_subject("a"), b"x"))
    await asyncio.wait([waiting], timeout=0.1)
    os.kill(nats_server.pid, signal.SIGCONT)
    await waiting
    assert await stored(broker, subjects.in_stream(FLOW)) == 1


@pytest.mark.parametrize("closed", [True, False])
def test_who_publishes_is_not_told_that_the_connection_has_just_died(
    tmp_path: Path, closed: bool
) -> None:
    async def scenario() -> None:
        async with (
            EmbeddedServer.start(tmp_path / "own") as server,
            connect(server.url, name="test") as broker,
            broker.answer("heard", received.append),
        ):
            nc = broker.nc
            # As it is between the loss and the moment in which the reader sees it.
            for task in (nc._reading_task, nc._flusher_task):
                assert task is not None
                task.cancel()
            await asyncio.sleep(0)
            nc._transport._io_writer.transport.abort()  # type: ignore[union-attr]
            if closed:
                await asyncio.sleep(0.05)
            assert nc.is_connected
            await nc.publish("heard", b"at once")
            assert nc.is_reconnecting
            await nc._send_ping()
            await nc.publish("heard", b"while it is away")
            await until(lambda: received[-1:] == [b"while it is away"])

    received: list[bytes] = []
    uvloop.run(scenario())  # asyncio's own transport says nothing
    # What a transport took as it died is lost, as on any network.
    assert received[:-1] == ([b"at once"] if closed else [])


async def test_a_message_that_is_too_large_is_refused_at_once(broker: Broker) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(BrokerError) as raised:
            await broker.publish(in_subject("a"), b"x" * (broker.max_payload + 1))
    assert "max_payload" in raised.value.hint
    await broker.publish(in_subject("a"), b"x")


async def test_a_subject_that_no_stream_has_is_waited_for(broker: Broker) -> None:
    subject = subjects.out_subject("late", "net", "a")
    waiting = asyncio.ensure_future(broker.publish(subject, b"x"))
    await asyncio.wait([waiting], timeout=0.1)
    await streams.ensure(broker, streams.flow_streams("late"))
    async with asyncio.timeout(5):
        await waiting
    assert await stored(broker, subjects.out_stream("late")) == 1


async def test_what_has_no_answer_in_time_is_published_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot.broker.publisher.ACK_TIMEOUT", 0.1)
    heard: list[str] = []

    async def hear(msg: Msg) -> None:
        """Answer only what comes again."""
        if msg.subject in heard:
            await msg.respond(b'{"stream": "S", "seq": 1}')
        heard.append(msg.subject)

    await broker.nc.subscribe("quiet.*", cb=hear)
    first = asyncio.ensure_future(broker.publish("quiet.a", b"x"))
    await asyncio.wait([first], timeout=0.05)
    async with asyncio.timeout(5):
        await broker.publish("quiet.b", b"x")
        await first
    assert sorted(heard) == ["quiet.a"] * 2 + ["quiet.b"] * 2


async def test_a_closed_connection_is_an_error_and_not_waited_for(
    nats_server: EmbeddedServer,
) -> None:
    async with connect(nats_server.url, name="short") as short:
        pass
    async with asyncio.timeout(5):
        with pytest.raises(BrokerError):
            await short.publish(in_subject("a"), b"x")


async def test_making_the_streams_again_keeps_what_they_hold(broker: Broker) -> None:
    await broker.publish(in_subject("a"), b"x")
    await streams.ensure(broker, streams.account_streams() + streams.flow_streams(FLOW))
    assert await stored(broker, subjects.in_stream(FLOW)) == 1


async def test_a_server_that_is_not_there_is_an_error_without_its_credential(
    unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot.broker.connection.PATIENCE", 0.3)
    with pytest.raises(ConnectError) as raised:
        async with connect(f"nats://secret@127.0.0.1:{unused_port}", name="test"):
            pass
    assert "secret" not in f"{raised.value} {raised.value.hint}"


async def test_connecting_can_be_cancelled_and_leaves_nothing_behind(unused_port: int) -> None:
    async def enter() -> None:
        async with connect(f"nats://127.0.0.1:{unused_port}", name="test"):
            pass

    before = asyncio.all_tasks()
    entering = asyncio.ensure_future(enter())
    await asyncio.wait([entering], timeout=0.1)
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)
    await until(lambda: asyncio.all_tasks() <= before, 2.0)


@pytest.fixture
def unused_port() -> int:
    from tests.servers.irc import free_port

    return free_port()
