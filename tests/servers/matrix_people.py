"""Somebody on a Matrix homeserver, with a client of their own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.servers.synapse import Synapse, User


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
