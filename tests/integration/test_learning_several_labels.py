"""Corrections of several labels: at once, one by one, to none of them, and where one is allowed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chatbot.broker import Broker
from tests.servers.lessons import BEN, CARL, SAID, bot, flow_file


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
