"""Lessons of one room, and lessons that count everywhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chatbot.broker import Broker
from tests.servers.lessons import BEN, SAID, TAUGHT, becomes, bot, flow_file, label


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
