"""What the classic Gitter listener hears, on our reading of the server."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from chatbot.errors import ListenerError
from chatbot.listeners.gitter import GitterListener
from chatbot.listeners.gitter.rooms import REJOINS
from tests.servers.gitter import TOKEN, GitterServer, Place
from tests.servers.gittering import (
    NETWORK,
    QUICK,
    listening,
    nothing_more,
    quick,
    settings,
    texts_heard,
)
from tests.servers.listening import MemoryBridge, logged
from tests.servers.processes import until


@pytest.fixture
async def server() -> AsyncIterator[GitterServer]:
    async with GitterServer.running() as server:
        yield server


@pytest.fixture
def room(server: GitterServer) -> Place:
    return server.room("org/room", "ann", "ben", "bot", kind="REPO")


async def test_a_message_has_all_that_the_server_tells(server: GitterServer, room: Place) -> None:
    server.people["ann"].name = "Ann\u202e\n  Smith"
    async with listening(server) as bridge:
        parent = server.say("ben", room, "what now?")
        key = server.say("ann", room, "@bot héllo\r\n\x00*there*", parentId=parent)
        await bridge.next()
        message = await bridge.next()
    assert (message.id, message.network, message.room) == (key, NETWORK, "org/room")
    assert (message.sender, message.account) == ("ann", server.people["ann"].id)
    assert (message.name, message.nick) == ("Ann Smith", "bot")
    assert message.text == "@bot héllo\n *there*"
    assert (message.thread, message.reply_to) == (parent, parent)
    assert message.repository == "org/room"
    assert (message.addressed, message.private, message.old) == (True, False, False)
    assert abs((message.time - datetime.now(UTC)).total_seconds()) < 5


@pytest.mark.parametrize(
    ("text", "addressed"),
    [
        ("bot: hi", True),
        ("BOT, hi", True),
        ("hi @bot", True),
        ("@bot: hi", True),
        ("bottle: hi", False),
        ("the bot is great", False),
        ("@ann hi", False),
    ],
)
async def test_who_names_the_bot_addresses_it(
    server: GitterServer, room: Place, text: str, addressed: bool
) -> None:
    async with listening(server) as bridge:
        server.say("ann", room, text)
        assert (await bridge.next()).addressed is addressed


async def test_the_first_time_nothing_from_before_is_heard(
    server: GitterServer, room: Place
) -> None:
    for number in range(150):
        server.say("ann", room, f"before {number}")
    async with listening(server) as bridge:
        await nothing_more(bridge, server, room)


async def test_what_was_said_in_one_second_while_nobody_listened_is_heard_once_in_order(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        await nothing_more(bridge, server, room)
        await until(lambda: bridge.stored)
    for number in range(500):
        server.say("ann", room, f"meanwhile {number}")
    async with listening(server, bridge, present=False):
        found = await texts_heard(bridge, 500)
        assert found == [f"meanwhile {number}" for number in range(500)]
        await server.streaming(room, 2)
        await nothing_more(bridge, server, room)


async def test_ids_that_are_in_no_order_within_a_second_are_no_gap(
    server: GitterServer, room: Place
) -> None:
    server.processes = ["ffffffffff", "0000000000", "8888888888"]
    async with listening(server) as bridge:
        server.say("ann", room, "heard")
        await bridge.next()
        await until(lambda: bridge.stored)
    for number in range(330):
        server.say("ann", room, f"meanwhile {number}")
    async with listening(server, bridge, present=False):
        found = await texts_heard(bridge, 330)
        assert sorted(found) == sorted(f"meanwhile {number}" for number in range(330))
        await server.streaming(room, 2)
        await nothing_more(bridge, server, room)


async def test_what_got_its_id_before_what_was_heard_is_heard_too(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        server.say("ann", room, "heard")
        await bridge.next()
        await until(lambda: bridge.stored)
    early = f"{int(room.messages[-1]['id'][:8], 16) - 2:08x}bbbbbbbbbb000001"
    server.say("ben", room, "slow", id=early)
    server.say("ben", room, "in a thread", parentId=early)
    async with listening(server, bridge, present=False):
        assert await texts_heard(bridge, 2) == ["slow", "in a thread"]


async def test_a_position_is_stored_only_behind_what_was_heard(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        await until(lambda: bridge.stored)
        bridge.open.clear()
        key = server.say("ann", room, "not stored")
        await asyncio.sleep(0.3)  # nothing may happen meanwhile
        assert key not in bridge.stored
        bridge.open.set()
        await until(lambda: key in bridge.stored)


@pytest.mark.parametrize("position", ["nonsense", "[]", '{"rooms": [1]}', "[" * 100_000])
async def test_a_position_that_makes_no_sense_counts_as_none(
    server: GitterServer, room: Place, position: str
) -> None:
    bridge = MemoryBridge()
    bridge.stored = position
    server.say("ann", room, "before")
    async with listening(server, bridge):
        await nothing_more(bridge, server, room)


@pytest.mark.parametrize(
    ("delimiter", "indent"), [("\r", None), ("\r\n", None), ("\n", None), ("\r", 1), ("\r\n", 2)]
)
async def test_messages_are_told_apart_however_the_stream_ends_them(
    server: GitterServer, room: Place, delimiter: str, indent: int | None
) -> None:
    server.delimiter, server.indent, server.keepalive = delimiter, indent, 0.01
    async with listening(server) as bridge:
        texts = ['one "quoted" } {', "two\nlines \\", "three"]
        for text in texts:
            server.say("ann", room, text)
        assert await texts_heard(bridge, 3) == texts
        assert server.asked("GET", f"{room.id}/chatMessages") <= 3, "by the stream"


async def test_half_a_message_is_heard_once_by_asking(server: GitterServer, room: Place) -> None:
    async with listening(server) as bridge:
        server.mute_streams = True
        server.say("ann", room, "hello")
        line = json.dumps(room.messages[-1]).encode()
        server.write(room, line[: len(line) // 2])
        await asyncio.sleep(0.05)  # so that it is sent
        server.cut()
        server.mute_streams = False
        assert (await bridge.next()).text == "hello"
        await server.streaming(room, 2)
        await nothing_more(bridge, server, room)


async def test_what_was_said_while_a_stream_was_lost_is_heard_as_soon_as_it_is_back(
    server: GitterServer, room: Place
) -> None:
    async with listening(server, timing=quick(poll=60.0, check=60.0)) as bridge:
        server.cut()
        server.say("ann", room, "hello")
        assert (await bridge.next()).text == "hello"


@pytest.mark.parametrize(
    "junk",
    [
        b'{"id": "x", "text": "never ends\r',
        b"<html>{}</html>\r\n",
        b'{"id": "../../user", "text": "a", "fromUser": {"id": "b", "username": "c"}}\r',
        b'{"text": {"a": [1]}, "id": 5}\r\n',
        b'{"a":' * 5000 + b"\r",
        b'{"id": "0123", "text": "' + b"x" * 400_000 + b'"}\r',
        b"\xff\xfe\x00}}}{]\r",
        b'[{"id": "1"}]\r\n',
    ],
)
async def test_what_is_no_message_is_ignored_and_the_next_one_is_heard(
    server: GitterServer, room: Place, junk: bytes
) -> None:
    async with listening(server) as bridge:
        server.write(room, junk)
        await nothing_more(bridge, server, room)
        assert room.opened == 1


async def test_a_message_that_makes_no_sense_does_not_hide_the_others(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        await nothing_more(bridge, server, room)
        await until(lambda: bridge.stored)
    for number in range(60):
        server.say("ann", room, f"good {number}")
        server.say("ann", room, "of somebody deleted")
        del room.messages[-1]["fromUser"]["username"]
        server.say("ann", room, "x")
        room.messages[-1].update(text=None, sent="yesterday", mentions="none")
        room.messages[-1]["sent"] = room.messages[-2]["sent"]
    server.say("ann", room, "half \ud83d a pair")
    async with listening(server, bridge, present=False):
        found = await texts_heard(bridge, 61)
        assert found[:-1] == [f"good {number}" for number in range(60)]
        assert found[-1] == "half ? a pair"


async def test_a_stream_that_is_deaf_is_noticed_and_the_room_is_asked(
    server: GitterServer, room: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(server, timing=quick(check=1.5, missed=0.2)) as bridge:
        server.deaf_streams = True
        while room.opened < 2:  # it is tried again, once it is noticed
            server.say("ann", room, "anybody?")
            assert (await bridge.next()).text == "anybody?"
        await logged(caplog, "the stream of org/room is silent about messages")
        server.say("ann", room, "still?")
        assert (await bridge.next()).text == "still?"
        server.deaf_streams = False
        await nothing_more(bridge, server, room)


async def test_a_stream_without_a_sign_of_life_is_given_up(
    server: GitterServer, room: Place
) -> None:
    async with listening(server, timing=quick(silence=0.5)) as bridge:
        server.mute_streams = True
        server.say("ann", room, "anybody?")
        await server.streaming(room, 2)
        assert (await bridge.next()).text == "anybody?"
        server.mute_streams = False
        await nothing_more(bridge, server, room)


async def test_without_streams_the_rooms_are_asked(server: GitterServer, room: Place) -> None:
    async with listening(server, present=False, stream="") as bridge:
        await until(lambda: server.asked("GET", f"{room.id}/chatMessages"))
        server.say("ann", room, "hello")
        assert (await bridge.next()).text == "hello"
        assert room.opened == 0


async def test_what_is_taken_back_is_forgotten_and_an_edit_is_not_heard_again(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        key = server.say("ann", room, "hello")
        await bridge.next()
        edited = {**room.messages[-1], "text": "hullo", "editedAt": room.messages[-1]["sent"]}
        server.tell(room, edited)
        server.tell(room, {"operation": "update", "model": edited})
        server.tell(room, {"operation": "remove", "model": {"id": key}})
        await until(lambda: bridge.forgotten)
        assert bridge.forgotten == [key]
        await nothing_more(bridge, server, room)


async def test_a_one_to_one_room_is_found_when_it_is_made(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        private = server.room("", "ben", "bot")
        server.say("ben", private, "psst")
        message = await bridge.next()
        assert (message.text, message.room, message.private) == ("psst", "ben", True)


async def test_one_to_one_rooms_can_be_left_alone(server: GitterServer, room: Place) -> None:
    private = server.room("", "ben", "bot")
    async with listening(server, present=False, private=False) as bridge:
        await server.streaming(room)
        server.say("ben", private, "psst")
        await nothing_more(bridge, server, room)
        assert private.opened == 0


async def test_a_room_that_it_is_not_in_is_joined_when_it_is_there(
    server: GitterServer, room: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(server, present=False, rooms=("org/room", "org/new")) as bridge:
        await logged(caplog, "cannot join org/new")
        await server.streaming(room)
        new = server.room("org/new", "ann")
        await server.streaming(new)
        assert "bot" in new.members
        server.say("ann", new, "welcome")
        assert (await bridge.next()).room == "org/new"


async def test_a_room_that_it_was_taken_out_of_is_joined_again_but_not_for_ever(
    server: GitterServer, room: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(server, timing=quick(rooms=0.05)) as bridge:
        for _ in range(REJOINS + 1):
            room.members.discard("bot")
            await until(lambda: "bot" in room.members)
        await logged(caplog, "was taken out of org/room too often")
        await nothing_more(bridge, server, room)
        room.members.discard("bot")
        asked = len(server.requests)
        await until(lambda: len(server.requests) >= asked + 4)
        assert "bot" not in room.members


async def test_two_listeners_have_two_servers(server: GitterServer, room: Place) -> None:
    async with GitterServer.running() as other:
        there = other.room("org/room", "ann", "bot")
        async with listening(server) as here, listening(other) as elsewhere:
            server.say("ann", room, "here")
            other.say("ann", there, "there")
            assert (await here.next()).text == "here"
            assert (await elsewhere.next()).text == "there"


@pytest.mark.parametrize("revoked", [False, True])
async def test_a_token_that_is_not_known_is_an_error_that_does_not_show_it(
    server: GitterServer, room: Place, revoked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bridge = MemoryBridge()
    if not revoked:
        server.tokens.clear()
    listener = GitterListener(NETWORK, settings(server), QUICK)
    running = asyncio.ensure_future(listener.run(bridge))
    if revoked:
        await server.streaming(room)
        server.tokens.clear()
        server.cut()
    async with asyncio.timeout(10):
        with pytest.raises(ListenerError) as caught:
            await running
    assert caught.value.message == f"{server.address} does not know the token"
    assert "`token`" in caught.value.hint
    assert TOKEN not in str(caught.value) + caught.value.hint + caplog.text


async def test_the_token_comes_from_a_file(
    server: GitterServer, room: Place, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    async with listening(server, token="", token_file=file) as bridge:
        await nothing_more(bridge, server, room)


async def test_credentials_of_the_user_are_not_sent_instead(
    server: GitterServer, room: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with listening(server) as bridge:
        await nothing_more(bridge, server, room)


async def test_the_fake_takes_no_body_without_a_length(server: GitterServer, room: Place) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"text": "x"}'

    url = f"{server.address}/rooms/{room.id}/chatMessages"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as client:
        async with client.post(url, data=body()) as answer:
            assert answer.status == 406
        async with client.post(url, json={"text": "x"}) as answer:
            assert answer.status == 200
