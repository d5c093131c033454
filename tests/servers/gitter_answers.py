"""What the classic Gitter server answers to each request that it lets in: REST and streams."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from tests.servers.gitter import GitterServer, Person, Place

MOST = 4096


class Answers:
    """The routes; all that is known or wanted is the server's."""

    def __init__(self, server: GitterServer) -> None:
        self._server = server

    def routes(self) -> list[web.RouteDef]:
        rooms = "/api/v1/rooms"
        return [
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

    def _user(self, request: web.Request) -> Person:
        return self._server.people[
            self._server.tokens[request.headers["Authorization"].partition(" ")[2]]
        ]

    def _room(self, request: web.Request) -> Place:
        room = self._server.rooms.get(request.match_info["room"])
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
        person = self._server.people[other].json()
        return {**found, "githubType": "ONETOONE", "oneToOne": True, "user": person, "name": other}

    async def _me(self, request: web.Request) -> web.Response:
        return web.json_response([self._user(request).json()])

    async def _list(self, request: web.Request) -> web.Response:
        user = self._user(request).username
        found = [self._json_of(r, user) for r in self._server.rooms.values() if user in r.members]
        return web.json_response(found)

    async def _find(self, request: web.Request) -> web.Response:
        uri = (await request.json()).get("uri")
        user = self._user(request).username
        if not uri:
            raise web.HTTPBadRequest
        for room in self._server.rooms.values():
            if room.uri == uri or (not room.uri and room.members == {uri, user}):
                return web.json_response(self._json_of(room, user))
        if uri not in self._server.people:
            raise web.HTTPNotFound
        return web.json_response(self._json_of(self._server.room("", uri, user), user))

    async def _join(self, request: web.Request) -> web.Response:
        room = self._server.rooms[(await request.json())["id"]]
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
        if self._server.failing_posts and self._server.failing_room in ("", room.id):
            return web.Response(status=self._server.failing_posts)
        text = body.get("text")
        if not text or len(text.encode("utf-16-le")) // 2 > MOST:
            raise web.HTTPBadRequest
        parent = body.get("parentId")
        if parent and all(m["id"] != parent for m in room.messages):
            raise web.HTTPBadRequest
        more = {key: body[key] for key in ("parentId", "status") if body.get(key)}
        saying = self._server.see_to(self._say_late(self._user(request), room, text, more))
        key = await asyncio.shield(saying)
        if self._server.unanswered:
            self._server.unanswered -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(next(m for m in room.messages if m["id"] == key))

    async def _say_late(self, user: Person, room: Place, text: str, more: dict[str, Any]) -> str:
        await asyncio.sleep(self._server.late)
        return self._server.say(user.username, room, text, **more)

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
        if user not in self._server.people:
            raise web.HTTPNotFound
        room.bans.add(user)
        room.members.discard(user)
        return web.json_response({"userId": self._server.people[user].id})

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
                await asyncio.sleep(self._server.keepalive)
                if not self._server.mute_streams:
                    await response.write(b" \n")
        except ConnectionError:
            return response
        finally:
            if response in room.streams:
                room.streams.remove(response)


def _root(message: dict[str, Any]) -> bool:
    return "parentId" not in message


def _sent(message: dict[str, Any]) -> float:
    return datetime.fromisoformat(message["sent"]).timestamp()


def _time(key: str) -> float:
    return float(int(key[:8], 16))
