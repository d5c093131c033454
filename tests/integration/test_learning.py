"""Learning in the channel: corrections, taken over by nodes, and taken back."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nats.js.errors import NotFoundError

from chatbot.broker import Broker, subjects
from chatbot.broker.buckets import open_bucket
from chatbot.broker.corrections import Corrections, forget
from chatbot.broker.heads import HeadRecord, Heads, drop
from chatbot.inference import training
from chatbot.learning import LONGEST
from chatbot.nodes.roster import Roster
from tests.servers.lessons import ANNA, BEN, CARL, becomes, bot, flow_file, label
from tests.servers.processes import until

SAID = "flux warp flux"
TAUGHT = "install"


async def test_a_correction_is_learned_and_undone(broker: Broker, tmp_path: Path) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, _, _):
        said = await room.hear(SAID)
        first = await room.outcome(said)
        before = first.understood["label"]
        assert before != TAUGHT
        assert first.text == SAID
        told = await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        assert told == f"ben: noted: what anna said is {TAUGHT}; !undo takes it back"
        await becomes(room, SAID, TAUGHT)
        after = await room.outcome(await room.hear(SAID.upper().lower()))
        flow, _, learned = after.revision.partition("+")
        assert flow == first.revision.partition("+")[0]
        assert learned
        assert after.revision != first.revision
        why = await room.ask("!why", reply_to=after.id)
        assert why.endswith(f" by revision {flow[:8]}+{learned[:8]}")
        told = await room.ask("!undo", **BEN)
        assert told == f"ben: taken back: what anna said is not {TAUGHT}"
        await becomes(room, SAID, before)
        again = await room.outcome(await room.hear(SAID))
        assert again.revision == first.revision, "it is as it was"
        assert "nothing of yours" in await room.ask("!undo", **BEN)


async def test_many_corrections_at_once_are_learned_together_and_texts_are_cut(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with bot(broker, flow_file(tmp_path)) as (room, intake, _):
        said = [await room.hear(f"flux {number}", id=f"said {number}") for number in range(40)]
        said.append(await room.hear("warp " * 3000, id="long"))
        await asyncio.gather(*(room.outcome(each) for each in said))
        await asyncio.gather(
            *(room.ask("!label bug", reply_to=each, id=f"on {each}", **BEN) for each in said)
        )
        corrections = await Corrections.open(broker, "test", "classify")
        kept = await corrections.all()
        assert len(kept) == 41
        assert max(len(each.text) for each in kept) == LONGEST
        [record] = intake.records
        assert record.learning is not None
        heads = await Heads.open(broker, record.learning.name, record.key)
        async with asyncio.timeout(10):
            while (head := await heads.current()) is None or head.count < 41:
                await asyncio.sleep(0.02)
        assert caplog.text.count("learned them in") < 20


async def test_of_many_labels_some_are_named(broker: Broker, tmp_path: Path) -> None:
    path = flow_file(tmp_path)
    more = "".join(f"z{number}: [zoom {number}]\n" for number in range(70))
    (tmp_path / "labels.yaml").write_text((tmp_path / "labels.yaml").read_text() + more)
    async with bot(broker, path) as (room, _, _):
        await room.hear(SAID)
        told = await room.ask("!label", **BEN)
        assert told.startswith("ben: which label? (labels: bug, greeting, install, ")
        assert told.endswith(", and 66 more)")
        assert len(told) < 120, "a line of a chat"
        assert "no label qqqqq" in await room.ask(f"!label {'q' * 3000}", **BEN)


async def test_only_who_is_trusted_may_correct_and_only_to_a_label_that_there_is(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, _, _):
        said = await room.hear(SAID)
        refused = await room.ask("!label bug", reply_to=said, **ANNA)
        assert refused == "anna: sorry, !label is for who has the role teacher here"
        told = await room.ask("!label instal", reply_to=said, **BEN)
        assert told == "ben: there is no label instal (did you mean install?)"
        assert "which label? (labels: bug, " in await room.ask("!label", reply_to=said, **BEN)
        assert "I know nothing of that" in await room.ask("!label bug", reply_to="no", **BEN)
        corrections = await Corrections.open(broker, "test", "classify")
        assert await corrections.all() == []


async def test_without_a_reply_it_is_the_last_message_or_that_of_who_is_named(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, _, _):
        await room.hear("of anna", **ANNA)
        await room.hear("of dora", sender="dora", name="Dora D")
        assert "what dora said is bug" in await room.ask("!label bug", **BEN)
        assert "what anna said is thanks" in await room.ask("!label thanks @anna:", **BEN)
        assert "I know no message of eve here" in await room.ask("!label thanks eve", **BEN)
        corrections = await Corrections.open(broker, "test", "classify")
        known = {each.text: each.labels for each in await corrections.all()}
        assert known == {"of anna": ("thanks",), "of dora": ("bug",)}


async def test_a_reaction_corrects_and_its_removal_takes_that_back(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, _, _):
        said = await room.hear(SAID)
        before = (await room.outcome(said)).understood["label"]
        reaction = {"kind": "reaction", "reply_to": said}
        for nobody in (ANNA, {"sender": "ben"}):
            silent = await room.outcome(await room.hear("?", **reaction, **nobody))
            assert not silent.replies
        other = await room.outcome(await room.hear("nice", **reaction, **BEN))
        assert not other.replies
        assert await label(room, SAID) == before
        silent = await room.outcome(await room.hear("?", **reaction, **BEN))
        assert not silent.replies
        await becomes(room, SAID, TAUGHT)
        removed = {"kind": "unreaction", "reply_to": said}
        await room.outcome(await room.hear("?", **removed, **CARL))
        assert await label(room, SAID) == TAUGHT, "that was not his"
        await room.outcome(await room.hear("?", **removed, **BEN))
        await becomes(room, SAID, before)


async def test_who_disagree_are_told_and_nothing_is_learned_of_it(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, _, _):
        said = await room.hear(SAID)
        before = (await room.outcome(said)).understood["label"]
        await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        await becomes(room, SAID, TAUGHT)
        told = await room.ask("!label thanks", reply_to=said, **CARL)
        assert told == f"carl: noted, but ben says {TAUGHT}: I learn neither until you agree"
        await becomes(room, SAID, before)
        corrections = await Corrections.open(broker, "test", "classify")
        assert [each.labels for each in await corrections.all()] == [(TAUGHT, "thanks")]
        assert "noted: what anna" in await room.ask("!label thanks", reply_to=said, **BEN)
        await becomes(room, SAID, "thanks")
        told = await room.ask("!undo", reply_to=said, **CARL)
        assert told.endswith("is not thanks; it is thanks now, as others said")


def several_flow(folder: Path) -> Path:
    path = flow_file(folder, inputs=", room: message.room")
    text = path.read_text().replace("threshold: 0.2, likeness: 0.2", "several: true")
    path.write_text(text.replace("outputs: {", "outputs: {all: classify.labels, "))
    return path


async def test_several_labels_are_taught_at_once_and_one_by_one(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot(broker, several_flow(tmp_path)) as (room, _, _):

        async def are(*wanted: str) -> None:
            async with asyncio.timeout(5):
                while set(await understood()) != set(wanted):
                    await asyncio.sleep(0.02)

        async def understood() -> list[str]:
            found: list[str] = (await room.outcome(await room.hear(SAID))).understood["all"]
            return found

        said = await room.hear(SAID)
        await room.outcome(said)
        told = await room.ask("!label install bug", reply_to=said, **BEN)
        assert told == "ben: noted: what anna said is install and bug; !undo takes it back"
        await are("install", "bug")
        told = await room.ask("!label -bug", reply_to=said, **BEN)
        assert told == "ben: noted: what anna said is not bug; !undo takes it back"
        await are("install")
        await room.outcome(await room.hear("!!", kind="reaction", reply_to=said, **BEN))
        await are("install", "bug")
        await room.outcome(await room.hear("!!", kind="unreaction", reply_to=said, **BEN))
        await are("install")
        assert "is thanks;" in await room.ask("!label thanks", reply_to=said, **CARL)
        await are("install", "thanks")
        told = await room.ask("!label -install", reply_to=said, **CARL)
        assert told == "carl: noted, but ben says install: I learn neither until you agree"
        told = await room.ask("!undo", reply_to=said, **CARL)
        assert told == "carl: taken back: what anna said is install and thanks now"
        told = await room.ask("!label bug bgu", **BEN)
        assert told == "ben: there is no label bgu (did you mean bug?)"


async def test_a_text_that_has_none_of_the_labels_is_learned_too(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot(broker, several_flow(tmp_path)) as (room, _, _):
        text = "crash warp"
        said = await room.hear(text)
        assert (await room.outcome(said)).understood["all"] == ["bug"]
        await room.ask("!label -bug", reply_to=said, **BEN)
        async with asyncio.timeout(5):
            while (await room.outcome(await room.hear(text))).understood["all"]:
                await asyncio.sleep(0.02)


async def test_one_label_is_one_label(broker: Broker, tmp_path: Path) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, _, _):
        await room.hear(SAID)
        told = await room.ask("!label bug install", **BEN)
        assert told.startswith("ben: a message has one label here")


async def test_a_room_may_have_lessons_of_its_own(broker: Broker, tmp_path: Path) -> None:
    path = flow_file(tmp_path, learning=", rooms: own", inputs=", room: message.room")
    async with bot(broker, path) as (room, _, _):
        said = await room.hear(SAID)
        before = (await room.outcome(said)).understood["label"]
        told = await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        assert told.startswith("ben: noted in this room: ")
        await becomes(room, SAID, TAUGHT)
        assert await label(room, SAID, room="#other") == before
        both = await asyncio.gather(
            *(label(room, SAID, room=where) for where in ("#room", "#other") * 8)
        )
        assert both == [TAUGHT, before] * 8
        await room.ask(f"!label {TAUGHT} everywhere", reply_to=said, **BEN)
        await becomes(room, SAID, TAUGHT, room="#other")


async def test_a_room_is_refused_where_the_operation_is_not_told_of_it(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, _, _):
        said = await room.hear(SAID)
        told = await room.ask("!label bug here", reply_to=said, **BEN)
        assert "what I learn counts in all rooms (in the flow file, give classify" in told


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


async def test_what_is_taken_back_on_the_network_is_not_learned_either(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, _, _):
        said = await room.hear(SAID)
        before = (await room.outcome(said)).understood["label"]
        await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        await becomes(room, SAID, TAUGHT)
        await room.gate.forget("another message")
        assert await label(room, SAID) == TAUGHT
        await room.gate.forget(said)
        corrections = await Corrections.open(broker, "test", "classify")
        assert await corrections.all() == []
        await becomes(room, SAID, before)


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


async def test_the_same_command_run_again_changes_nothing(broker: Broker, tmp_path: Path) -> None:
    async with bot(broker, flow_file(tmp_path)) as (room, intake, _):
        said = await room.hear(SAID)
        other = await room.hear("zoom zoom")
        await room.ask("!label bug", reply_to=other, id="zero", **BEN)
        await room.ask("!label bug", reply_to=said, id="one", **BEN)
        await room.ask("!label thanks", reply_to=said, id="two", **BEN)
        await room.ask("!undo", id="three", **BEN)
        corrections = await Corrections.open(broker, "test", "classify")
        before = await corrections.all()
        commands = intake._commands
        assert commands is not None
        for text, name in (("bug", "label"), ("thanks", "label"), ("", "undo")):
            number = {"bug": "one", "thanks": "two", "": "three"}[text]
            await room.outcome(number)
            again = _command(name, text, number, said)
            await commands.run(again)
        assert await corrections.all() == before


def _command(name: str, arguments: str, message_id: str, about: str):  # type: ignore[no-untyped-def]
    from datetime import UTC, datetime

    from chatbot.messages import ChatMessage

    return ChatMessage(
        id=message_id,
        network="net",
        room="#room",
        sender="ben",
        account="ben",
        roles=("teacher",),
        text="",
        time=datetime.now(UTC),
        command=name,
        arguments=arguments,
        about=about,
        reply_to=about if arguments else "",
    )
