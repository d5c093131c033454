"""State that outlives a context: buckets, leases and files."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chatbot.broker import Broker, EmbeddedServer, buckets, connect, files, lease
from chatbot.broker.buckets import Bucket, open_bucket
from chatbot.broker.subjects import FLOWS, LEASES, ROSTER
from chatbot.errors import BrokerError
from tests.servers.frozen import freeze
from tests.servers.processes import until

KEY = "bot.irc"
KEPT = 2.0
RENEW = KEPT / 5


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have leases expire sooner than they do for people, in the same proportions."""
    monkeypatch.setitem(buckets._TTL, LEASES, KEPT)
    monkeypatch.setattr(lease, "_SAFE", lease._SAFE * KEPT / buckets.LEASE_KEPT)
    monkeypatch.setattr(lease, "_RENEW", RENEW)


@pytest.fixture
async def bucket(broker: Broker) -> Bucket:
    return await open_bucket(broker, LEASES)


async def test_a_key_holds_what_was_put(bucket: Bucket) -> None:
    assert await bucket.get("a") is None
    await bucket.put("a", b"1")
    await bucket.put("a", b"2")
    entry = await bucket.get("a")
    assert entry is not None
    assert entry.value == b"2"


async def test_a_key_is_created_once(bucket: Bucket) -> None:
    first = await bucket.create("a", b"1")
    assert first is not None
    assert await bucket.create("a", b"2") is None
    await bucket.delete("a")
    assert await bucket.get("a") is None
    again = await bucket.create("a", b"3")
    assert again is not None
    assert again > first


async def test_a_key_is_replaced_only_at_the_revision_that_was_named(bucket: Bucket) -> None:
    first = await bucket.create("a", b"1")
    assert first is not None
    second = await bucket.update("a", b"2", first)
    assert second is not None
    assert await bucket.update("a", b"3", first) is None
    await bucket.delete("a", first)
    entry = await bucket.get("a")
    assert entry is not None
    assert (entry.value, entry.revision) == (b"2", second)
    await bucket.delete("a", second)
    assert await bucket.get("a") is None


async def test_all_of_a_bucket_is_what_it_holds_now(bucket: Bucket) -> None:
    assert await bucket.all() == {}
    for name in ("a", "b.c", "d"):
        await bucket.put(name, name.encode())
    await bucket.delete("d")
    assert await bucket.all() == {"a": b"a", "b.c": b"b.c"}


async def test_changes_are_told_as_they_come(bucket: Bucket) -> None:
    told: list[tuple[str, bytes]] = []
    async with bucket.watch(lambda key, value: told.append((key, value))):
        await bucket.put("b.c", b"1")
        await bucket.create("a", b"2")
        await bucket.delete("a")
        await until(lambda: len(told) == 3, 5.0)
    await bucket.put("later", b"x")
    assert told == [("b.c", b"1"), ("a", b"2"), ("a", b"")]


async def test_a_bucket_is_made_once_by_many(broker: Broker) -> None:
    opened = await asyncio.gather(*(open_bucket(broker, ROSTER) for _ in range(5)))
    await opened[0].put("a", b"1")
    assert [await each.all() for each in opened] == [{"a": b"1"}] * 5
    assert await (await open_bucket(broker, FLOWS)).all() == {}, "buckets are apart"


