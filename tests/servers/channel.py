"""The channel #chan of a real ngircd: the bot's settings, a person there, and who came in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from chatbot.listeners.irc import IrcSettings
from tests.servers.irc import Ngircd, RawClient


def settings(ngircd: Ngircd, **changes: Any) -> IrcSettings:
    usual: dict[str, Any] = {
        "server": "127.0.0.1",
        "port": ngircd.port,
        "tls": False,
        "nick": "bot",
        "channels": ("#chan",),
        "rate": 1000,
        "burst": 1000,
    }
    return IrcSettings(**{**usual, **changes})


@contextlib.asynccontextmanager
async def person(server: Ngircd, nick: str = "ann", *channels: str) -> AsyncIterator[RawClient]:
    client = await RawClient.connect(server.port, nick, *(channels or ("#chan",)))
    try:
        yield client
    finally:
        await client.close()


def joined(nick: str = "bot", channel: str = "#chan"):  # type: ignore[no-untyped-def]
    return lambda line: line.startswith(f":{nick}!") and f"JOIN :{channel}" in line
