"""A burst of replies at the default rate, on servers that protect themselves as servers do."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from chatbot.listeners.irc import IrcSettings, Timing
from tests.servers.inspircd import Inspircd
from tests.servers.irc import Ngircd, present
from tests.servers.listening import listening

LINES = 200
FAKELAG = 'threshold="10" commandrate="1000" recvq="8K" fakelag="yes"'
EXCESS = 'threshold="10" commandrate="1000" recvq="8K" fakelag="no"'
SERVERS = {
    "ngircd": lambda folder: Ngircd(folder, penalty=-1),
    "inspircd-fakelag": lambda folder: Inspircd(folder, limits=FAKELAG),
    "inspircd-excess-flood": lambda folder: Inspircd(folder, limits=EXCESS),
}


@pytest.mark.crash
@pytest.mark.timeout(400)
async def test_a_burst_of_200_lines_never_gets_the_bot_disconnected(tmp_path: Path) -> None:
    async def one(name: str) -> tuple[str, float]:
        (tmp_path / name).mkdir()
        return name, await burst(SERVERS[name](tmp_path / name))

    took = dict(await asyncio.gather(*map(one, SERVERS)))
    # One line a second, and what the burst was ahead.
    assert all(150 < seconds < 260 for seconds in took.values()), took


async def burst(server: AbstractAsyncContextManager[Ngircd | Inspircd]) -> float:
    """Have the bot say many long lines at once; return the seconds until the last was seen."""
    async with server as running, present(running.port) as ann:
        chosen = IrcSettings(
            server="127.0.0.1", port=running.port, tls=False, nick="bot", channels=("#chan",)
        )
        async with listening(chosen, Timing()) as bridge:
            await ann.wait_for("JOIN :#chan")
            begun = time.monotonic()
            for number in range(LINES):
                bridge.answer("#chan", f"{number} ".ljust(400, "x"), name=str(number))
            for number in range(LINES):
                line = await ann.wait_for(lambda line: "PRIVMSG" in line or "QUIT" in line, 60.0)
                assert f"PRIVMSG #chan :{number} " in line
            took = time.monotonic() - begun
            for _ in range(LINES):
                await bridge.next_acknowledged()
            return took
