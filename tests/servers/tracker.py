"""A tracker with GitHub's REST API, as its documentation has it; no real one is to be had here.

Over real HTTP: repositories, issues, comments and labels, pages with `Link`, `since`, tokens (401),
limits (429 with Retry-After, 403 with X-RateLimit-*), issues that are turned off (410). It can be
made to fail, to do what it was told without an answer, and to hold an answer back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.servers.irc import free_port

TOKEN = "t0ken-of-the-tracker"
REPOSITORY = "org/project"


class TrackerServer:
    """The server, and what it knows."""

    def __init__(self) -> None:
        self.port = free_port()
        self.token = TOKEN
        self.issues: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = []
        self.labels = {"bug": 7, "feature": 8}
        self.posts: list[tuple[dict[str, str], bytes]] = []
        """What came to /hook: headers in small letters, and the body."""
        self.requests: list[tuple[str, str]] = []
        self.failing = 0
        """The status that every request gets."""
        self.headers: dict[str, str] = {}
        """What goes with it."""
        self.fails = 1_000_000
        """How often it does."""
        self.unanswered = 0
        """So many that make something are done, and their connections closed without an answer."""
        self.answering = asyncio.Event()
        """Cleared: what makes something is done, and not answered."""
        self.answering.set()
        self.page = 100
        self.hook_answer: Any = {"link": "https://example.org/report/1"}
        self._runner: web.AppRunner | None = None

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v3"

    @property
    def hook(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[TrackerServer]:
        server = cls()
        await server.start()
        try:
            yield server
        finally:
            await server.stop()

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guard])
        base = f"/api/v3/repos/{REPOSITORY}"
        app.router.add_get(base, self._repository)
        app.router.add_get(f"{base}/issues", self._list_issues)
        app.router.add_post(f"{base}/issues", self._open)
        app.router.add_get(f"{base}/labels", self._list_labels)
        app.router.add_get(f"{base}/issues/{{number}}/comments", self._list_comments)
        app.router.add_post(f"{base}/issues/{{number}}/comments", self._comment)
        app.router.add_post("/hook", self._hook)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            self.answering.set()
            await self._runner.cleanup()
            self._runner = None

    def made(self, method: str = "POST") -> int:
        """Return how many requests of a method came."""
        return sum(1 for each, _ in self.requests if each == method)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if self.failing and self.fails > 0:
            self.fails -= 1
            return web.json_response({"message": "no"}, status=self.failing, headers=self.headers)
        known = request.headers.get("Authorization") == f"Bearer {self.token}"
        if request.path != "/hook" and not known:
            return web.json_response({"message": "Bad credentials"}, status=401)
        found: web.StreamResponse = await handler(request)
        if request.method == "POST":
            await self.answering.wait()
            if self.unanswered:
                self.unanswered -= 1
                assert request.transport is not None
                request.transport.close()
        return found

    async def _repository(self, _: web.Request) -> web.Response:
        return web.json_response({"full_name": REPOSITORY})

    async def _open(self, request: web.Request) -> web.Response:
        given = await request.json()
        number = len(self.issues) + 1
        link = f"https://tracker.example.org/{REPOSITORY}/issues/{number}"
        self.issues.append({"number": number, "html_url": link, **_dated(given)})
        return web.json_response(self.issues[-1], status=201)

    async def _comment(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        if not 0 < number <= len(self.issues):
            return web.json_response({"message": "Not Found"}, status=404)
        link = f"{self.issues[number - 1]['html_url']}#comment-{len(self.comments) + 1}"
        self.comments.append({"issue": number, "html_url": link, **_dated(await request.json())})
        return web.json_response(self.comments[-1], status=201)

    async def _list_issues(self, request: web.Request) -> web.Response:
        return self._listed(request, self.issues[::-1])

    async def _list_comments(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        return self._listed(request, [each for each in self.comments if each["issue"] == number])

    async def _list_labels(self, request: web.Request) -> web.Response:
        labels = [{"name": name, "id": number} for name, number in self.labels.items()]
        return web.json_response(labels)

    def _listed(self, request: web.Request, found: list[dict[str, Any]]) -> web.Response:
        since = request.query.get("since", "")
        wanted = [each for each in found if each["updated_at"] >= since]
        page = int(request.query.get("page", "1"))
        headers = {}
        if len(wanted) > page * self.page:
            following = request.url.with_host("127.0.0.1").update_query(page=page + 1)
            headers["Link"] = f'<{following}>; rel="next", <{following}>; rel="last"'
        return web.json_response(wanted[(page - 1) * self.page : page * self.page], headers=headers)

    async def _hook(self, request: web.Request) -> web.Response:
        heads = {key.lower(): value for key, value in request.headers.items()}
        self.posts.append((heads, await request.read()))
        return web.Response(text=json.dumps(self.hook_answer), content_type="application/json")


def _dated(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "updated_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
