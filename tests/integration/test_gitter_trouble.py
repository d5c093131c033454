"""The classic Gitter listener while its server is slow, frozen, failing, or not there."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from chatbot.errors import ListenerError
from chatbot.listeners.gitter import GitterListener
from tests.servers.gitter import TOKEN, GitterServer, Place
from tests.servers.gittering import (
    NETWORK,
    QUICK,
    listening,
    nothing_more,
    outcome,
    quick,
    said,
    settings,
    texts_heard,
)
from tests.servers.irc import Certificate, free_port
from tests.servers.listening import MemoryBridge, logged
from tests.servers.processes import until


@pytest.fixture
async def server() -> AsyncIterator[GitterServer]:
    async with GitterServer.running() as server:
        yield server


@pytest.fixture
def room(server: GitterServer) -> Place:
    return server.room("org/room", "ann", "ben", "bot")


@pytest.mark.parametrize(
    "status",
    [502, *(pytest.param(status, marks=pytest.mark.crash) for status in (500, 503))],
)
async def test_a_storm_of_errors_gives_few_requests_and_loses_nothing(
    server: GitterServer, room: Place, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    other = server.room("org/other", "ann", "bot")
    async with listening(server, rooms=("org/room", "org/other")) as bridge:
        before = len(server.requests)
        server.failing = status
        server.cut()
        for number in range(5):
            server.say("ann", room, f"meanwhile {number}")
            server.say("ann", other, f"there {number}")
            bridge.decide(outcome(room, str(number), f"answer {number}"))
        await asyncio.sleep(1.2)
        assert len(server.requests) - before < 20, "two gates, of a quarter of a second at least"
        server.failing = 0
        assert len(set(await texts_heard(bridge, 10))) == 10
        assert await said(server, room, 5) == [f"answer {number}" for number in range(5)]
        await logged(caplog, "answers again")
        await server.streaming(room, 2)
        await nothing_more(bridge, server, room)
        assert server.texts(room) == [f"answer {number}" for number in range(5)]


async def test_a_frozen_server_is_waited_for_and_all_is_heard_and_said_once(
    server: GitterServer, room: Place
) -> None:
    timing = quick(answer=0.5, settle=0.5, silence=0.5)
    async with listening(server, timing=timing) as bridge:
        server.mute_streams = True
        server.awake.clear()
        for number in range(3):
            server.say("ann", room, f"meanwhile {number}")
            bridge.decide(outcome(room, str(number), f"answer {number}"))
        await asyncio.sleep(1.2)
        server.mute_streams = False
        server.awake.set()
        assert await texts_heard(bridge, 3) == [f"meanwhile {number}" for number in range(3)]
        for _ in range(3):
            await bridge.next_acknowledged()
        assert server.texts(room) == [f"answer {number}" for number in range(3)]


async def test_a_server_that_comes_and_goes_loses_nothing(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        for number in range(6):
            if number % 2:
                await server.kill()
            server.say("ann", room, f"said {number}")
            bridge.decide(outcome(room, str(number), f"answer {number}"))
            if number % 2:
                await server.start()
        assert await texts_heard(bridge, 6) == [f"said {number}" for number in range(6)]
        assert sorted(await said(server, room, 6)) == [f"answer {n}" for n in range(6)]
        await server.streaming(room)
        await nothing_more(bridge, server, room)
        assert len(server.texts(room)) == 6


async def test_too_many_requests_of_others_make_it_wait(server: GitterServer, room: Place) -> None:
    async with listening(server, timing=quick(rooms=30.0)) as bridge:
        await until(lambda: server.asked("GET", f"api/v1/rooms/{room.id}/chatMessages") == 2)
        server.limit, server.window = 0, 1.5  # somebody else has used them up
        server._used = (time.time(), 0)
        looked = server.asked("GET", f"api/v1/rooms/{room.id}/chatMessages")
        bridge.decide(outcome(room, "1", "at last"))
        await until(lambda: server.limited)
        server.limit = 1_000_000
        assert await said(server, room, 1) == ["at last"]
        assert server.asked("POST", "chatMessages") == 2
        assert server.asked("GET", f"api/v1/rooms/{room.id}/chatMessages") == looked, "no need"


async def test_posts_that_fail_while_the_rest_works_are_tried_again(
    server: GitterServer, room: Place
) -> None:
    async with listening(server) as bridge:
        bridge.decide(outcome(room, "1", "the same"))
        await bridge.next_acknowledged()
        server.failing_posts = 500
        bridge.decide(outcome(room, "2", "the same"))
        await until(lambda: server.asked("POST", "chatMessages") >= 3)
        server.failing_posts = 0
        assert await bridge.next_acknowledged() == "2"
        assert server.texts(room) == ["the same", "the same"]


async def test_a_room_where_nothing_can_be_said_holds_up_no_other(
    server: GitterServer, room: Place
) -> None:
    other = server.room("org/other", "ann", "bot")
    async with listening(server, rooms=("org/room", "org/other")) as bridge:
        server.failing_posts, server.failing_room = 500, room.id
        bridge.decide(outcome(room, "1", "at last"))
        bridge.decide(outcome(other, "2", "at once"))
        assert await bridge.next_acknowledged() == "2"
        assert (server.texts(other), server.texts(room)) == (["at once"], [])
        server.failing_posts = 0
        assert await bridge.next_acknowledged() == "1"
        assert server.texts(room) == ["at last"]


async def test_it_waits_for_a_server_that_is_not_there_yet(
    server: GitterServer, room: Place
) -> None:
    await server.kill()
    async with listening(server, present=False) as bridge:
        await asyncio.sleep(0.5)
        await server.start()
        await server.streaming(room)
        await nothing_more(bridge, server, room)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_certificate_is_verified(
    server: GitterServer, room: Place, tmp_path: Path, known: bool, stream: bool
) -> None:
    """Of the API, and of the stream alone."""
    certificate = Certificate.make(tmp_path)
    async with GitterServer.running() as other:
        secured = other if stream else server
        await secured.kill()
        secured.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secured.tls.load_cert_chain(certificate.certificate, certificate.key)
        await secured.start()
        other.rooms, other.people = server.rooms, server.people
        if known:
            changes = {"stream": other.stream_address, "ca_file": certificate.certificate}
            async with listening(server, **changes) as bridge:
                other.say("ann", room, "hello")
                assert (await bridge.next()).text == "hello"
            return
        own = settings(server, stream=other.stream_address)
        with pytest.raises(ListenerError) as caught:
            async with asyncio.timeout(10):
                await GitterListener(NETWORK, own, QUICK).run(MemoryBridge())
        assert caught.value.message.startswith("cannot verify the certificate of https://127")
        assert "ca_file" in caught.value.hint


class Dripping:
    """A server that sends a byte now and then, and never an answer."""

    def __init__(self) -> None:
        self.port = free_port()
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            return
        finally:
            writer.close()


async def test_an_answer_that_never_ends_holds_nothing_up() -> None:
    dripping = Dripping()
    tcp = await asyncio.start_server(dripping.serve, "127.0.0.1", dripping.port)
    async with tcp:
        server = GitterServer()
        server.port = dripping.port
        async with listening(server, present=False, timing=quick(connect=0.2, answer=0.2)):
            await until(lambda: dripping.connections >= 3)
        # It has left within a second, as `listening` sees to.


async def test_a_redirect_does_not_get_the_token() -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        raise web.HTTPFound(f"http://localhost:{port}/stolen")

    port = free_port()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        server = GitterServer()
        server.port = port
        running = GitterListener(NETWORK, settings(server), QUICK).run(MemoryBridge())
        with pytest.raises(Exception, match="is not the API of a Gitter server: status 302"):
            async with asyncio.timeout(10):
                await running
        assert seen == [f"Bearer {TOKEN}"]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '[{"id": 5}]',
        "[" * 100_000,
        '"x"',
        "null",
        '[{"id": "\\ud800"}]',
    ],
)
async def test_an_answer_that_makes_no_sense_is_asked_for_again(answer: str) -> None:
    asked = 0

    async def nonsense(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(text=answer, content_type="application/json")

    port = free_port()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", nonsense)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        server = GitterServer()
        server.port = port
        async with listening(server, present=False):
            await until(lambda: asked >= 2)
    finally:
        await runner.cleanup()
