"""A proxy before a Matrix homeserver that misbehaves as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp import web

from tests.servers.irc import free_port
from tests.servers.synapse import Synapse

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
