"""The listeners' contract on InspIRCd, which has IRCv3 and history, and takes its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatbot.listeners.bridge import Listener
from chatbot.listeners.irc import IrcListener, IrcSettings
from tests.integration.test_listener_contract import *  # noqa: F403 - its tests, on this venue
from tests.servers.inspircd import Inspircd
from tests.servers.irc import RawClient
from tests.servers.listening import QUICK
from tests.servers.venues import NETWORK, PEOPLE, IrcVenue, _read

pytestmark = pytest.mark.crash


class InspircdVenue(IrcVenue):
    """The IRC listener on InspIRCd, in a room that keeps its history."""

    has_history = True
    secrets = ()

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[IrcVenue]:
        async with Inspircd(folder) as server:
            venue = cls(server)  # type: ignore[arg-type] - it is started and stopped alike
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
            rate=1000,
            burst=1000,
        )
        return IrcListener(NETWORK, settings, QUICK)

    async def restart(self) -> None:
        seen = self._people["ann"].lines
        await self._go()
        await self._server.kill()
        await self._server.start()
        await self._come()
        self._people["ann"].lines[:0] = [line for line in seen if " JOIN " not in line]

    async def _come(self) -> None:
        coming = [RawClient.connect(self._server.port, who, self.room) for who in PEOPLE]
        self._people = dict(zip(PEOPLE, await asyncio.gather(*coming), strict=True))
        for who in PEOPLE:
            self._people[who].send(f"MODE {self.room} +H 50:1h", "PING :set")
            await self._people[who].wait_for(":set")
            self._reading[who] = asyncio.ensure_future(_read(self._people[who]))


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[IrcVenue]:
    async with InspircdVenue.open(tmp_path) as venue:
        yield venue
