"""A real Synapse, people on it, and a proxy before it that misbehaves."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import hashlib
import hmac
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from chatbot.listeners.bridge import Listener
from chatbot.listeners.matrix import MatrixListener, MatrixSettings, Timing
from tests.servers.irc import free_port
from tests.servers.listening import MemoryBridge

NAME = "test.local"
QUICK = Timing(
    connect=5,
    request=5,
    poll=2,
    late=2,
    join=10,
    join_again=0.1,
    backoff=0.25,
    backoff_most=0.5,
)
RELAXED = {"per_second": 1000, "burst_count": 1000}
HARSH = {"per_second": 0.5, "burst_count": 3}
"""Of messages; Synapse's default is 0.2 and 10."""


@dataclass(frozen=True, slots=True)
class User:
    """An account with a token."""

    id: str
    token: str
    device: str
    password: str


class Synapse:
    """A homeserver on a port of its own, which it keeps when it is started again.

    It is no part of any event loop, so that all tests can share it.
    """

    def __init__(self, folder: Path, messages: Mapping[str, float] = RELAXED) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._messages = messages
        self._secret = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._users: dict[str, User] = {}

    def start(self) -> None:
        """Start it; return once it answers."""
        config = self._folder / "homeserver.yaml"
        if not config.exists():
            self._configure(config)
        command = [sys.executable, "-W", "ignore", "-m", "synapse.app.homeserver"]
        with (self._folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                [*command, "--config-path", str(config)],
                cwd=self._folder,
                stdout=out,
                stderr=out,
            )
        self.wait()

    def wait(self) -> None:
        """Return once it answers."""
        assert self._process is not None
        for _ in range(600):
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError((self._folder / "out").read_text()[-3000:])

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.start()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze it: connections stay, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def user(self, name: str = "", *, admin: bool = False) -> User:
        """Return the account `name`, made when it is first asked for; else one of a new name."""
        name = name or f"u{secrets.token_hex(5)}"
        if name not in self._users:
            self._users[name] = self._register(name, admin=admin)
        return self._users[name]

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "") -> dict[str, Any]:
        """Ask the server, at once; for what a test sets up."""
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                found: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from error
        return found

    def _register(self, name: str, *, admin: bool) -> User:
        password = f"pw-{secrets.token_hex(8)}"
        path = "/_synapse/admin/v1/register"
        nonce = self.ask("GET", path)["nonce"]
        parts = [nonce, name, password, "admin" if admin else "notadmin"]
        mac = hmac.new(self._secret.encode(), "\0".join(parts).encode(), hashlib.sha1)
        body = {"nonce": nonce, "username": name, "password": password, "admin": admin}
        made = self.ask("POST", path, {**body, "mac": mac.hexdigest()})
        return User(made["user_id"], made["access_token"], made["device_id"], password)

    def _configure(self, config: Path) -> None:
        names = ("address", "account", "failed_attempts")
        limits = {
            "rc_message": self._messages,
            "rc_registration": RELAXED,
            "rc_login": dict.fromkeys(names, RELAXED),
            "rc_joins": dict.fromkeys(("local", "remote"), RELAXED),
            "rc_joins_per_room": RELAXED,
            "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), RELAXED),
            "rc_room_creation": RELAXED,
            "rc_admin_redaction": RELAXED,
        }
        listener = {
            "port": self.port,
            "type": "http",
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": ["client"]}],
        }
        log = self._folder / "log.yaml"
        log.write_text("version: 1\nroot: {level: ERROR}\ndisable_existing_loggers: false\n")
        (self._folder / "signing.key").write_text(f"ed25519 a_test {'A' * 43}\n")
        settings = {
            "server_name": NAME,
            "pid_file": str(self._folder / "pid"),
            "listeners": [listener],
            "database": {"name": "sqlite3", "args": {"database": str(self._folder / "db")}},
            "log_config": str(log),
            "media_store_path": str(self._folder / "media"),
            "signing_key_path": str(self._folder / "signing.key"),
            "macaroon_secret_key": secrets.token_hex(16),
            "registration_shared_secret": self._secret,
            "report_stats": False,
            "trusted_key_servers": [],
            "presence": {"enabled": False},
            "bcrypt_rounds": 4,
            "caches": {"global_factor": 0.5},
            **limits,
        }
        config.write_text(json.dumps(settings))  # which is YAML, too


