"""Heads that nodes learn: taken over, tried beside the former, and erased with the forgotten."""

from __future__ import annotations

import asyncio
import itertools
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nats.js.errors import NotFoundError

from chatbot.broker import Broker, subjects
from chatbot.broker.buckets import open_bucket
from chatbot.broker.corrections import Corrections, forget
from chatbot.broker.heads import HeadRecord, Heads, drop
from chatbot.inference import head, training
from chatbot.nodes.roster import Roster
from tests.servers.lessons import BEN, SAID, TAUGHT, becomes, bot, flow_file, label
from tests.servers.processes import until


async def test_a_node_that_comes_late_knows_what_the_others_do(
    broker: Broker, tmp_path: Path
) -> None:
    path = flow_file(tmp_path)
    async with bot(broker, path) as (room, intake, _):
        said = await room.hear(SAID)
        await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        await becomes(room, SAID, TAUGHT)
        [record] = intake.records
        assert record.learning is not None
        heads = await Heads.open(broker, record.learning.name, record.key)
        first = await heads.current()
    async with bot(broker, path) as (room, _, _):
        assert await label(room, SAID, id="late") == TAUGHT, "from the first message on"
        assert await heads.current() == first, "it was not taught again"


@pytest.mark.parametrize("shadow", [False, True])
async def test_what_an_older_version_learned_is_learned_anew(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shadow: bool
) -> None:
    path = flow_file(tmp_path, learning=", shadow: {after: 20}" if shadow else "")
    with monkeypatch.context() as older:
        older.setattr(head, "FORMAT", "chatbot head 1")
        async with bot(broker, path) as (room, intake, _):
            said = await room.hear(SAID)
            await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
            [record] = intake.records
            assert record.learning is not None
            heads = await Heads.open(broker, record.learning.name, record.key)
            published = heads.next if shadow else heads.current
            async with asyncio.timeout(10):
                while (first := await published()) is None:
                    await asyncio.sleep(0.02)
    async with bot(broker, path, nodes=2) as (room, _, _):
        async with asyncio.timeout(10):
            while (anew := await published()) is None or anew.stored == first.stored:
                await asyncio.sleep(0.02)
        assert (anew.lessons, anew.number, anew.count) == (first.lessons, first.number, 1)
        async with asyncio.timeout(20):
            numbers = itertools.count()
            while await label(room, SAID, id=f"anew{next(numbers)}") != TAUGHT:
                await asyncio.sleep(0.02)
        assert await heads.current() == anew
        assert await stored_heads(broker) == 1, "what nobody can use is erased"


async def test_the_forgotten_are_in_no_example_and_in_no_head(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, intake, _):
        said = await room.hear(SAID)
        await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        other = await room.hear("zoom zoom", sender="dora")
        await room.ask("!label bug", reply_to=other, **BEN)
        await becomes(room, SAID, TAUGHT)
        await becomes(room, "zoom zoom", "bug")
        both = await room.outcome(await room.hear(SAID))
        assert await forget(broker, lambda _, sender: sender in ("anna", "ben"), "another") == 0
        assert await forget(broker, lambda _, sender: sender in ("anna", "ben")) == 2
        async with asyncio.timeout(5):
            while (await room.outcome(await room.hear(SAID))).revision == both.revision:
                await asyncio.sleep(0.02)
        corrections = await Corrections.open(broker, "test", "classify")
        [left] = await corrections.all()
        assert (left.text, left.votes[0].by, left.votes[0].sender) == ("zoom zoom", "", "dora")
        async with asyncio.timeout(5):
            while await stored_heads(broker) != 1:  # the former ones are erased
                await asyncio.sleep(0.02)
        assert intake.missing == []


async def test_a_node_says_that_it_learns_and_answers_meanwhile(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Roster.follow(broker) as roster, bot(broker, flow_file(tmp_path)) as (room, _, _):

        async def does(text: str) -> None:
            await until(lambda: [each.doing for each in roster.nodes] == [text])

        await does("")
        with training._training:  # the one that learns waits for us
            said = await room.hear(SAID)
            await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
            await does("classify_text: learning 1 correction")
            assert await label(room, "hello") == "greeting"
        await becomes(room, SAID, TAUGHT)
        await does("")
    assert "learn 1 corrections" in caplog.text
    assert "learned them in" in caplog.text


async def stored_heads(broker: Broker) -> int:
    objects = await broker.js.object_store("chatbot-heads")
    try:
        return len(await objects.list())
    except NotFoundError:  # how nats-py says that there is none
        return 0


async def test_heads_that_are_dropped_while_others_come_leave_nothing_behind(
    broker: Broker,
) -> None:
    heads = await Heads.open(broker, "learner", "operation")
    bucket = await open_bucket(broker, subjects.LEARNED)

    async def publish(number: int) -> bool:
        record = HeadRecord("r", "", "l", number, 1, datetime.now(UTC))
        return await heads.publish(record, b"the same each time", shadow=False)

    for number in range(1, 40, 4):
        await asyncio.gather(
            *(publish(number + i) for i in range(4)), drop(broker, bucket, "learner")
        )
        current = await heads.current()
        assert await stored_heads(broker) == (current is not None)
        if current is not None:
            assert await heads.load(current) == b"the same each time"
    assert await publish(100)
    assert not await publish(99), "an older one does not take its place"
    assert await stored_heads(broker) == 1
    await drop(broker, bucket, "learner")
    assert await heads.current() is None
    assert await stored_heads(broker) == 0


async def test_a_shadow_is_compared_and_takes_over_after_so_many_messages(
    broker: Broker, tmp_path: Path
) -> None:
    path = flow_file(tmp_path, learning=", shadow: {after: 20}")
    async with bot(broker, path, nodes=2) as (room, intake, _):
        said = await room.hear(SAID)
        before = (await room.outcome(said)).understood["label"]
        told = await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        assert f"is {TAUGHT} (I try it beside what I know first); !undo" in told
        [record] = intake.records
        assert record.learning is not None
        heads = await Heads.open(broker, record.learning.name, record.key)
        async with asyncio.timeout(5):
            while (shadow := await heads.next()) is None:
                await asyncio.sleep(0.02)
        assert await label(room, SAID) == before, "it does not run yet"
        async with asyncio.timeout(20):
            while await label(room, SAID) == before:
                compared = await heads.compared(shadow)
                assert compared.seen <= 60
                await asyncio.sleep(0.05)
        compared = await heads.compared(shadow)
        assert compared.seen >= 20
        assert all(pair[1] == TAUGHT for pair in compared.pairs)
        assert sum(pair[2] for pair in compared.pairs) == compared.differing > 0
        assert await heads.next() is None
        assert (await heads.current()) == shadow