class Body:
    """What runs under a lease, and how many do at a time."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.started: list[str] = []
        self.ended: list[str] = []
        self.most = 0

    def of(self, name: str, linger: float = 0.0) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            self.started.append(name)
            self.running.append(name)
            self.most = max(self.most, len(self.running))
            try:
                await asyncio.Event().wait()
            finally:
                if linger:
                    await asyncio.sleep(linger)  # a body that takes its time to end
                self.running.remove(name)
                self.ended.append(name)

        return run


@asynccontextmanager
async def holding(
    broker: Broker, name: str, body: Callable[[], Awaitable[None]]
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(lease.hold(broker, KEY, name, body))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def other(nats_server: EmbeddedServer) -> AsyncIterator[Broker]:
    async with connect(nats_server.url, name="other") as other:
        yield other


async def test_a_lease_is_one_holders_and_the_next_ones_when_it_ends(
    broker: Broker, other: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    body = Body()
    async with holding(broker, "first", body.of("first")) as first:
        await until(lambda: body.running)
        async with holding(other, "second", body.of("second")):
            await until(lambda: "stand by" in caplog.text, 5.0)
            assert body.started == ["first"]
            first.cancel()
            await until(lambda: body.running == ["second"], KEPT / 2)
    assert "held by first" in caplog.text
    assert body.most == 1


async def test_a_body_that_returns_ends_the_lease(broker: Broker, bucket: Bucket) -> None:
    async def body() -> None:
        assert await bucket.get(KEY)

    async with asyncio.timeout(2):
        await lease.hold(broker, KEY, "me", body)
    assert await bucket.get(KEY) is None


async def test_what_a_body_raises_is_raised_and_ends_the_lease(
    broker: Broker, bucket: Bucket
) -> None:
    async def body() -> None:
        raise BrokerError("as asked")

    with pytest.raises(BrokerError, match="as asked"):
        await lease.hold(broker, KEY, "me", body)
    assert await bucket.get(KEY) is None


async def test_a_dead_holders_lease_is_anothers_after_its_time(
    broker: Broker, bucket: Bucket
) -> None:
    await bucket.create(KEY, b"killed before it could renew")
    created = time.monotonic()
    body = Body()
    async with holding(broker, "second", body.of("second")):
        await until(lambda: body.running, KEPT + 3.0)
        assert time.monotonic() - created > KEPT - RENEW


async def test_whoever_lost_the_lease_stops_and_waits(
    broker: Broker, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    body = Body()
    async with holding(broker, "first", body.of("first")):
        await until(lambda: body.running)
        await bucket.put(KEY, b"another")
        await until(lambda: not body.running, KEPT)
        assert "lost the lease" in caplog.text
        entry = await bucket.get(KEY)
        assert entry is not None
        assert entry.value == b"another", "it did not take what is another's"
        await bucket.delete(KEY)
        await until(lambda: body.running, KEPT)


async def test_a_pause_of_the_server_does_not_cost_the_lease(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    body = Body()
    async with holding(broker, "first", body.of("first")):
        await until(lambda: body.running)
        stopped = time.monotonic()
        freeze(nats_server.pid)
        await until(lambda: time.monotonic() - stopped > 2.3 * RENEW)  # a renewal goes unanswered
        os.kill(nats_server.pid, signal.SIGCONT)
        await until(lambda: time.monotonic() - stopped > 4.5 * RENEW)
        assert body.started == ["first"]
        assert not body.ended


async def test_who_cannot_renew_stops_before_another_may_have_it(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    body = Body()
    async with holding(broker, "first", body.of("first")):
        await until(lambda: body.running)
        stopped = time.monotonic()
        freeze(nats_server.pid)
        try:
            await until(lambda: body.ended, KEPT)
            assert time.monotonic() - stopped < KEPT
        finally:
            os.kill(nats_server.pid, signal.SIGCONT)


async def test_a_body_that_takes_long_to_end_keeps_the_lease_until_then(
    broker: Broker, other: Broker
) -> None:
    body = Body()
    async with holding(broker, "first", body.of("first", linger=KEPT + 1.0)) as first:
        await until(lambda: body.running)
        async with holding(other, "second", body.of("second")):
            first.cancel()
            await until(lambda: body.running == ["second"], KEPT + 4.0)
    assert body.most == 1


async def test_a_file_is_stored_once_under_its_content(broker: Broker) -> None:
    content = bytes(range(256)) * 2000
    first, second = await files.put(broker, content), await files.put(broker, content)
    assert first == second == files.name_of(content)
    assert await files.get(broker, first) == content
    assert await files.put(broker, b"") != first
    assert await files.get(broker, files.name_of(b"")) == b""


async def test_a_file_that_is_not_there_is_an_error(broker: Broker) -> None:
    with pytest.raises(BrokerError, match="not in the object store"):
        await files.get(broker, files.name_of(b"never put"))


async def test_a_file_that_was_changed_is_refused(broker: Broker) -> None:
    name = await files.put(broker, b"right")
    store = await broker.js.object_store("chatbot-files")
    await store.put(name, b"wrong")
    with pytest.raises(BrokerError, match="damaged"):
        await files.get(broker, name)
