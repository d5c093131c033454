"""Learning in the channel: who may correct what, how, and how it is taken back."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from chatbot.broker import Broker
from chatbot.broker.corrections import Corrections
from chatbot.broker.heads import Heads
from chatbot.learning import LONGEST
from tests.servers.lessons import ANNA, BEN, CARL, SAID, TAUGHT, becomes, bot, flow_file, label


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
