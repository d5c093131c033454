"""The roster: who is there, by the reader's own clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec
import pytest

from chatbot.broker import Broker
from chatbot.broker.buckets import Bucket, open_bucket
from chatbot.broker.subjects import ROSTER
from chatbot.messages import PROTOCOL, NodeRecord, OperationStats, PrimaryRecord
from chatbot.nodes import roster as module
from chatbot.nodes.roster import Roster, announce, announcements
from tests.servers.processes import until

NODE = NodeRecord(
    id="n",
    host="elsewhere",
    pid=1,
    version="0",
    started=datetime(1970, 1, 1, tzinfo=UTC),  # a machine whose clock is wrong
    operations={"key": OperationStats("op", "flow")},
)
PRIMARY = PrimaryRecord(
    id="p", flow="flow", host="here", pid=2, version="0", started=datetime(2999, 1, 1, tzinfo=UTC)
)


@pytest.fixture
async def bucket(broker: Broker) -> Bucket:
    return await open_bucket(broker, ROSTER)


async def test_it_has_who_was_there_before_and_who_comes(broker: Broker) -> None:
    async with announce(broker, "node.n", lambda: NODE):
        async with Roster.follow(broker) as roster:
            assert roster.nodes == [NODE]
            async with announce(broker, "primary.p", lambda: PRIMARY):
                await until(lambda: roster.primaries == [PRIMARY], 2.0)
            await until(lambda: not roster.primaries, 2.0)
            assert roster.offers("key")
            assert not roster.offers("another")


async def test_what_has_changed_is_told_at_once(broker: Broker) -> None:
    told = [NODE]
    async with Roster.follow(broker) as roster:
        async with announce(broker, "node.n", lambda: told[0]) as changed:
            await until(lambda: roster.offers("key"), 1.0)
            told[0] = msgspec.structs.replace(NODE, operations={})
            changed()
            await until(lambda: not roster.offers("key"), 1.0)


async def test_who_is_not_renewed_is_gone_by_the_readers_clock(
    broker: Broker, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXPIRY", 0.5)
    async with Roster.follow(broker) as roster:
        seen = time.monotonic()
        await bucket.put("node.n", NODE.encode())
        await until(lambda: roster.nodes, 2.0)
        await until(lambda: not roster.nodes, 2.0)
        assert time.monotonic() - seen >= 0.5
        assert await bucket.get("node.n"), "the server still has it"
        assert not roster.offers("key")


async def test_who_has_expired_is_gone_for_those_who_come_later_too(
    broker: Broker, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXPIRY", 0.5)
    await bucket.put("node.n", NODE.encode())
    stored = time.monotonic()
    assert [each.record for each in await announcements(broker)] == [NODE]
    await until(lambda: time.monotonic() - stored > 0.6, 2.0)
    assert await bucket.get("node.n"), "the server still has it"
    assert await announcements(broker) == []
    async with Roster.follow(broker) as roster:
        assert roster.nodes == []


async def test_the_roster_does_not_grow_with_processes_that_came_and_went(
    broker: Broker, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXPIRY", 0.3)
    async with Roster.follow(broker) as roster:
        for number in range(20):
            await bucket.put(f"node.{number}", NODE.encode())
        await until(lambda: len(roster.nodes) == 20, 2.0)
        await until(lambda: not roster.nodes, 2.0)
        await bucket.put("node.n", NODE.encode())
        await until(lambda: roster.nodes, 2.0)
        assert set(roster._seen) == {"node.n"}


async def test_who_is_renewed_stays(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPIRY", 1.0)
    monkeypatch.setattr(module, "EVERY", 0.2)
    async with Roster.follow(broker) as roster, announce(broker, "node.n", lambda: NODE):
        started = time.monotonic()

        def looked_long_enough() -> bool:
            assert roster.nodes
            return time.monotonic() - started > 2.0

        await until(looked_long_enough)


async def test_who_speaks_another_protocol_or_nonsense_is_ignored(
    broker: Broker, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    other = msgspec.structs.replace(NODE, protocol=PROTOCOL + 1)
    await bucket.put("node.other", other.encode())
    await bucket.put("node.nonsense", b"\xc1")
    async with Roster.follow(broker) as roster:
        assert roster.nodes == []
        await bucket.put("node.n", NODE.encode())
        await until(lambda: roster.nodes == [NODE], 2.0)
    assert f"protocol {PROTOCOL + 1}" in caplog.text
    assert "node.nonsense" in caplog.text
