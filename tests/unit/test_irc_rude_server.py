"""The IRC listener against a server that does what no real one does."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from chatbot.errors import ListenerError
from chatbot.listeners.irc import IrcListener, IrcSettings, Timing
from tests.servers.irc import RudeServer
from tests.servers.listening import PATIENCE, QUICK, MemoryBridge, listening, logged


def settings(server: RudeServer, **changes: Any) -> IrcSettings:
    usual = {"port": server.port, "tls": False, "nick": "bot", "channels": ("#chan",)}
    return IrcSettings(server="127.0.0.1", **{**usual, "rate": 1000, "burst": 1000, **changes})


async def test_lines_that_make_no_sense_end_nothing() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await server.welcome()
        bot.send(
            ":s PRIVMSG #only",
            "QUIT",
            "PING",
            "   ",
            ":",
            "@",
            "@a=b",
            ":x!y@z",
            "\0",
            b"\xff",
            "JOIN",
            ":bot!u@h JOIN",
            "KICK",
            ":x!y@z KICK #chan",
            ":x!y@z PRIVMSG",
            "PRIVMSG a :b",
            ":x!y@z NICK",
            "NICK",
            ":rude 001",
            ":rude 433",
            ":rude 005 bot PREFIX=( LOAD=1 = :are",
            ":rude 005 bot CASEMAPPING=9 CHANTYPES :are",
            "CAP",
            ":rude CAP * LS",
            "BATCH",
            "ERROR",
            ":rude PONG",
            "INVITE",
            ":rude 474 bot",
            ":x!y@z PRIVMSG #chan :\x01ACTION\x01",
        )
        bot.send(b"x" * 100_000)
        bot.send("@time=never;batch=?;msgid :x!y@z PRIVMSG #chan :still here")
        assert (await bridge.next()).text == "still here"
        bot.send("PING :with blanks \r inside")
        await bot.wait_for("PONG :with blanks")
        assert server.connections == 1


async def test_a_ping_is_answered_before_anything_else() -> None:
    async with RudeServer() as server, listening(settings(server)):
        bot = await server.accept()
        bot.send("PING :cookie")
        await bot.wait_for("PONG :cookie")


async def test_replayed_history_is_not_heard_and_tags_give_id_and_time() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await server.accept()
        await bot.wait_for("CAP LS 302")
        bot.send(":rude CAP * LS :batch server-time message-tags sasl")
        await bot.wait_for("CAP REQ :batch message-tags server-time")
        bot.send(":rude CAP * ACK :batch message-tags server-time")
        await bot.wait_for("CAP END")
        bot.send(":rude 001 bot :hi")
        bot.send(":rude BATCH +1 chathistory #chan")
        bot.send("@batch=1;msgid=a :x!y@z PRIVMSG #chan :old", ":rude BATCH -1")
        for _ in range(2):
            bot.send("@time=2026-01-02T03:04:05.678Z;msgid=b :x!y@z PRIVMSG #chan :new")
        first, second = await bridge.next(), await bridge.next()
        assert (first.text, first.time.isoformat()) == ("new", "2026-01-02T03:04:05.678000+00:00")
        assert first.id == second.id


async def test_names_are_compared_as_the_server_compares_them() -> None:
    chosen = settings(server := RudeServer(), nick="Bot[1]", channels=("#Chan",))
    async with server, listening(chosen) as bridge:
        bot = await server.welcome("bot{1}", "#CHAN")
        bot.send(":x!y@z PRIVMSG #chan :BOT{1}: hi")
        message = await bridge.next()
        assert (message.room, message.addressed) == ("#Chan", True)
        bot.send(":BOT{1}!u@h PRIVMSG #chan :echo", ":x!y@z PRIVMSG #chan :not an echo")
        assert (await bridge.next()).text == "not an echo"


async def test_a_server_that_answers_no_ping_is_believed_for_as_long_as_it_talks() -> None:
    trusting = Timing(receipt=0.2)
    async with RudeServer() as server, listening(settings(server), trusting) as bridge:
        bot = await server.welcome()
        bridge.answer("#chan", "hello")
        await bot.wait_for("PING :said")
        bot.send(":x!y@z PRIVMSG #chan :I heard you")
        assert await bridge.next_acknowledged() == "1"


async def test_a_reply_that_is_never_confirmed_is_not_said_for_ever() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bridge.answer("#chan", "hello")
        for _ in range(3):
            bot = await server.welcome()
            await bot.wait_for(":hello")
            await bot.close()
        bot = await server.welcome()
        assert await bridge.next_acknowledged() == "1"
        assert not any("hello" in line for line in bot.lines)


async def test_lines_that_were_confirmed_are_not_said_again() -> None:
    async with RudeServer() as server:
        chosen = settings(server, lines=50)
        async with listening(chosen) as bridge:
            bridge.answer("#chan", "\n".join(f"line {number}" for number in range(32)))
            bridge.answer("#chan", "more", name="2")
            bot = await server.welcome()
            token = (await bot.wait_for("PING :said")).partition(":")[2]
            bot.send(f":rude PONG rude :{token}")
            assert await bridge.next_acknowledged() == "1"
            await bot.wait_for(":more")
            await bot.close()
            bot = await server.welcome()
            await bot.wait_for(":more")
            assert not any("line 3" in line for line in bot.lines)


async def test_a_bot_that_is_sent_away_at_once_does_not_hammer() -> None:
    async with RudeServer() as server, listening(settings(server), Timing()):
        begun = asyncio.get_running_loop().time()
        for _ in range(3):
            bot = await server.accept()
            bot.send("ERROR :Closing Link: Trying to reconnect too fast")
            await bot.close()
        assert asyncio.get_running_loop().time() - begun > 0.5


@pytest.mark.parametrize(
    "farewell",
    [
        "ERROR :Closing Link: bot (K-lined)",
        ":rude 465 * :You are banned from this server",
        ":rude 464 * :Password incorrect",
        ":rude 432 * bot :Erroneous nickname",
    ],
)
async def test_a_refusal_that_waiting_does_not_mend_is_an_error(farewell: str) -> None:
    async with RudeServer() as server, asyncio.timeout(PATIENCE):
        running = asyncio.create_task(
            IrcListener("test", settings(server), QUICK).run(MemoryBridge())
        )
        for _ in range(3):
            bot = await server.accept()
            bot.send(farewell)
            await bot.close()
        with pytest.raises(ListenerError, match="test refuses the bot"):
            await running


async def test_a_port_that_speaks_no_tls_is_an_error_that_says_so() -> None:
    async with RudeServer() as server, asyncio.timeout(PATIENCE):
        listener = IrcListener("test", settings(server, tls=True), QUICK)
        running = asyncio.create_task(listener.run(MemoryBridge()))
        for _ in range(3):
            bot = await server.accept()
            bot.send("NOTICE AUTH :*** Looking up your hostname")
        with pytest.raises(ListenerError, match="does not speak TLS"):
            await running


async def test_a_bot_without_a_welcome_tries_again(caplog: pytest.LogCaptureFixture) -> None:
    impatient = Timing(register=0.1, leave=0.1)
    async with RudeServer() as server, listening(settings(server), impatient):
        await server.accept()
        await logged(caplog, "no welcome from the server")
        await server.accept()


async def test_a_server_that_ignores_quit_does_not_hold_up_the_end() -> None:
    async with RudeServer() as server:
        async with listening(settings(server)):
            bot = await server.welcome()
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < 1.0
        await bot.wait_for("QUIT")


async def test_joins_go_together_and_are_tried_again_with_limits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    chosen = settings(server := RudeServer(), channels=tuple(f"#{name}" for name in "abcdefghij"))
    async with server, listening(chosen, Timing(rejoin=0.02, rejoin_attempts=2)):
        bot = await server.accept()
        await bot.wait_for("USER ")
        bot.send(":rude 001 bot :hi")
        for _ in range(2):
            await bot.wait_for("JOIN #a,#b,#c,#d,#e,#f,#g,#h")
            await bot.wait_for("JOIN #i,#j")
            bot.send(":rude 474 bot #a :Cannot join channel (+b)")
        await logged(caplog, "refused at #a on test: bannedfromchan")
        await logged(caplog, "gave up on #j")
