"""The Matrix listener in a room of a real Synapse, with people in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chatbot.listeners.bridge import Listener
from chatbot.listeners.matrix import MatrixListener, MatrixSettings, Timing
from tests.servers.listening import MemoryBridge
from tests.servers.matrix_people import Person
from tests.servers.synapse import Synapse, User, shared

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


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[MatrixVenue]:
    """A room with Ann and Ben, and a new account for the bot."""
    async with MatrixVenue.open(tmp_path) as venue:
        yield venue