class Person:
    """Somebody with a client: talks, and looks at rooms. Use it as a context manager."""

    def __init__(self, server: Synapse, user: User) -> None:
        self.user = user
        self._address = server.address
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Person:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self.user.token}"}
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask the server; waits where it limits us or is away."""
        assert self._session is not None
        url = f"{self._address}/_matrix/client/v3/{path}"
        async with asyncio.timeout(60):
            while True:
                try:
                    async with self._session.request(method, url, json=body) as response:
                        answer: dict[str, Any] = await response.json()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.1)
                    continue
                if response.status == 429:
                    await asyncio.sleep(answer.get("retry_after_ms", 100) / 1000)
                    continue
                assert response.status == 200, answer
                return answer

    async def create(self, *invited: User, **more: Any) -> str:
        """Make a room; return its id."""
        body = {"invite": [each.id for each in invited], "preset": "public_chat", **more}
        return str((await self.ask("POST", "createRoom", body))["room_id"])

    async def join(self, room: str) -> None:
        await self.ask("POST", f"join/{quote(room)}", {})

    async def send(self, room: str, kind: str, content: Mapping[str, Any]) -> str:
        """Have an event said; return its id."""
        path = f"rooms/{quote(room)}/send/{kind}/{secrets.token_hex(8)}"
        return str((await self.ask("PUT", path, content))["event_id"])

    async def say(self, room: str, text: str, **more: Any) -> str:
        """Say a text; return its id."""
        content = {"msgtype": "m.text", "body": text, **more}
        return await self.send(room, "m.room.message", content)

    async def redact(self, room: str, event: str) -> str:
        path = f"rooms/{quote(room)}/redact/{quote(event)}/{secrets.token_hex(8)}"
        return str((await self.ask("PUT", path, {}))["event_id"])

    async def state(self, room: str, kind: str, key: str = "") -> dict[str, Any]:
        return await self.ask("GET", f"rooms/{quote(room)}/state/{kind}/{quote(key)}")

    async def put_state(self, room: str, kind: str, content: Any, key: str = "") -> None:
        await self.ask("PUT", f"rooms/{quote(room)}/state/{kind}/{quote(key)}", content)

    async def events(self, room: str, of: str = "", kind: str = "") -> list[dict[str, Any]]:
        """Return the events of a room (of one sender, of one type), oldest first."""
        found: list[dict[str, Any]] = []
        start = ""
        while True:
            path = f"rooms/{quote(room)}/messages?dir=b&limit=500{start}"
            page = await self.ask("GET", path)
            found += page["chunk"]
            if not page["chunk"] or "end" not in page:
                break
            start = f"&from={page['end']}"
        return [
            each
            for each in found[::-1]
            if (not of or each["sender"] == of) and (not kind or each["type"] == kind)
        ]

    async def said(self, room: str, of: str) -> list[str]:
        """Return the texts that somebody said in a room, oldest first."""
        events = await self.events(room, of, "m.room.message")
        return [each["content"]["body"] for each in events if "body" in each["content"]]

    async def until_said(self, room: str, of: str, *texts: str, timeout: float = 20) -> list[str]:
        """Return what somebody said once `texts` are among it."""
        async with asyncio.timeout(timeout):
            while not set(texts) <= set(found := await self.said(room, of)):
                await asyncio.sleep(0.05)
        return found

    async def until_member(self, room: str, user: str, membership: str = "join") -> None:
        """Wait until somebody is in the room, or out of it."""
        async with asyncio.timeout(20):
            while await self._membership(room, user) != membership:
                await asyncio.sleep(0.05)

    async def _membership(self, room: str, user: str) -> str:
        members = await self.ask("GET", f"rooms/{quote(room)}/members")
        found = [e["content"]["membership"] for e in members["chunk"] if e["state_key"] == user]
        return found[0] if found else ""


Fault = Callable[[web.Request], "str | None"]


class Proxy:
    """Stands between the bot and its server; what `fault` names happens to a request instead.

    | fault | what becomes of a request |
    |---|---|
    | `None` | it is passed on |
    | `502` | an HTML page says that the gateway is bad |
    | `403` | an HTML page says that this is not allowed here |
    | `stall` | nothing is answered |
    | `cut` | half of the server's answer comes, and then the end |
    | `html` | a page with status 200 |
    | `json` | JSON that means nothing here |
    | `lost` | the server has the request, and its answer is lost |
    """

    def __init__(self, server: Synapse) -> None:
        self.fault: Fault = lambda _: None
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.requests: list[str] = []
        """Method and path of all that came."""
        self._server = server
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Proxy:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{tail:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self._session = aiohttp.ClientSession(auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        assert self._session is not None
        await self._runner.cleanup()
        await self._session.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        fault = self.fault(request)
        if fault == "stall":
            await asyncio.sleep(60)  # the bot has gone by then
        if fault in ("502", "403"):
            return web.Response(status=int(fault), text="<h1>No!</h1>", content_type="text/html")
        if fault == "html":
            return web.Response(text="<h1>Welcome to the hotel</h1>", content_type="text/html")
        if fault == "json":
            return web.json_response([{"next_batch": 5}, "event_id"])
        try:
            status, data = await self._forward(request)
        except aiohttp.ClientError:  # the test is over, or the server away
            return web.Response(status=502)
        if fault in ("cut", "lost"):
            assert request.transport is not None
            if fault == "cut":
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode()
                request.transport.write(head + data[: len(data) // 2])  # type: ignore[attr-defined]
            request.transport.close()
        return web.Response(status=status, body=data, content_type="application/json")

    async def _forward(self, request: web.Request) -> tuple[int, bytes]:
        assert self._session is not None
        kept = {k: v for k, v in request.headers.items() if k in ("Authorization", "Content-Type")}
        async with self._session.request(
            request.method,
            self._server.address + request.raw_path,
            data=await request.read(),
            headers=kept,
        ) as response:
            return response.status, await response.read()


@dataclass
class MatrixVenue:
    """The Matrix listener on Synapse, for the contract of all listeners."""

    server: Synapse
    folder: Path
    bot: User
    people: dict[str, Person]
    room: str = ""
    has_history: bool = True
    is_idempotent: bool = True
    has_notices: bool = True
    _whispers: dict[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.bot.token, self.bot.password)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[MatrixVenue]:
        """Have a new room with people in it, and a new account for the bot."""
        server = shared()
        ann, ben = server.user("ann"), server.user("ben")
        async with Person(server, ann) as first, Person(server, ben) as second:
            venue = cls(server, folder, server.user(), {"ann": first, "ben": second})
            venue.room = await first.create(ben, venue.bot)
            await second.join(venue.room)
            yield venue

    def listener(self) -> Listener:
        return MatrixListener("venue", settings(self), QUICK, self.folder)

    def sender(self, who: str) -> str:
        return self.people[who].user.id

    async def present(self) -> None:
        await self.people["ann"].until_member(self.room, self.bot.id)

    async def say(self, who: str, text: str) -> None:
        await self.people[who].say(self.room, text)

    async def whisper(self, who: str, text: str) -> None:
        person = self.people[who]
        room = await person.create(self.bot, preset="private_chat", is_direct=True)
        await person.until_member(room, self.bot.id)
        await person.say(room, text)

    async def notice(self, who: str, text: str) -> None:
        await self.people[who].say(self.room, text, msgtype="m.notice")

    async def act(self, who: str, text: str) -> None:
        await self.people[who].say(self.room, text, msgtype="m.emote")

    def address(self, text: str) -> str:
        return f"{self.bot.id[1:].partition(':')[0]}: {text}"

    async def shown(self) -> list[str]:
        return await self.people["ann"].said(self.room, self.bot.id)

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.restart)


@asynccontextmanager
async def listening(
    venue: MatrixVenue,
    bridge: MemoryBridge | None = None,
    *,
    timing: Timing = QUICK,
    **changes: Any,
) -> AsyncIterator[MemoryBridge]:
    """Run a listener on the venue's account; yields when the bot is in the room."""
    bridge = bridge or MemoryBridge()
    listener = MatrixListener("venue", settings(venue, **changes), timing, venue.folder)
    running = asyncio.ensure_future(listener.run(bridge))
    try:
        present = asyncio.ensure_future(venue.present())
        await asyncio.wait({running, present}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            present.cancel()
            running.result()
        await present
        yield bridge
        assert not running.done(), running.result()
    finally:
        running.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(running, return_exceptions=True)


def settings(venue: MatrixVenue, **changes: Any) -> MatrixSettings:
    """Return the settings of a venue's bot."""
    usual: dict[str, Any] = {
        "user": venue.bot.id,
        "homeserver": venue.server.address,
        "token": venue.bot.token,
        "invites": True,
    }
    return MatrixSettings(**{**usual, **changes})


@functools.cache
def shared() -> Synapse:
    """Return the homeserver of all tests, started when it is first asked for."""
    return _started(RELAXED)


@functools.cache
def _limiting() -> Synapse:
    return _started(HARSH)


def _started(messages: Mapping[str, float]) -> Synapse:
    if importlib.util.find_spec("synapse") is None:
        if os.environ.get("CI"):
            pytest.fail("matrix-synapse is not installed")
        pytest.skip("matrix-synapse is not installed")
    folder = Path(tempfile.mkdtemp(prefix="chatbot-synapse-"))
    server = Synapse(folder, messages)

    def end() -> None:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    server.start()
    return server


@pytest.fixture(scope="session")
def synapse() -> Synapse:
    """The homeserver of all tests: every test has users and rooms of its own."""
    return shared()


@pytest.fixture(scope="session")
def harsh_synapse() -> Synapse:
    """A homeserver that limits what anybody may say, as public ones do."""
    return _limiting()


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[MatrixVenue]:
    """A room with Ann and Ben, and a new account for the bot."""
    async with MatrixVenue.open(tmp_path) as venue:
        yield venue
