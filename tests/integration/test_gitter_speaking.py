"""What the classic Gitter listener says and does, on our reading of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chatbot.messages import Action, Reply
from tests.servers.gitter import GitterServer, Place
from tests.servers.gittering import acting, listening, outcome, quick, said
from tests.servers.listening import logged
from tests.servers.processes import until


@pytest.fixture
async def server() -> AsyncIterator[GitterServer]:
    async with GitterServer.running() as server:
        yield server


@pytest.fixture
def room(server: GitterServer) -> Place:
    return server.room("org/room", "ann", "ben", "bot")


async def test_a_reply_goes_to_the_thread_of_its_message(server: GitterServer, room: Place) -> None:
    parent = server.say("ann", room, "what now?")
    async with listening(server) as bridge:
        bridge.decide(outcome(room, "1", "this", thread=parent))
        await said(server, room, 1)
        assert room.messages[-1]["parentId"] == parent


async def test_a_reply_to_a_thread_that_is_gone_is_said_in_the_room(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        bridge.decide(outcome(room, "1", "this", thread="0" * 24))
        assert await said(server, room, 1) == ["this"]
        assert "parentId" not in room.messages[-1]


async def test_who_spoke_in_private_is_answered_there_even_where_no_room_is_known(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        answer = outcome(server.room("ben"), "1", "psst", private=True)
        server.rooms = {room.id: room}
        bridge.decide(answer)
        await until(lambda: any(server.texts(each) == ["psst"] for each in server.rooms.values()))
        assert server.texts(room) == []


async def test_a_room_that_is_not_there_costs_only_its_own_reply(
    server: GitterServer, room: Place, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Place("f" * 24, "org/gone", set())
    async with listening(server) as bridge:
        bridge.decide(outcome(gone, "1", "lost"))
        bridge.decide(outcome(room, "2", "said"))
        assert {await bridge.next_acknowledged(), await bridge.next_acknowledged()} == {"1", "2"}
        assert server.texts(room) == ["said"]
        await logged(caplog, "dropped a reply for 'org/gone'")


async def test_a_room_that_bans_the_bot_costs_only_its_own_reply(
    server: GitterServer, room: Place, caplog: pytest.LogCaptureFixture
) -> None:
    other = server.room("org/other", "ann", "bot")
    async with listening(server, rooms=("org/room", "org/other")) as bridge:
        other.bans.add("bot")
        bridge.decide(outcome(other, "1", "lost", "too"))
        bridge.decide(outcome(room, "2", "said"))
        assert {await bridge.next_acknowledged(), await bridge.next_acknowledged()} == {"1", "2"}
        assert server.texts(room) == ["said"]
        await logged(caplog, "dropped a reply for 'org/other' on venue: status 403")


async def test_a_long_reply_is_cut_into_messages_that_the_server_takes(
    server: GitterServer, room: Place
) -> None:
    async with listening(server, messages=3) as bridge:
        bridge.decide(outcome(room, "1", "🦆" * 5000))
        bridge.decide(outcome(room, "2", "word " * 100_000))
        found = await said(server, room, 6)
        assert [len(text) for text in found[:3]] == [2048, 2048, 904]
        assert all(text.split() == ["word"] * len(text.split()) for text in found[3:5])
        assert found[5].endswith("word…")


async def test_text_is_shown_as_it_is_and_markdown_as_it_is_meant(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        replies = (Reply("*no* [x](y) <b> see https://x.org/a_b*c_d @ann\n# 1"), Reply("*yes*"))
        bridge.decide(outcome(room, "1", replies=(replies[0], Reply("*yes*", markdown=True))))
        assert await said(server, room, 2) == [
            "\\*no\\* \\[x\\](y) \\<b\\> see https://x.org/a_b*c_d @ann\n\\# 1",
            "*yes*",
        ]


async def test_what_was_said_without_an_answer_is_said_once(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        server.unanswered = 3
        for name in ("1", "2", "3", "4"):
            bridge.decide(outcome(room, name, "the same", "the same"))
        for _ in range(4):
            await bridge.next_acknowledged()
        assert server.texts(room) == ["the same"] * 8


async def test_what_the_server_does_after_we_gave_up_is_said_once(
    server: GitterServer, room: Place
) -> None:
    async with listening(server, timing=quick(answer=0.4, settle=1.0)) as bridge:
        server.late = 0.8
        bridge.decide(outcome(room, "1", "slowly"))
        assert await bridge.next_acknowledged() == "1"
        assert server.texts(room) == ["slowly"]
        assert server.asked("POST", "chatMessages") == 1


async def test_what_was_marked_and_never_said_is_said_by_who_comes_next(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        bridge.marks |= {("1", "sent.0"), ("1", "sent.1")}
        server.say("bot", room, "three")
        room.messages[-1]["sent"] = "2026-01-01T00:00:00.000Z"  # long before the mark
        room.messages.sort(key=lambda message: message["sent"])
        server.say("bot", room, "one")
        server.say("ann", room, "two")  # said, but not by us
        bridge.marks.add(("1", "sent.2"))
        bridge.decide(outcome(room, "1", "one", "two", "three"), attempt=2)
        assert await bridge.next_acknowledged() == "1"
        assert server.texts(room) == ["three", "one", "two", "three"]


async def test_what_may_have_been_said_is_found_behind_hundreds_of_others(
    server: GitterServer, room: Place
) -> None:
    async with listening(server, present=False, stream="", rooms=()) as bridge:
        server.say("bot", room, "one")
        for number in range(250):
            server.say("ann", room, f"talk {number}")
        bridge.marks.add(("1", "sent.0"))
        bridge.decide(outcome(room, "1", "one"), attempt=2)
        assert await bridge.next_acknowledged() == "1"
        assert server.texts(room) == ["one"]


async def test_people_can_be_kicked_banned_and_let_in_and_messages_deleted(
    server: GitterServer, room: Place
) -> None:
    room.admins.add("bot")
    key = server.say("ann", room, "spam")
    other = server.say("ben", room, "more spam")
    async with listening(server) as bridge:
        bridge.decide(acting(room, key, Action("delete"), Action("kick", to="ben")))
        await bridge.next_acknowledged()
        assert room.members == {"ann", "bot"}
        assert [m["id"] for m in room.messages] == [other]
        bridge.decide(acting(room, "2", Action("ban"), Action("delete", to=other)))
        await bridge.next_acknowledged()
        assert (room.bans, room.messages) == ({"ann"}, [])
        bridge.decide(acting(room, "3", Action("unban", to="ann")))
        await bridge.next_acknowledged()
        assert room.bans == set()


async def test_a_message_that_is_tried_again_is_deleted_by_the_id_that_it_had(
    server: GitterServer, room: Place
) -> None:
    room.admins.add("bot")
    key = server.say("ann", room, "spam")
    async with listening(server) as bridge:
        bridge.decide(acting(room, f"{key}~retry-1", Action("delete")))
        await bridge.next_acknowledged()
        assert room.messages == []


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (Action("react", text="👍"), "cannot react on org/room: classic Gitter has no such thing"),
        (Action("mute", to="ben", seconds=60), "cannot mute on org/room"),
        (Action("kick", to="ben"), "could not kick in org/room: the bot may not"),
        (Action("ban", to="../../x?y#z"), "could not ban in org/room"),
        (Action("delete", to="../../../user"), "could not delete in org/room: there is no such"),
        (Action("unban", to="nobody"), "could not unban in org/room: there is no such person"),
    ],
)
async def test_what_cannot_be_done_is_told(
    server: GitterServer,
    room: Place,
    action: Action,
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening(server) as bridge:
        bridge.decide(acting(room, "1", action))
        assert await bridge.next_acknowledged() == "1"
        await logged(caplog, told)


async def test_replies_wait_while_nobody_may_say_them(server: GitterServer, room: Place) -> None:
    async with listening(server) as bridge:
        server.awake.clear()
        bridge.decide(outcome(room, "1", "later"))
        await asyncio.sleep(0.2)  # so that it has begun
        assert bridge.acknowledged.empty()
        server.awake.set()
        assert await bridge.next_acknowledged() == "1"
        assert server.texts(room) == ["later"]
