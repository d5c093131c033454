"""What a flow does on Matrix beside talking: on a real Synapse, with power and without."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from chatbot.messages import Action, ChatMessage, Outcome
from tests.servers.listening import MemoryBridge
from tests.servers.matrix import MatrixVenue, listening
from tests.servers.processes import until


async def empower(venue: MatrixVenue, level: int = 100) -> None:
    await change_levels(venue, venue.bot.id, level)


async def change_levels(venue: MatrixVenue, user: str, level: int) -> None:
    ann = venue.people["ann"]
    levels = await ann.state(venue.room, "m.room.power_levels")
    users = {**levels.get("users", {}), user: level}
    await ann.put_state(venue.room, "m.room.power_levels", {**levels, "users": users})


async def level_of(venue: MatrixVenue, who: str) -> Any:
    levels = await venue.people["ann"].state(venue.room, "m.room.power_levels")
    return levels.get("users", {}).get(venue.sender(who))


async def act(bridge: MemoryBridge, to: ChatMessage, *actions: Action, name: str = "") -> None:
    """Have actions done, and wait until the listener is done with them."""
    id = name or to.id
    bridge.decide(Outcome(id, to.network, to.room, to.sender, actions=actions))
    assert await bridge.next_acknowledged() == id


async def question(bridge: MemoryBridge, venue: MatrixVenue, who: str = "ben") -> ChatMessage:
    await venue.say(who, "spam")
    return await bridge.next()


async def test_a_reaction_is_put_once_however_often_it_is_asked_for(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(venue) as bridge:
        message = await question(bridge, venue)
        await act(bridge, message, Action("react", text="👍"))
        await act(bridge, message, Action("react", to=message.id, text="👍"), name="$another")
        (event,) = await venue.people["ann"].events(venue.room, venue.bot.id, "m.reaction")
        relation = event["content"]["m.relates_to"]
        assert (relation["event_id"], relation["key"]) == (message.id, "👍")
        assert "cannot" not in caplog.text


async def test_a_message_is_deleted_and_its_sender_kicked(venue: MatrixVenue) -> None:
    await empower(venue)
    ann = venue.people["ann"]
    async with listening(venue) as bridge:
        message = await question(bridge, venue)
        await act(bridge, message, Action("delete", text="rude"), Action("kick", text="rude"))
        await ann.until_member(venue.room, venue.sender("ben"), "leave")
        assert "spam" not in await ann.said(venue.room, venue.sender("ben"))
        (redaction,) = await ann.events(venue.room, venue.bot.id, "m.room.redaction")
        assert redaction["content"]["reason"] == "rude"


@pytest.mark.crash
async def test_a_ban_lasts_until_it_is_lifted_and_twice_is_once(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    await empower(venue)
    ann, ben = venue.people["ann"], venue.people["ben"]
    async with listening(venue) as bridge:
        message = await question(bridge, venue)
        await act(bridge, message, Action("ban"), Action("ban"), Action("kick"))
        await ann.until_member(venue.room, venue.sender("ben"), "ban")
        unban = Action("unban", to=venue.sender("ben"))
        await act(bridge, message, unban, unban, name="$2")
        await ben.join(venue.room)
        assert "cannot" not in caplog.text


@pytest.mark.crash
async def test_who_is_muted_for_a_while_speaks_again_though_the_bot_was_restarted(
    venue: MatrixVenue,
) -> None:
    await empower(venue)
    async with listening(venue) as bridge:
        message = await question(bridge, venue)
        await act(bridge, message, Action("mute", seconds=1.0))
        assert await level_of(venue, "ben") == -1
    assert await level_of(venue, "ben") == -1
    async with listening(venue, bridge):
        async with asyncio.timeout(10):
            while await level_of(venue, "ben") is not None:
                await asyncio.sleep(0.05)
        await venue.say("ben", "again")
        assert (await bridge.next()).text == "again"


@pytest.mark.crash
async def test_who_is_unmuted_has_the_power_of_before(venue: MatrixVenue) -> None:
    await empower(venue)
    await change_levels(venue, venue.sender("ben"), 5)
    async with listening(venue) as bridge:
        message = await question(bridge, venue)
        await act(bridge, message, Action("mute"))
        await act(bridge, message, Action("mute"), name="$again")
        assert await level_of(venue, "ben") == -1
        await act(bridge, message, Action("unmute"), name="$2")
        assert await level_of(venue, "ben") == 5
        await act(bridge, message, Action("unmute"), name="$3")
        assert await level_of(venue, "ben") == 5


@pytest.mark.crash
@pytest.mark.parametrize(
    ("kind", "needed"), [("delete", 50), ("kick", 50), ("ban", 50), ("mute", 100)]
)
async def test_a_bot_without_power_says_what_it_lacks(
    kind: str, needed: int, venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with listening(venue) as bridge:
        message = await question(bridge, venue)
        await act(bridge, message, Action(kind, text="s3cret reason"))
        await until(lambda: f"cannot {kind}" in caplog.text)
        assert f"power level is 0, and {needed} is needed" in caplog.text
        assert "s3cret reason" not in caplog.text
        await venue.say("ben", "still here")
        assert (await bridge.next()).text == "still here"


@pytest.mark.crash
async def test_what_makes_no_sense_is_told_and_the_rest_is_done(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(venue) as bridge:
        message = await question(bridge, venue)
        odd = [
            Action("dance"),
            Action("kick", to="ben"),
            Action("kick", to=venue.bot.id),
            Action("react", to="../x", text="a"),
            Action("react", text="👍"),
        ]
        await act(bridge, message, *odd)
        assert len(await venue.people["ann"].events(venue.room, venue.bot.id, "m.reaction")) == 1
        for told in ("cannot dance", "no Matrix id", "the bot itself", "no id of a message"):
            assert told in caplog.text
