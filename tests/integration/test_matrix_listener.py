"""The Matrix listener against a real Synapse: what is heard, and what is said."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from chatbot.messages import ChatMessage, Outcome, Reply
from tests.servers.listening import MemoryBridge
from tests.servers.matrix import MatrixVenue, listening
from tests.servers.matrix_people import Person
from tests.servers.processes import until

LAST = "the last"
HOSTILE_NAME = "ann\u202e\n[admin]\x00\x1b[31m " + "x" * 300


async def heard(bridge: MemoryBridge, venue: MatrixVenue, who: str = "ann") -> list[ChatMessage]:
    """Return all that was heard up to now; what was heard before its restart is in IN already."""
    last = await venue.people[who].say(venue.room, LAST)
    found = []
    while (message := await bridge.next()).id != last:
        found.append(message)
    return [each for each in found if each.text != LAST]


def answer(bridge: MemoryBridge, to: ChatMessage, *replies: Reply) -> None:
    """Have replies said to a message, as a primary does."""
    bridge.decide(
        Outcome(
            to.id, to.network, to.room, to.sender, replies, thread=to.thread, private=to.private
        )
    )


async def test_what_is_known_of_a_message_comes_with_it(venue: MatrixVenue) -> None:
    ann = venue.people["ann"]
    await ann.put_state(venue.room, "im.gitter.project_association", {"linkPath": "org/repo"})
    async with listening(venue) as bridge:
        said = await ann.say(venue.room, "one\ntwo")
        message = await bridge.next()
        assert message.id == said
        assert message.text == "one\ntwo"
        assert message.account == message.sender == ann.user.id
        assert message.name == "ann"
        assert message.repository == "org/repo"
        assert message.nick == venue.bot.id[1:].partition(":")[0]
        await ann.put_state(venue.room, "im.gitter.project_association", {"linkPath": "a b\n/c"})
        await ann.say(venue.room, "later")
        assert (await bridge.next()).repository == ""


async def test_threads_and_replies_are_known_by_the_events_they_name(venue: MatrixVenue) -> None:
    ann, room = venue.people["ann"], venue.room
    async with listening(venue) as bridge:
        root = await ann.say(room, "root")
        inside = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True}
        await ann.say(room, "in it", **relates({**inside, "m.in_reply_to": {"event_id": root}}))
        quoted = "> <@ann:test.local> root\n> more\n\nto that"
        await ann.say(room, quoted, **relates({"m.in_reply_to": {"event_id": root}}))
        await ann.say(room, "> <no reply> quoted")
        first, second, third, fourth = await heard(bridge, venue)
        assert (first.id, first.thread, first.reply_to) == (root, "", "")
        assert (second.text, second.thread, second.reply_to) == ("in it", root, "")
        assert (third.text, third.thread, third.reply_to) == ("to that", "", root)
        assert fourth.text == "> <no reply> quoted"


async def test_an_edit_is_not_a_message(venue: MatrixVenue) -> None:
    ann, room = venue.people["ann"], venue.room
    async with listening(venue) as bridge:
        said = await ann.say(room, "tpyo")
        new = {"msgtype": "m.text", "body": "typo"}
        edit = relates({"rel_type": "m.replace", "event_id": said})
        await ann.say(room, "* typo", **{"m.new_content": new}, **edit)
        assert [each.text for each in await heard(bridge, venue)] == ["tpyo"]


async def test_whom_a_message_calls_is_known_however_it_is_written(venue: MatrixVenue) -> None:
    ann, room, bot = venue.people["ann"], venue.room, venue.bot.id
    name = bot[1:].partition(":")[0]
    async with listening(venue) as bridge:
        venue_says = [
            (f"{name}: a", {}),
            (f"{name.upper()}, b", {}),
            (f"what does @{name} say?", {}),
            (f"{bot}: c", {}),
            ("hey", {"m.mentions": {"user_ids": [bot]}}),
            ("hey", {"formatted_body": f'<a href="https://matrix.to/#/{bot}">Bot</a> hey'}),
        ]
        others = [
            (f"I like {name}", {}),
            (f"{name}er: no", {}),
            (f"a@{name} is an address", {}),
            ("hey", {"m.mentions": {"user_ids": [ann.user.id], "room": True}}),
        ]
        for text, more in venue_says + others:
            await ann.say(room, text, **more)
        found = [each.addressed for each in await heard(bridge, venue)]
        assert found == [True] * len(venue_says) + [False] * len(others)


@pytest.mark.crash
async def test_a_reply_to_the_bot_addresses_it(venue: MatrixVenue) -> None:
    ann, room = venue.people["ann"], venue.room
    async with listening(venue) as bridge:
        question = await ann.say(room, "question")
        answer(bridge, await bridge.next(), Reply("answer"))
        await bridge.next_acknowledged()
        (said,) = await ann.events(room, venue.bot.id, "m.room.message")
    async with listening(venue, bridge):  # which has to ask whose it is
        for event in (said["event_id"], question):
            await ann.say(room, "about it", **relates({"m.in_reply_to": {"event_id": event}}))
        assert [each.addressed for each in await heard(bridge, venue)] == [True, False]


async def test_replies_are_notices_in_the_thread_or_to_the_message(venue: MatrixVenue) -> None:
    ann, room = venue.people["ann"], venue.room
    async with listening(venue) as bridge:
        root = await ann.say(room, "root")
        answer(bridge, await bridge.next(), Reply("answer"))
        inside = {"rel_type": "m.thread", "event_id": root}
        said = await ann.say(room, "in it", **relates(inside))
        answer(bridge, await bridge.next(), Reply("*formatted* <b>", markdown=True))
        await ann.until_said(room, venue.bot.id, "answer", "*formatted* <b>")
        first, second = [e["content"] for e in await ann.events(room, venue.bot.id, MESSAGE)]
        assert first["msgtype"] == "m.notice"
        assert first["m.relates_to"] == {"m.in_reply_to": {"event_id": root}}
        assert first["m.mentions"] == {"user_ids": [ann.user.id]}
        assert "formatted_body" not in first
        relation = second["m.relates_to"]
        assert (relation["rel_type"], relation["event_id"]) == ("m.thread", root)
        assert relation["m.in_reply_to"] == {"event_id": said}
        assert second["formatted_body"] == "<p><em>formatted</em> &lt;b&gt;</p>"


@pytest.mark.crash
async def test_replies_can_be_plain_messages(venue: MatrixVenue) -> None:
    ann = venue.people["ann"]
    async with listening(venue, notice=False, reply=False) as bridge:
        await ann.say(venue.room, "question")
        answer(bridge, await bridge.next(), Reply("answer"))
        await ann.until_said(venue.room, venue.bot.id, "answer")
        (said,) = [e["content"] for e in await ann.events(venue.room, venue.bot.id, MESSAGE)]
        assert said == {"msgtype": "m.text", "body": "answer", "m.mentions": {}}
        assert await heard(bridge, venue) == [], "it does not hear itself"


async def test_reactions_are_heard_where_the_flow_wants_them(venue: MatrixVenue) -> None:
    ann, room = venue.people["ann"], venue.room
    async with listening(venue, reactions=True) as bridge:
        said = await ann.say(room, "look")
        reacted = await ann.send(room, "m.reaction", reaction(said, "👍"))
        undone = await ann.redact(room, reacted)
        first, second, third = await heard(bridge, venue)
        assert (first.id, first.kind) == (said, "message")
        assert (second.id, second.kind, second.text) == (reacted, "reaction", "👍")
        assert (third.id, third.kind, third.text) == (undone, "unreaction", "👍")
        assert second.reply_to == third.reply_to == said
        assert second.sender == third.sender == ann.user.id
        assert not second.addressed
    async with listening(venue, bridge):
        await ann.send(room, "m.reaction", reaction(said, "🎉"))
        assert await heard(bridge, venue) == []


@pytest.mark.crash
async def test_what_was_taken_back_before_it_came_is_not_heard(venue: MatrixVenue) -> None:
    ann, room = venue.people["ann"], venue.room
    async with listening(venue) as bridge:
        await heard(bridge, venue)
    await ann.redact(room, await ann.say(room, "oh no"))
    async with listening(venue, bridge):
        assert await heard(bridge, venue) == []


@pytest.mark.crash
async def test_nothing_that_was_said_before_the_first_start_is_heard(venue: MatrixVenue) -> None:
    await venue.say("ann", "long ago")
    async with listening(venue) as bridge:
        assert await heard(bridge, venue) == []
        assert bridge.stored.startswith(f"{venue.bot.id} ")


@pytest.mark.crash
async def test_a_gap_is_filled_in_order_and_nothing_is_heard_twice(venue: MatrixVenue) -> None:
    async with listening(venue) as bridge:
        await heard(bridge, venue)
        await until(lambda: bridge.stored)
    ann = venue.people["ann"]
    for first in range(0, 220, 20):  # two pages more than a sync gives
        await asyncio.gather(*(venue.say("ann", f"line {first + n}") for n in range(20)))
    texts = [text for text in await ann.said(venue.room, ann.user.id) if text != LAST]
    async with listening(venue, bridge):
        found = await heard(bridge, venue)
        assert len(texts) == 220
        assert [each.text for each in found] == texts
        assert all(each.old for each in found)
        assert [each.text for each in await heard(bridge, venue)] == []


async def test_the_position_is_stored_when_all_before_it_is_safe(venue: MatrixVenue) -> None:
    async with listening(venue) as bridge:
        await heard(bridge, venue)
        await venue.say("ben", "settled")
        await bridge.next()
        bridge.open.clear()
        stored = bridge.stored
        await venue.say("ann", "kept")
        await asyncio.wait_for(bridge.asked.wait(), 10)
    assert bridge.stored == stored, "it was killed while IN took nothing"
    bridge.open.set()
    async with listening(venue, bridge):
        assert "kept" in [each.text for each in await heard(bridge, venue)]


async def test_what_was_said_before_we_were_invited_is_not_heard(venue: MatrixVenue) -> None:
    ann = venue.people["ann"]
    async with listening(venue) as bridge:
        await heard(bridge, venue)
    room = await ann.create()
    for number in range(3):
        await ann.say(room, f"before {number}")
    await ann.ask("POST", f"rooms/{room}/invite", {"user_id": venue.bot.id})
    await ann.say(room, "hello, bot")
    async with listening(venue, bridge):
        await ann.until_member(room, venue.bot.id)
        await ann.say(room, "after")
        assert [(await bridge.next()).text for _ in range(2)] == ["hello, bot", "after"]


@pytest.mark.crash
async def test_all_that_was_said_since_the_invitation_is_heard(venue: MatrixVenue) -> None:
    ann = venue.people["ann"]
    async with listening(venue) as bridge:
        await heard(bridge, venue)
    room = await ann.create()
    await ann.say(room, "before")
    await ann.ask("POST", f"rooms/{room}/invite", {"user_id": venue.bot.id})
    for first in range(0, 120, 20):  # more than a sync gives
        await asyncio.gather(*(ann.say(room, f"line {first + n}") for n in range(20)))
    texts = [text for text in await ann.said(room, ann.user.id) if text != "before"]
    async with listening(venue, bridge):
        assert [(await bridge.next()).text for _ in texts] == texts


@pytest.mark.crash
async def test_what_was_said_before_we_joined_uninvited_is_not_heard(venue: MatrixVenue) -> None:
    ann = venue.people["ann"]
    room = await ann.create(room_alias_name=f"a{venue.bot.id[1:].partition(':')[0]}")
    for number in range(3):
        await ann.say(room, f"before {number}")
    async with listening(venue, rooms=(room,)) as bridge:
        await ann.until_member(room, venue.bot.id)
        await ann.say(room, "after")
        assert (await bridge.next()).text == "after"


@pytest.mark.crash
async def test_only_invitations_from_whom_the_flow_lets_are_taken(venue: MatrixVenue) -> None:
    ann, ben = venue.people["ann"], venue.people["ben"]
    async with listening(venue, invites=("@ann:*",)):
        refused = await ben.create(venue.bot)
        taken = await ann.create(venue.bot)
        await ann.until_member(taken, venue.bot.id)
        await ben.until_member(refused, venue.bot.id, "invite")


@pytest.mark.crash
async def test_rooms_are_joined_by_alias_and_told_where_that_fails(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    ann = venue.people["ann"]
    name = venue.bot.id[1:].partition(":")[0]
    room = await ann.create(room_alias_name=f"r{name}")
    closed = await ann.create(preset="private_chat")
    rooms = (f"#r{name}:test.local", closed)
    async with listening(venue, rooms=rooms) as bridge:
        await ann.until_member(room, venue.bot.id)
        await until(lambda: f"cannot join {closed}" in caplog.text)
    async with listening(venue, bridge, rooms=rooms):
        await until(lambda: caplog.text.count(f"cannot join {closed}") == 2)


@pytest.mark.crash
async def test_a_hostile_name_is_one_short_line(venue: MatrixVenue) -> None:
    server = venue.server
    async with Person(server, server.user()) as mallory:
        await mallory.join(venue.room)
        path = f"profile/{mallory.user.id}/displayname"
        await mallory.ask("PUT", path, {"displayname": HOSTILE_NAME[:250]})
        async with listening(venue) as bridge:
            await mallory.say(venue.room, "hi \x1b[31m\x00there\u2028and there")
            message = await bridge.next()
            assert message.name.startswith("ann [admin]")
            assert message.name.isprintable()
            assert len(message.name) <= 100
            assert message.text == "hi [31mthere\nand there"
        async with listening(venue, bridge):
            await mallory.say(venue.room, "again")
            while (again := await bridge.next()).text != "again":
                pass
            assert again.name == message.name


@pytest.mark.crash
async def test_a_clock_that_is_wrong_is_not_believed(venue: MatrixVenue) -> None:
    async with listening(venue) as bridge:
        await venue.say("ann", "now")
        assert (await bridge.next()).time <= datetime.now(UTC)


def relates(relation: dict[str, object]) -> dict[str, object]:
    return {"m.relates_to": relation}


def reaction(about: str, key: str) -> dict[str, object]:
    return relates({"rel_type": "m.annotation", "event_id": about, "key": key})


MESSAGE = "m.room.message"


async def test_who_is_started_again_at_once_knows_the_rooms_that_it_came_into(
    venue: MatrixVenue,
) -> None:
    ann = venue.people["ann"]
    await ann.put_state(venue.room, "im.gitter.project_association", {"linkPath": "org/repo"})
    bridge = MemoryBridge()
    for text in ("one", "two"):  # at its first start it is in no room, and the server notes that
        async with listening(venue, bridge):
            await venue.say("ann", text)
            message = await bridge.next()
            assert (message.text, message.repository) == (text, "org/repo")
            await until(lambda: bridge.stored)
