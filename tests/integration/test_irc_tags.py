"""What IRCv3 gives on a real InspIRCd: accounts, receipts, history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chatbot.listeners.irc import IrcListener, IrcSettings
from tests.servers.inspircd import Inspircd, registered, services
from tests.servers.irc import RawClient, present
from tests.servers.listening import QUICK, MemoryBridge, listening
from tests.servers.processes import until

pytestmark = pytest.mark.crash  # InspIRCd takes a second for each connection


def settings(server: Inspircd, **changes: Any) -> IrcSettings:
    usual: dict[str, Any] = {"port": server.plain, "tls": False, "nick": "bot"}
    usual |= {"channels": ("#chan",), "rate": 1000, "burst": 1000}
    return IrcSettings(server="127.0.0.1", **{**usual, **changes})


def joined(line: str) -> bool:
    return line.startswith(":bot!") and "JOIN" in line


@pytest.mark.parametrize(
    "without", [(), ("ircv3_accounttag",)], ids=["account-tag", "account-notify"]
)
async def test_an_account_is_what_the_services_say_and_never_a_nick_or_a_claim(
    tmp_path: Path, without: tuple[str, ...]
) -> None:
    async with Inspircd(tmp_path, without=without) as server, services(server) as atheme:
        await atheme.register("ann", "secretpw")
        bob = await registered(server.plain, "bob", "ann", "secretpw", "#chan")
        try:
            async with present(server.plain, "ann") as impostor:
                impostor.send("CAP REQ :message-tags")
                async with listening(settings(server)) as bridge:
                    await bob.wait_for(joined)
                    bob.say("#chan", "mine")
                    message = await bridge.next()
                    assert (message.sender, message.name, message.account) == ("bob", "bob", "ann")
                    impostor.send("@account=ann;+account=ann PRIVMSG #chan :mine, too")
                    message = await bridge.next()
                    assert (message.sender, message.account) == ("ann", "")
                    bob.send("PRIVMSG NickServ :LOGOUT")
                    await bob.wait_for(" 901 ")
                    bob.say("#chan", "nobody's")
                    assert (await bridge.next()).account == ""
        finally:
            await bob.close()


@pytest.fixture
async def watched(inspircd: Inspircd) -> AsyncIterator[tuple[Inspircd, RawClient]]:
    """A server with history in #chan, and Ann there, who sees tags."""
    async with present(inspircd.plain) as ann:
        ann.send("MODE #chan +H 50:1h", "CAP REQ :message-tags echo-message")
        await ann.wait_for("ACK")
        yield inspircd, ann


async def test_an_echo_confirms_what_was_said_and_saves_the_ping(
    watched: tuple[Inspircd, RawClient], caplog: pytest.LogCaptureFixture
) -> None:
    server, ann = watched
    caplog.set_level("DEBUG", "irc")
    async with listening(settings(server)) as bridge:
        await ann.wait_for("JOIN")
        ann.say("#chan", "bot: you?")
        question = await bridge.next()
        bridge.answer("#chan", "yes, I", name=question.id)
        assert await bridge.next_acknowledged() == question.id
        assert "PONG" not in caplog.text
        said = await ann.wait_for("yes, I")
        assert "+draft/reply=" in said.partition(" ")[0]
        msgid = said.partition("msgid=")[2].partition(";")[0].partition(" ")[0]
        ann.send(f"@+draft/reply={msgid} PRIVMSG #chan :really?")
        answer = await bridge.next()
        assert answer.addressed
        assert answer.reply_to


async def test_what_was_said_while_the_bot_was_away_is_heard_once_as_old(
    watched: tuple[Inspircd, RawClient],
) -> None:
    server, ann = watched
    ann.say("#chan", "before it was ever there")
    async with listening(settings(server)) as first:
        await ann.wait_for("JOIN")
        ann.say("#chan", "before")
        before = await first.next()
        assert before.text == "before", "what was said to nobody is not answered"
        first.answer("#chan", "an answer", name="1")
        await ann.wait_for("an answer")
        await until(lambda: first.stored)
    await ann.wait_for("QUIT")
    ann.say("#chan", "meanwhile")
    second = MemoryBridge()
    second.stored = first.stored
    running = asyncio.create_task(IrcListener("test", settings(server), QUICK).run(second))
    try:
        await ann.wait_for("JOIN")
        ann.say("#chan", "now")
        heard = [await second.next() for _ in range(3)]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [(each.text, each.old) for each in heard] == [
        ("before", True),
        ("meanwhile", True),
        ("now", False),
    ]
    assert heard[0].id == before.id, "IN stores it once"


async def test_a_lost_connection_is_made_up_for_by_the_history(
    watched: tuple[Inspircd, RawClient],
) -> None:
    server, ann = watched
    async with listening(settings(server), QUICK) as bridge:
        await ann.wait_for("JOIN")
        ann.send("OPER oper operpw", "KILL bot :out")
        await ann.wait_for("QUIT")
        ann.say("#chan", "are you there?")
        await ann.wait_for("JOIN")
        message = await bridge.next()
        assert (message.text, message.old) == ("are you there?", True)
