"""A network with people in it, as the contract that all listeners keep sees one.

Each network's venue stands beside its listener's settings (`matrix.py`, `gittering.py`) or here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from chatbot.listeners.bridge import Listener
from chatbot.listeners.irc import IrcListener, IrcSettings
from tests.servers.irc import Ngircd, RawClient
from tests.servers.listening import QUICK

NETWORK = "venue"
PEOPLE = ("ann", "ben")


class Venue(Protocol):
    """A real server, a room with Ann and Ben in it, and an account for the bot."""

    room: str
    """As `ChatMessage.room` has it."""
    has_history: bool
    """Whether what was said while nobody listened is heard later."""
    is_idempotent: bool
    """Whether what is performed again, after its acknowledgement was lost, is shown once."""
    has_notices: bool
    secrets: tuple[str, ...]
    """What may be in no description, log or error."""

    def listener(self) -> Listener:
        """Return a new listener on the bot's account, with quick timing; its network is NETWORK."""

    def sender(self, who: str) -> str:
        """Return what `ChatMessage.sender` of one of the people is."""

    async def present(self) -> None:
        """Wait until the bot is in the room, and hears what is said from now on."""

    async def say(self, who: str, text: str) -> None:
        """Have one of the people say something in the room; return once the server has it."""

    async def whisper(self, who: str, text: str) -> None:
        """Have one of the people say something to the bot alone."""

    async def notice(self, who: str, text: str) -> None:
        """Have one of the people say it as bots do. Only where it `has_notices`."""

    async def act(self, who: str, text: str) -> None:
        """Have one of the people do something (`/me`)."""

    def address(self, text: str) -> str:
        """Return `text` as people say it to the bot in the room."""

    async def shown(self) -> list[str]:
        """Return the texts that Ann has seen the bot say in the room so far, oldest first."""

    async def restart(self) -> None:
        """Kill the server, and start it again; people come back."""


class IrcVenue:
    """The IRC listener on ngircd."""

    room = "#room"
    has_history = False
    is_idempotent = False
    has_notices = True
    secrets = ("s3cret",)

    def __init__(self, server: Ngircd) -> None:
        self._server = server
        self._people: dict[str, RawClient] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[IrcVenue]:
        """Run the server, with people in the room, for the block's duration."""
        async with Ngircd(folder, password="s3cret") as server:
            venue = cls(server)
            await venue._come()
            try:
                yield venue
            finally:
                await venue._go()

    def listener(self) -> Listener:
        settings = IrcSettings(
            server="127.0.0.1",
            port=self._server.port,
            tls=False,
            nick="bot",
            channels=(self.room,),
            password="s3cret",
            rate=1000,
            burst=1000,
        )
        return IrcListener(NETWORK, settings, QUICK)

    def sender(self, who: str) -> str:
        return who

    async def present(self) -> None:
        await self._until(lambda line: line.startswith(":bot!") and " JOIN " in line)

    async def say(self, who: str, text: str) -> None:
        self._people[who].say(self.room, text)

    async def whisper(self, who: str, text: str) -> None:
        self._people[who].say("bot", text)

    async def notice(self, who: str, text: str) -> None:
        self._people[who].send(f"NOTICE {self.room} :{text}")

    async def act(self, who: str, text: str) -> None:
        self._people[who].say(self.room, f"\x01ACTION {text}\x01")

    def address(self, text: str) -> str:
        return f"bot: {text}"

    async def shown(self) -> list[str]:
        said = re.compile(rf":bot!\S+ (?:PRIVMSG|NOTICE) {self.room} :(.*)")
        found = (said.match(line) for line in self._people["ann"].lines)
        return [match[1] for match in found if match]

    async def restart(self) -> None:
        seen = self._people["ann"].lines
        await self._go()
        await self._server.restart()
        await self._come()
        self._people["ann"].lines[:0] = [line for line in seen if " JOIN " not in line]

    async def _come(self) -> None:
        for who in PEOPLE:
            client = await RawClient.connect(self._server.port, who, self.room, password="s3cret")
            self._people[who] = client
            self._reading[who] = asyncio.ensure_future(_read(client))

    async def _go(self) -> None:
        for who, task in self._reading.items():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._people[who].close()

    async def _until(self, matches) -> None:  # type: ignore[no-untyped-def]
        async with asyncio.timeout(30):
            while not any(map(matches, self._people["ann"].lines)):
                await asyncio.sleep(0.01)


async def _read(client: RawClient) -> None:
    while True:
        await client.next_line()
