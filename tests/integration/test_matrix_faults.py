"""The Matrix listener where the server, or what stands before it, misbehaves."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web

from chatbot.listeners.matrix import Timing
from chatbot.listeners.matrix.unreadable import NOTICE
from chatbot.messages import ChatMessage, Outcome, Reply
from tests.servers.listening import MemoryBridge
from tests.servers.matrix import MatrixVenue, listening
from tests.servers.matrix_people import Person
from tests.servers.matrix_proxy import Proxy
from tests.servers.processes import until
from tests.servers.synapse import Synapse


def reply(bridge: MemoryBridge, to: ChatMessage, *texts: str, attempt: int = 1) -> None:
    replies = tuple(Reply(text) for text in texts)
    bridge.decide(Outcome(to.id, to.network, to.room, to.sender, replies), attempt)


def is_send(request: web.Request) -> bool:
    return "/send/m.room.message" in request.path


def is_sync(request: web.Request) -> bool:
    return request.path.endswith("/sync")


@pytest.mark.crash
@pytest.mark.parametrize("fault", ["502", "cut", "html", "json", "lost"])
async def test_whatever_a_proxy_answers_nothing_is_lost_or_done_twice(
    fault: str, venue: MatrixVenue
) -> None:
    async with Proxy(venue.server) as proxy:
        async with listening(venue, homeserver=proxy.address) as bridge:
            await venue.say("ann", "before")
            before = await bridge.next()
            proxy.fault = lambda _: fault
            asked = len(proxy.requests)
            await venue.say("ann", "meanwhile")
            reply(bridge, before, "first", "second")
            await until(lambda: len(proxy.requests) > asked + 2)
            proxy.fault = lambda _: None
            meanwhile = await bridge.next()
            assert meanwhile.text == "meanwhile"
            reply(bridge, meanwhile, "third")
            wanted = ["first", "second", "third"]
            found = await venue.people["ann"].until_said(venue.room, venue.bot.id, *wanted)
            assert found == wanted
            assert bridge.heard.empty()


@pytest.mark.crash
async def test_a_server_that_answers_nothing_any_more_is_asked_again(venue: MatrixVenue) -> None:
    timing = Timing(poll=0.5, late=0.5, request=1, backoff=0.25, backoff_most=0.5)
    async with Proxy(venue.server) as proxy:
        async with listening(venue, homeserver=proxy.address, timing=timing) as bridge:
            await venue.say("ann", "before")
            before = await bridge.next()
            proxy.fault = lambda _: "stall"
            asked = len(proxy.requests)
            reply(bridge, before, "answer")
            await until(lambda: len(proxy.requests) > asked + 3)
            proxy.fault = lambda _: None
            await venue.say("ann", "after")
            assert (await bridge.next()).text == "after"
            await venue.people["ann"].until_said(venue.room, venue.bot.id, "answer")


async def test_what_is_taken_back_while_its_answer_waits_is_not_answered(
    venue: MatrixVenue,
) -> None:
    ann = venue.people["ann"]
    async with Proxy(venue.server) as proxy:
        async with listening(venue, homeserver=proxy.address) as bridge:
            first, second = await ann.say(venue.room, "1"), await ann.say(venue.room, "2")
            one, two = await bridge.next(), await bridge.next()
            proxy.fault = lambda request: "502" if is_send(request) else None
            reply(bridge, one, "to the first")
            reply(bridge, two, "to the second")
            await until(lambda: any("/send/" in each for each in proxy.requests))
            await ann.redact(venue.room, second)
            await until(lambda: bridge.forgotten == [second])
            proxy.fault = lambda _: None
            assert [await bridge.next_acknowledged() for _ in range(2)] == [first, second]
            assert await ann.said(venue.room, venue.bot.id) == ["to the first"]


async def test_what_the_server_may_have_forgotten_is_not_sent_again(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    timing = Timing(poll=1, late=1, backoff=0.25, forgetful=0.5)  # marks are 1 s old
    async with listening(venue, timing=timing) as bridge:
        await venue.say("ann", "question")
        message = await bridge.next()
        bridge.marks |= {(message.id, "tried.0"), (message.id, "sent.0"), (message.id, "tried.1")}
        reply(bridge, message, "said", "tried", "never begun", attempt=2)
        await bridge.next_acknowledged()
        assert await venue.shown() == ["never begun"]
        assert caplog.text.count("so long ago") == 1


@pytest.mark.crash
async def test_a_room_that_we_may_not_speak_in_does_not_hold_up_others(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(venue) as bridge:
        for number, room in enumerate(("!nowhere:test.local", "!nowhere", "no/../room", "")):
            bridge.decide(Outcome(f"${number}", "venue", room, "", (Reply("x"), Reply("y"))))
            assert await bridge.next_acknowledged() == f"${number}"
        await venue.say("ann", "question")
        reply(bridge, await bridge.next(), "answer")
        await venue.people["ann"].until_said(venue.room, venue.bot.id, "answer")
        assert "dropped a part" in caplog.text


@pytest.mark.crash
async def test_what_a_proxy_does_not_let_pass_is_given_up_and_the_rest_goes_on(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    ann = venue.people["ann"]
    async with Proxy(venue.server) as proxy:
        async with listening(venue, homeserver=proxy.address) as bridge:
            other = await ann.create(venue.bot)
            await ann.until_member(other, venue.bot.id)
            proxy.fault = lambda r: "403" if is_send(r) and venue.room in unquote(r.path) else None
            bridge.decide(Outcome("$1", "venue", venue.room, "", (Reply("<script>"),)))
            bridge.decide(Outcome("$2", "venue", other, "", (Reply("well"),)))
            await ann.until_said(other, venue.bot.id, "well", timeout=10)
            assert {await bridge.next_acknowledged() for _ in range(2)} == {"$1", "$2"}
            assert "does not let it pass" in caplog.text
            assert len([each for each in proxy.requests if "/send/" in each]) < 30


@pytest.mark.crash
async def test_a_storm_of_bad_gateways_gets_few_requests(venue: MatrixVenue) -> None:
    timing = Timing()  # the real one
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(venue.server))
        changes: dict[str, Any] = {"homeserver": proxy.address, "timing": timing}
        bridge = await stack.enter_async_context(listening(venue, **changes))
        await venue.say("ann", "question")
        message = await bridge.next()
        proxy.fault = lambda _: "502"
        before, begun = len(proxy.requests), time.monotonic()
        for number in range(20):
            room = venue.room if number % 2 else f"!r{number}"
            bridge.decide(Outcome(f"${number}", "venue", room, "", (Reply(f"{number}"),)))
        reply(bridge, message, "answer")
        await until(lambda: time.monotonic() - begun > SHORT_STORM, SHORT_STORM + 5)
        assert len(proxy.requests) - before < 20
        proxy.fault = lambda _: None
        await venue.people["ann"].until_said(venue.room, venue.bot.id, "answer", "19")


@pytest.mark.crash
async def test_a_502_storm_of_30_seconds_gets_fewer_than_40_requests(venue: MatrixVenue) -> None:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(venue.server))
        changes: dict[str, Any] = {"homeserver": proxy.address, "timing": Timing()}
        bridge = await stack.enter_async_context(listening(venue, **changes))
        proxy.fault = lambda _: "502"
        before, begun, number = len(proxy.requests), time.monotonic(), 0
        while time.monotonic() - begun < 30:
            number += 1
            room = venue.room if number % 2 else f"!r{number}"
            bridge.decide(Outcome(f"${number}", "venue", room, "", (Reply(f"{number}"),)))
            await asyncio.sleep(0.3)  # a load, not a wait
        assert len(proxy.requests) - before < 40
        proxy.fault = lambda _: None
        await venue.say("ann", "after")
        async with asyncio.timeout(40):
            assert (await bridge.heard.get()).text == "after"
        wanted = [str(n) for n in range(1, number + 1, 2)]
        found = await venue.people["ann"].until_said(venue.room, venue.bot.id, *wanted, timeout=90)
        assert found == wanted


@pytest.mark.crash
async def test_a_frozen_server_is_waited_for(venue: MatrixVenue) -> None:
    timing = Timing(poll=2, late=2, request=4, backoff=0.25, backoff_most=1)
    async with listening(venue, timing=timing) as bridge:
        await venue.say("ann", "one")
        message = await bridge.next()
        with venue.server.paused():
            reply(bridge, message, "answer", "and more")
            await asyncio.sleep(10)  # longer than any patience: that is the fault
        found = await venue.people["ann"].until_said(venue.room, venue.bot.id, "and more")
        assert found == ["answer", "and more"]
        await venue.say("ann", "two")
        assert (await bridge.next()).text == "two"


@pytest.mark.crash
async def test_a_limit_in_one_room_does_not_hold_up_another(
    harsh_synapse: Synapse, tmp_path: Path
) -> None:
    server = harsh_synapse
    ann, ben, bot = server.user("ann"), server.user("ben"), server.user()
    async with Person(server, ann) as first, Person(server, ben) as second:
        busy = await first.create(bot)
        quiet = await second.create(bot)
        venue = MatrixVenue(server, tmp_path, bot, {"ann": first, "ben": second}, busy)
        async with listening(venue) as bridge:
            await second.until_member(quiet, bot.id)
            texts = [str(number) for number in range(8)]
            many = tuple(Reply(text) for text in texts)
            bridge.decide(Outcome("$1", "venue", busy, ann.id, many))
            await first.until_said(busy, bot.id, "2")
            bridge.decide(Outcome("$2", "venue", quiet, ben.id, (Reply("quick"),)))
            await second.until_said(quiet, bot.id, "quick", timeout=10)
            assert "7" not in await first.said(busy, bot.id), "it is still being said"
            found = await first.until_said(busy, bot.id, *texts, timeout=40)
            assert found == texts


@pytest.mark.crash
async def test_an_encrypted_room_is_told_once_that_it_cannot_be_read(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr("chatbot.listeners.matrix.encryption.ENCRYPTION_ENABLED", False)
    ann = venue.people["ann"]
    secret = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "y"}
    await ann.put_state(venue.room, "m.room.encryption", {"algorithm": secret["algorithm"]})
    async with listening(venue) as bridge:
        await ann.send(venue.room, "m.room.encrypted", secret)
        await ann.until_said(venue.room, venue.bot.id, NOTICE)
        assert "install chatbot[e2e]" in caplog.text
    async with listening(venue, bridge):
        await ann.send(venue.room, "m.room.encrypted", secret)
        await venue.say("ann", "in clear")
        assert (await bridge.next()).text == "in clear"
        assert await ann.said(venue.room, venue.bot.id) == [NOTICE]


SHORT_STORM = 4.0
