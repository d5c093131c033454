"""A classic Gitter server, as we read the source of the real one, with which it was never compared.

REST at /api/v1 and the streams at /stream/v1 of one port, over real HTTP: tokens (401), bodies
that must have a length (406), the limit of requests with its headers, pages by skip, limit,
beforeId and afterId, threads, one-to-one rooms, bans; streams with keep-alives. It can be killed,
frozen, made to fail, to answer in vain, and to forget what its streams are for. What it answers
is in `gitter_answers.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import web

from tests.servers.gitter_answers import Answers
from tests.servers.irc import free_port
from tests.servers.processes import until

TOKEN = "t0ken-of-the-bot"
Done = TypeVar("Done")


@dataclass(slots=True)
class Person:
    id: str
    username: str
    name: str

    def json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "username": self.username,
            "displayName": self.name,
            "url": f"/{self.username}",
            "avatarUrlSmall": "https://example.org/a.png",
            "v": 1,
        }


@dataclass(slots=True)
class Place:
    """A room; of a one-to-one room `uri` is empty."""

    id: str
    uri: str
    members: set[str]
    kind: str = "ORG_CHANNEL"
    admins: set[str] = field(default_factory=set)
    bans: set[str] = field(default_factory=set)
    messages: list[dict[str, Any]] = field(default_factory=list)
    streams: list[web.StreamResponse] = field(default_factory=list)
    opened: int = 0


class GitterServer:
    """The server and what it knows, which outlives a `kill`."""

    def __init__(self) -> None:
        self.port = free_port()
        self.people: dict[str, Person] = {}
        self.rooms: dict[str, Place] = {}
        self.tokens = {TOKEN: "bot"}
        self.limit = 1_000_000
        self.window = 60.0
        self.keepalive = 0.2
        self.delimiter = "\r\n"
        self.indent: int | None = None
        self.processes = ["aaaaaaaaaa"]
        """Each makes ids of its own, in turn."""
        self.failing = 0
        """The status that every request gets."""
        self.failing_posts = 0
        self.failing_room = ""
        """The only room in which posts fail, where there is one."""
        self.unanswered = 0
        """So many posts are done, and their connections closed without an answer."""
        self.late = 0.0
        """Seconds that a post takes until it is done, whether somebody waits for it or not."""
        self.deaf_streams = False
        """Streams have keep-alives and no messages."""
        self.mute_streams = False
        """Streams have nothing at all."""
        self.limited = 0
        """Requests that were too many."""
        self.requests: list[tuple[float, str, str]] = []
        self.awake = asyncio.Event()
        self.awake.set()
        self._counter = itertools.count(1)
        self._used: tuple[float, int] = (0.0, 0)
        self.tls: ssl.SSLContext | None = None
        self._runner: web.AppRunner | None = None
        self._doing: set[asyncio.Task[Any]] = set()
        for name in ("bot", "ann", "ben"):
            self.person(name)

    @property
    def _scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def address(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/api/v1"

    @property
    def stream_address(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/stream/v1"

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[GitterServer]:
        server = cls()
        await server.start()
        try:
            yield server
        finally:
            await server.kill()
            for task in server._doing:
                task.cancel()

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(Answers(self).routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, ssl_context=self.tls, reuse_address=True
        )
        await site.start()

    async def kill(self) -> None:
        """Be gone at once, with all connections."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def cut(self) -> None:
        """Drop all connections."""
        if self._runner is not None and self._runner.server is not None:
            for connection in list(self._runner.server.connections):
                if connection.transport is not None:
                    connection.transport.abort()
        for room in self.rooms.values():
            room.streams.clear()

    def person(self, username: str, name: str = "") -> Person:
        found = Person(self._id(), username, name or username.title())
        self.people[username] = found
        return found

    def room(self, uri: str, *members: str, kind: str = "ORG_CHANNEL") -> Place:
        found = Place(self._id(), uri, {*members}, kind)
        self.rooms[found.id] = found
        return found

    def say(self, who: str, room: Place, text: str, **more: Any) -> str:
        """Have somebody say something; returns the message's id. `more` are its fields."""
        sent = datetime.now(UTC)
        words = [word.strip(",:.!?") for word in text.split()]
        message = {
            "id": self._id(),
            "text": text,
            "html": text,
            "sent": sent.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "unread": True,
            "readBy": 0,
            "urls": [],
            "mentions": [
                {"screenName": word[1:], "userId": self.people[word[1:]].id}
                for word in words
                if word.startswith("@") and word[1:] in self.people
            ],
            "issues": [],
            "meta": [],
            "v": 1,
            "fromUser": self.people[who].json(),
            **more,
        }
        room.messages.append(message)
        self.tell(room, message)
        return str(message["id"])

    def tell(self, room: Place, content: Any) -> None:
        """Put something on the streams of `room`."""
        if not self.deaf_streams and not self.mute_streams:
            line = json.dumps(content, indent=self.indent) + self.delimiter
            self.write(room, line.encode())

    def write(self, room: Place, data: bytes) -> None:
        """Put bytes on the streams of `room`, as they are."""
        for stream in room.streams:
            self.see_to(_write(stream, data))

    def see_to(self, doing: Coroutine[Any, Any, Done]) -> asyncio.Task[Done]:
        """Have something done, whether somebody waits for it or not."""
        task = asyncio.ensure_future(doing)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)
        return task

    def texts(self, room: Place, who: str = "bot") -> list[str]:
        return [m["text"] for m in room.messages if m["fromUser"]["username"] == who]

    async def streaming(self, room: Place, opened: int = 1) -> None:
        """Wait until a stream of the room is open, the `opened`th one since the start."""
        await until(lambda: room.streams and room.opened >= opened)

    def asked(self, method: str = "", path: str = "") -> int:
        """Return how many requests there were whose path ends in `path`."""
        return sum(m.startswith(method) and p.endswith(path) for _, m, p in self.requests)

    def _id(self) -> str:
        count = next(self._counter)
        process = self.processes[count % len(self.processes)]
        return f"{int(time.time()):08x}{process}{count:06x}"

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((time.monotonic(), request.method, request.path))
        await self.awake.wait()
        if self.failing:
            return web.Response(status=self.failing, text="<html>it fails</html>")
        if "chunked" in request.headers.get("Transfer-Encoding", ""):
            return web.json_response({"error": "Not Acceptable"}, status=406)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            return web.json_response({"error": "Unauthorized"}, status=401)
        if request.path.startswith("/stream"):
            return await handler(request)
        limits = self._count()
        if int(limits["X-RateLimit-Remaining"]) < 0:
            self.limited += 1
            limits["X-RateLimit-Remaining"] = "0"
            return web.json_response({"error": "Too Many Requests"}, status=429, headers=limits)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.json_response({"error": error.reason}, status=error.status)
        response.headers.update(limits)
        return response

    def _count(self) -> dict[str, str]:
        began, count = self._used
        if time.time() - began > self.window:
            began, count = time.time(), 0
        self._used = began, count + 1
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.limit - count - 1),
            "X-RateLimit-Reset": str(int((began + self.window) * 1000)),
        }


async def _write(stream: web.StreamResponse, data: bytes) -> None:
    try:
        await stream.write(data)
    except ConnectionError:
        return
