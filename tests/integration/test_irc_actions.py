"""Kicks, bans and mutes that a flow asks for, on real servers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatbot.listeners.irc import IrcListener, IrcSettings
from chatbot.messages import Action, Outcome, Reply
from tests.servers.inspircd import Inspircd
from tests.servers.irc import Ngircd, RawClient, RudeServer, present
from tests.servers.listening import PATIENCE, QUICK, MemoryBridge, listening, logged


def settings(port: int, **changes: Any) -> IrcSettings:
    usual: dict[str, Any] = {"port": port, "tls": False, "nick": "bot", "channels": ("#chan",)}
    return IrcSettings(server="127.0.0.1", **{**usual, "rate": 1000, "burst": 1000, **changes})


def outcome(name: str, *actions: Action, room: str = "#chan", sender: str = "ben") -> Outcome:
    return Outcome(name, "test", room, sender, (Reply("so be it"),), actions=actions)


async def opped(ann: RawClient) -> None:
    """Wait for the bot and make it a channel operator."""
    await ann.wait_for(lambda line: line.startswith(":bot!") and "JOIN" in line)
    ann.send("MODE #chan +o bot")
    await ann.wait_for("MODE #chan +o")


async def performed(bridge: MemoryBridge, *outcomes: Outcome) -> None:
    """Have outcomes performed, and wait until they are acknowledged."""
    for each in outcomes:
        bridge.decide(each)
        assert await bridge.next_acknowledged() == each.id


def sentences(bridge: MemoryBridge) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(bridge.stored or "{}").get("sentences", [])
    return found


@pytest.mark.parametrize("delivery", ["at-least-once", "at-most-once"])
async def test_what_is_said_is_said_first_and_then_somebody_is_kicked(
    ngircd: Ngircd, delivery: str
) -> None:
    chosen = settings(ngircd.port, delivery=delivery)
    async with present(ngircd.port) as ann, present(ngircd.port, "ben") as ben:
        async with listening(chosen) as bridge:
            await opped(ann)
            await performed(bridge, outcome("1", Action("kick", text="enough\r\nQUIT :x\0")))
            said = await ben.wait_for(lambda line: "so be it" in line or "KICK" in line)
            assert "so be it" in said
            kick = await ben.wait_for("KICK")
            assert kick.startswith(":bot!")
            assert kick.endswith("KICK #chan ben :enough QUIT :x")


async def test_an_action_is_about_who_said_it_whatever_they_are_called_by_now(
    ngircd: Ngircd,
) -> None:
    async with present(ngircd.port) as ann, present(ngircd.port, "ben") as ben:
        async with listening(settings(ngircd.port)) as bridge:
            await opped(ann)
            ben.send("PART #chan", "JOIN #chan", "PRIVMSG #chan :spam", "NICK innocent")
            heard = await bridge.next()
            await ann.wait_for("NICK :innocent")
            async with present(ngircd.port, "ben"):
                await performed(bridge, outcome(heard.id, Action("kick")))
            assert "KICK #chan innocent" in await ann.wait_for("KICK")


async def test_who_is_banned_stays_out_by_host_until_unbanned(ngircd: Ngircd) -> None:
    async with present(ngircd.port) as ann, present(ngircd.port, "ben") as ben:
        async with listening(settings(ngircd.port)) as bridge:
            await opped(ann)
            await performed(bridge, outcome("1", Action("ban", text="bye")))
            mask = (await ann.wait_for("MODE #chan +b")).rpartition(" ")[2]
            assert mask.startswith("*!~ben@"), "the host is the bot's, too"
            await ben.wait_for("KICK #chan ben")
            ben.send("NICK other", "JOIN #chan")
            await ben.wait_for(" 474 ")
            await performed(bridge, outcome("2", Action("unban", to="ben")))
            await ann.wait_for(f"MODE #chan -b {mask}")
            ben.send("JOIN #chan")
            await ben.wait_for("JOIN :#chan")
            assert sentences(bridge) == []


@pytest.mark.parametrize("kind", ["kick", "ban"])
async def test_without_op_an_action_is_tried_once_and_the_log_says_what_to_do(
    ngircd: Ngircd, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with present(ngircd.port) as ann, present(ngircd.port, "ben"):
        async with listening(settings(ngircd.port)) as bridge:
            await ann.wait_for("JOIN :#chan")
            await performed(bridge, outcome("1", Action(kind, text="s3cret")))
            remedy = "the bot is no channel operator: give it +o there"
            assert f"cannot {kind} in #chan on test: {remedy}" in caplog.text
            assert caplog.text.count(remedy) == 1
            assert "s3cret" not in caplog.text
            assert sentences(bridge) == [], "what was not done is not taken back later"
            await performed(bridge, outcome("2"))


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (Action("react", text="👍"), "IRC has no such thing"),
        (Action("delete"), "IRC has no such thing"),
        (Action("mute"), "make the channel moderated"),
        (Action("kick", to="bot"), "the bot itself"),
        (Action("ban", to="*!*@*"), "nobody there"),
        (Action("kick", to="a\rQUIT"), "nobody there"),
        (Action("kick", to="#chan"), "nobody there"),
        (Action("ban", to="nobody"), "their host is not known"),
        (Action("sing"), "cannot sing"),
    ],
)
async def test_what_cannot_be_done_is_said_and_the_rest_goes_on(
    ngircd: Ngircd, action: Action, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with present(ngircd.port) as ann, present(ngircd.port, "ben"):
        async with listening(settings(ngircd.port)) as bridge:
            await opped(ann)
            await performed(bridge, outcome("1", action, Action("kick")))
            assert said in caplog.text
            await ann.wait_for("KICK #chan ben")


async def test_in_private_nobody_can_be_kicked(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    async with present(ngircd.port) as ann, listening(settings(ngircd.port)) as bridge:
        await opped(ann)
        await performed(bridge, outcome("1", Action("kick"), room="ann", sender="ann"))
        assert "cannot kick in ann" in caplog.text


async def test_a_mute_in_a_moderated_channel_takes_the_voice_and_gives_it_back(
    ngircd: Ngircd,
) -> None:
    async with present(ngircd.port) as ann, present(ngircd.port, "ben"):
        ann.send("MODE #chan +m", "MODE #chan +v ben")
        async with listening(settings(ngircd.port)) as bridge:
            await opped(ann)
            await performed(bridge, outcome("1", Action("mute")))
            await ann.wait_for("MODE #chan -v ben")
            await performed(bridge, outcome("2", Action("unmute")))
            await ann.wait_for("MODE #chan +v ben")


@asynccontextmanager
async def run(server: Ngircd | Inspircd, bridge: MemoryBridge) -> AsyncIterator[None]:
    """Run a listener on a bridge that was there before."""
    running = asyncio.create_task(IrcListener("test", settings(server.port), QUICK).run(bridge))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_ban_for_a_time_ends_also_after_a_restart_and_waits_for_op(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    bridge = MemoryBridge()
    async with present(ngircd.port) as ann, present(ngircd.port, "ben"):
        async with run(ngircd, bridge):
            await opped(ann)
            await performed(bridge, outcome("1", Action("ban", seconds=0.5)))
            await ann.wait_for("MODE #chan +b")
        assert len(sentences(bridge)) == 1
        async with run(ngircd, bridge):
            await logged(caplog, "cannot end a ban in #chan on test: the bot is no channel")
            await opped(ann)
            await ann.wait_for("MODE #chan -b")
            await logged(caplog, "ended a ban in #chan")
            async with asyncio.timeout(PATIENCE):
                while sentences(bridge):
                    await asyncio.sleep(0.01)


async def test_what_was_stored_and_makes_no_sense_stops_nothing(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = MemoryBridge()
    bridge.stored = '[{"not": "ours"}]'
    async with present(ngircd.port) as ann, run(ngircd, bridge):
        await opped(ann)
        assert "makes no sense" in caplog.text


async def test_at_most_once_an_action_that_was_begun_is_not_done_again(ngircd: Ngircd) -> None:
    chosen = settings(ngircd.port, delivery="at-most-once")
    async with present(ngircd.port) as ann, present(ngircd.port, "ben") as ben:
        async with listening(chosen) as bridge:
            await opped(ann)
            await performed(bridge, outcome("1", Action("kick")))
            await ann.wait_for("KICK #chan ben")
            ben.send("JOIN #chan")
            await ann.wait_for("JOIN :#chan")
            # A killed server may have forgotten that it was done.
            await performed(bridge, outcome("1", Action("kick")), outcome("2"))
            await ann.wait_for("so be it")
            assert sum(" KICK #chan " in line for line in ann.lines) == 1
            assert sum("so be it" in line for line in ann.lines) == 2


@pytest.mark.parametrize(("delivery", "kicks"), [("at-least-once", 2), ("at-most-once", 1)])
async def test_an_action_whose_fate_is_unknown_is_repeated_as_the_flow_says(
    delivery: str, kicks: int
) -> None:
    async with RudeServer() as server:
        async with listening(settings(server.port, delivery=delivery)) as bridge:
            bot = await server.welcome()
            bot.send(":ben!u@h JOIN #chan")
            bridge.decide(outcome("1", Action("kick"), Action("kick", to="cid")))
            await bot.wait_for("KICK #chan ben")
            await bot.close()
            again = await server.welcome()
            answering = asyncio.create_task(obliging(again))
            assert await bridge.next_acknowledged() == "1"
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            lines = [*bot.lines, *again.lines]
            assert sum("KICK #chan ben" in line for line in lines) == kicks
            said = [index for index, line in enumerate(again.lines) if "so be it" in line]
            done = [index for index, line in enumerate(again.lines) if "KICK" in line]
            assert said == [] or max(said) < min(done)


async def obliging(bot: RawClient) -> None:
    """Answer the bot's questions: who is there, and whether all was dealt with."""
    while True:
        line = await bot.next_line()
        if line.startswith("PING :said"):
            bot.send(f":rude PONG rude :{line.partition(':')[2]}")
        elif line.startswith("USERHOST "):
            bot.send(f":rude 302 bot :{line.split()[1]}=+u@h")


@pytest.mark.crash  # InspIRCd takes a second for each connection
async def test_a_mute_on_inspircd_keeps_somebody_quiet_for_a_time(
    inspircd: Inspircd, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    async with present(inspircd.port) as ann, present(inspircd.port, "ben") as ben:
        async with listening(settings(inspircd.port)) as bridge:
            await opped(ann)
            await performed(bridge, outcome("1", Action("mute", seconds=1.0)))
            assert ":m:*!ben@" in await ann.wait_for("MODE #chan +b")
            ben.say("#chan", "mumble")
            assert " 404 " in await ben.wait_for(lambda line: " 404 " in line or "NOTICE" in line)
            assert ":m:*!ben@" in await ann.wait_for("MODE #chan -b")
            ben.say("#chan", "free")
            await ann.wait_for("free")
            assert "mumble" not in "".join(ann.lines)
