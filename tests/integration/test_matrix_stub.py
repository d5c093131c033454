"""The Matrix listener and homeservers that do what Synapse does not do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from chatbot.errors import ListenerError
from chatbot.listeners.matrix import MatrixListener, MatrixSettings
from chatbot.messages import Outcome, Reply
from tests.servers.irc import free_port
from tests.servers.listening import MemoryBridge
from tests.servers.matrix import QUICK
from tests.servers.processes import until

BOT = "@bot:stub"
ROOM = "!room"
Answer = Callable[[web.Request], Any]


class Stub:
    """A homeserver whose answers the test makes: a status and JSON, or bytes."""

    def __init__(self) -> None:
        self.port = free_port()
        self.requests: list[str] = []
        self.sync: Answer = lambda _: synced("s1")
        self.messages: Answer = lambda _: {"chunk": []}
        self.send: Answer = lambda _: {"event_id": "$sent"}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Stub]:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    def count(self, part: str) -> int:
        return len([each for each in self.requests if part in each])

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append(request.path_qs)
        last = request.path.rpartition("/")[2]
        if last == "whoami":
            made: Any = {"user_id": BOT, "device_id": "D"}
        elif last in ("sync", "messages"):
            made = getattr(self, last)(request)
        elif "/send/" in request.path:
            made = self.send(request)
        else:
            made = (404, {"errcode": "M_NOT_FOUND", "error": "nothing here"})
        status, content = made if isinstance(made, tuple) else (200, made)
        if isinstance(content, bytes):
            return web.Response(status=status, body=content)
        return web.json_response(content, status=status)


def said(id: str, body: str, **more: Any) -> dict[str, Any]:
    content = {"msgtype": "m.text", "body": body}
    return {
        "type": "m.room.message",
        "event_id": id,
        "sender": "@ann:stub",
        "origin_server_ts": 1,
        "content": content,
        **more,
    }


def synced(batch: str, *events: Any, **timeline: Any) -> dict[str, Any]:
    section = {"timeline": {"events": list(events), **timeline}}
    return {"next_batch": batch, "rooms": {"join": {ROOM: section}}}


@asynccontextmanager
async def listening(stub: Stub) -> AsyncIterator[tuple[MemoryBridge, asyncio.Task[None]]]:
    bridge = MemoryBridge()
    settings = MatrixSettings(user=BOT, token="t", homeserver=f"http://127.0.0.1:{stub.port}")
    async with stub.serving():
        running = asyncio.ensure_future(MatrixListener("stub", settings, QUICK).run(bridge))
        try:
            yield bridge, running
        finally:
            running.cancel()
            async with asyncio.timeout(5):
                await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def data(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATBOT_DATA", str(tmp_path))


async def test_a_server_that_repeats_itself_is_heard_once_and_asked_rarely() -> None:
    stub = Stub()
    stub.sync = lambda _: synced("s1", said("$1", "once"))
    async with listening(stub) as (bridge, _):
        assert (await bridge.next()).text == "once"
        await until(lambda: stub.count("/sync") > 5)
        before = stub.count("/sync")
        await asyncio.sleep(1.0)  # in which it would be asked hundreds of times
        assert stub.count("/sync") - before < 8
        assert bridge.heard.empty()


async def test_pages_without_end_are_left() -> None:
    stub, numbers = Stub(), iter(range(1, 10_000))
    stub.messages = lambda _: {"chunk": [said("$1", "again")], "end": f"p{next(numbers)}"}
    stub.sync = lambda r: synced("s2", said("$2", "now"), limited=True, prev_batch="p0")
    async with listening(stub) as (bridge, _):
        assert [(await bridge.next()).text for _ in range(2)] == ["again", "now"]
        assert stub.count("/messages") < 50


ODD_SYNCS = [
    b'{"next_batch": "s3", "rooms": {"join": {"!room": null, "!x": [], "!y": {"timeline": 5}}}}',
    b'{"next_batch": "s3", "rooms": [], "account_data": {"events": {"a": 1}}}',
    b'{"next_batch": "s3", "rooms": {"join": {"!r": {"timeline": {"events": [null, 5, {}]}}}}}',
    b'{"next_batch": "s3", "rooms": {"invite": {"!i": {"invite_state": {"events": [{}]}}}}}',
    b'{"next_batch": 5}',
    b'{"rooms": {}}',
    b"[]",
    b"\xff\xfe{",
    b"[" * 100_000,
    b"",
]
ODD_ANSWERS: list[Any] = [
    (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 0}),
    (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": -(10**400)}),
    (200, {"errcode": "M_UNKNOWN"}),
    (200, {}),
    (500, {"errcode": "M_UNKNOWN", "error": "oops"}),
    (404, b"<h1>nothing</h1>"),
    (503, b""),
]


async def test_odd_syncs_are_survived() -> None:
    stub = Stub()
    answers = [synced("s1"), synced("s2"), *ODD_SYNCS]
    stub.sync = lambda _: answers.pop(0) if answers else synced("s4", said("$1", "after"))
    async with listening(stub) as (bridge, _):
        assert (await bridge.next()).text == "after"


@pytest.mark.crash
async def test_odd_answers_to_a_reply_are_followed_by_another_attempt() -> None:
    stub, answers = Stub(), list(ODD_ANSWERS)
    stub.send = lambda _: answers.pop(0) if answers else {"event_id": "$sent"}
    async with listening(stub) as (bridge, _):
        bridge.decide(Outcome("$q", "stub", ROOM, "@ann:stub", (Reply("hi"),)))
        assert await bridge.next_acknowledged() == "$q"
        sent = [each for each in stub.requests if "/send/" in each]
        assert len(sent) == len(ODD_ANSWERS) + 1
        assert len(set(sent)) == 1, "always the same transaction"


@pytest.mark.crash
async def test_a_server_that_limits_without_a_time_is_not_hammered() -> None:
    stub = Stub()
    stub.send = lambda _: (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 0})
    async with listening(stub) as (bridge, _):
        bridge.decide(Outcome("$q", "stub", ROOM, "@ann:stub", (Reply("hi"),)))
        await until(lambda: stub.count("/send/"))
        await asyncio.sleep(1.5)  # in which it would be asked thirty times
        assert stub.count("/send/") < 12


async def test_a_position_that_the_server_does_not_know_is_left_for_now() -> None:
    stub = Stub()

    def sync(request: web.Request) -> Any:
        if request.query.get("since") == "old":
            return 400, {"errcode": "M_UNKNOWN", "error": "Invalid token"}
        since = request.query.get("since")
        return synced("s2", said("$1", "new")) if since else synced("s1", said("$0", "history"))

    stub.sync = sync
    settings = MatrixSettings(user=BOT, token="t", homeserver=f"http://127.0.0.1:{stub.port}")
    bridge = MemoryBridge()
    bridge.stored = f"{BOT} old"
    async with stub.serving():
        running = asyncio.ensure_future(MatrixListener("stub", settings, QUICK).run(bridge))
        assert (await bridge.next()).text == "new"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_account_that_was_closed_stops_the_bot() -> None:
    stub = Stub()
    answers = [synced("s1")]
    closed = (403, {"errcode": "M_USER_DEACTIVATED", "error": "gone"})
    stub.sync = lambda _: answers.pop(0) if answers else closed
    async with listening(stub) as (_, running):
        async with asyncio.timeout(10):
            with pytest.raises(ListenerError, match="refuses to let the bot hear"):
                await asyncio.shield(running)
