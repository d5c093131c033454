"""A classic Gitter server, as we read the source of the real one, with which it was never compared.

REST at /api/v1 and the streams at /stream/v1 of one port, over real HTTP: tokens (401), bodies
that must have a length (406), the limit of requests with its headers, pages by skip, limit,
beforeId and afterId, threads, one-to-one rooms, bans; streams with keep-alives. It can be killed,
frozen, made to fail, to answer in vain, and to forget what its streams are for.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from chatbot.listeners.bridge import Listener
from chatbot.listeners.gitter import GitterListener, GitterSettings, Timing
from tests.servers.irc import free_port
from tests.servers.processes import until

TOKEN = "t0ken-of-the-bot"
NETWORK = "venue"
MOST = 4096
QUICK = Timing(
    connect=2.0,
    answer=2.0,
    settle=0.1,
    silence=5.0,
    poll=0.3,
    check=30.0,
    missed=1.0,
    rooms=0.5,
    refused=0.3,
    backoff=0.25,
    backoff_most=0.5,
)


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
        rooms = "/api/v1/rooms"
        app.add_routes(
            [
                web.get("/api/v1/user", self._me),
                web.get(rooms, self._list),
                web.post(rooms, self._find),
                web.post("/api/v1/user/{user}/rooms", self._join),
                web.get(rooms + "/{room}/chatMessages", self._messages),
                web.post(rooms + "/{room}/chatMessages", self._post),
                web.delete(rooms + "/{room}/chatMessages/{message}", self._delete),
                web.delete(rooms + "/{room}/users/{user}", self._remove),
                web.post(rooms + "/{room}/bans", self._ban),
                web.delete(rooms + "/{room}/bans/{user}", self._unban),
                web.get("/stream/v1/rooms/{room}/chatMessages", self._stream),
            ]
        )
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
            task = asyncio.ensure_future(_write(stream, data))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)

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

    def _user(self, request: web.Request) -> Person:
        return self.people[self.tokens[request.headers["Authorization"].partition(" ")[2]]]

    def _room(self, request: web.Request) -> Place:
        room = self.rooms.get(request.match_info["room"])
        if room is None:
            raise web.HTTPNotFound
        user = self._user(request).username
        if user in room.bans or (not room.uri and user not in room.members):
            raise web.HTTPForbidden
        return room

    def _json_of(self, room: Place, user: str) -> dict[str, Any]:
        found: dict[str, Any] = {"id": room.id, "topic": "", "githubType": room.kind, "v": 1}
        if room.uri:
            return {**found, "name": room.uri, "uri": room.uri, "oneToOne": False}
        (other,) = room.members - {user}
        person = self.people[other].json()
        return {**found, "githubType": "ONETOONE", "oneToOne": True, "user": person, "name": other}

    async def _me(self, request: web.Request) -> web.Response:
        return web.json_response([self._user(request).json()])

    async def _list(self, request: web.Request) -> web.Response:
        user = self._user(request).username
        found = [self._json_of(r, user) for r in self.rooms.values() if user in r.members]
        return web.json_response(found)

    async def _find(self, request: web.Request) -> web.Response:
        uri = (await request.json()).get("uri")
        user = self._user(request).username
        if not uri:
            raise web.HTTPBadRequest
        for room in self.rooms.values():
            if room.uri == uri or (not room.uri and room.members == {uri, user}):
                return web.json_response(self._json_of(room, user))
        if uri not in self.people:
            raise web.HTTPNotFound
        return web.json_response(self._json_of(self.room("", uri, user), user))

    async def _join(self, request: web.Request) -> web.Response:
        room = self.rooms[(await request.json())["id"]]
        room.members.add(self._user(request).username)
        return web.json_response(self._json_of(room, self._user(request).username))

    async def _messages(self, request: web.Request) -> web.Response:
        room, query = self._room(request), request.query
        skip, limit = int(query.get("skip", 0)), int(query.get("limit", 0)) or 50
        if skip > 5000:
            raise web.HTTPBadRequest
        found = [m for m in room.messages if query.get("includeThreads") == "true" or _root(m)]
        if after := query.get("afterId"):
            found = [m for m in found if m["id"] > after and _sent(m) >= _time(after) - 1]
        if before := query.get("beforeId"):
            found = [m for m in found if m["id"] < before and _sent(m) <= _time(before) + 1]
        found.sort(key=lambda m: m["sent"])
        most = min(limit, 100)
        if not after:
            return web.json_response(found[::-1][skip : skip + most][::-1])
        return web.json_response(found[skip : skip + most])

    async def _post(self, request: web.Request) -> web.Response:
        room, body = self._room(request), await request.json()
        if self.failing_posts and self.failing_room in ("", room.id):
            return web.Response(status=self.failing_posts)
        text = body.get("text")
        if not text or len(text.encode("utf-16-le")) // 2 > MOST:
            raise web.HTTPBadRequest
        parent = body.get("parentId")
        if parent and all(m["id"] != parent for m in room.messages):
            raise web.HTTPBadRequest
        more = {key: body[key] for key in ("parentId", "status") if body.get(key)}
        doing = asyncio.ensure_future(self._say_late(self._user(request), room, text, more))
        self._doing.add(doing)
        key = await asyncio.shield(doing)
        if self.unanswered:
            self.unanswered -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(next(m for m in room.messages if m["id"] == key))

    async def _say_late(self, user: Person, room: Place, text: str, more: dict[str, Any]) -> str:
        await asyncio.sleep(self.late)
        return self.say(user.username, room, text, **more)

    async def _delete(self, request: web.Request) -> web.Response:
        room, key = self._room(request), request.match_info["message"]
        found = [m for m in room.messages if m["id"] == key]
        if not found:
            raise web.HTTPNotFound
        if found[0]["fromUser"]["id"] != self._user(request).id:
            self._check_admin(request, room)
        room.messages.remove(found[0])
        return web.Response(status=204)

    async def _remove(self, request: web.Request) -> web.Response:
        room, user = self._room(request), request.match_info["user"]
        if request.query.get("type") != "username" or user not in room.members:
            raise web.HTTPNotFound
        self._check_admin(request, room)
        room.members.discard(user)
        return web.json_response({"success": True})

    async def _ban(self, request: web.Request) -> web.Response:
        room, user = self._room(request), (await request.json()).get("username")
        self._check_admin(request, room)
        if user not in self.people:
            raise web.HTTPNotFound
        room.bans.add(user)
        room.members.discard(user)
        return web.json_response({"userId": self.people[user].id})

    async def _unban(self, request: web.Request) -> web.Response:
        room, user = self._room(request), request.match_info["user"]
        if user not in room.bans:
            raise web.HTTPNotFound
        self._check_admin(request, room)
        room.bans.discard(user)
        return web.json_response({"success": True})

    def _check_admin(self, request: web.Request, room: Place) -> None:
        if self._user(request).username not in room.admins:
            raise web.HTTPForbidden

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        room = self._room(request)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        room.streams.append(response)
        room.opened += 1
        try:
            while True:
                await asyncio.sleep(self.keepalive)
                if not self.mute_streams:
                    await response.write(b" \n")
        except ConnectionError:
            return response
        finally:
            if response in room.streams:
                room.streams.remove(response)


async def _write(stream: web.StreamResponse, data: bytes) -> None:
    try:
        await stream.write(data)
    except ConnectionError:
        return


def _root(message: dict[str, Any]) -> bool:
    return "parentId" not in message


def _sent(message: dict[str, Any]) -> float:
    return datetime.fromisoformat(message["sent"]).timestamp()


def _time(key: str) -> float:
    return float(int(key[:8], 16))


def settings(server: GitterServer, **changes: Any) -> GitterSettings:
    usual: dict[str, Any] = {
        "server": server.address,
        "stream": server.stream_address,
        "token": TOKEN,
        "rooms": ("org/room",),
        "rate": 100_000,
    }
    return GitterSettings(**{**usual, **changes})


class GitterVenue:
    """The classic Gitter listener on our reading of the server."""

    room = "org/room"
    has_history = True
    is_idempotent = True
    has_notices = False
    secrets = (TOKEN,)

    def __init__(self, server: GitterServer) -> None:
        self._server = server
        self._place = server.room(self.room, "ann", "ben", "bot")
        self._private = server.room("", "ben", "bot")

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[GitterVenue]:
        async with GitterServer.running() as server:
            yield cls(server)

    def listener(self) -> Listener:
        return GitterListener(NETWORK, settings(self._server), QUICK)

    def sender(self, who: str) -> str:
        return who

    async def present(self) -> None:
        await self._server.streaming(self._place)
        await self._server.streaming(self._private)

    async def say(self, who: str, text: str) -> None:
        self._server.say(who, self._place, text)

    async def whisper(self, who: str, text: str) -> None:
        self._server.say(who, self._private, text)

    async def notice(self, who: str, text: str) -> None:
        raise NotImplementedError("there are none")

    async def act(self, who: str, text: str) -> None:
        self._server.say(who, self._place, text, status=True)

    def address(self, text: str) -> str:
        return f"@bot {text}"

    async def shown(self) -> list[str]:
        return self._server.texts(self._place)

    async def restart(self) -> None:
        await self._server.kill()
        await self._server.start()
