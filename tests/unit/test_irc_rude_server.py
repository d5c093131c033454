"""The IRC listener against a server that does what no real one does."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from chatbot.errors import ListenerError
from chatbot.listeners.irc import IrcListener, IrcSettings, Timing
from chatbot.messages import Action, Outcome
from tests.servers.irc import RawClient, RudeServer
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


CAPABILITIES = "account-tag batch echo-message labeled-response message-tags server-time"


async def negotiated(server: RudeServer, granted: str = CAPABILITIES) -> RawClient:
    """Let the bot in, with the capabilities that it asks for of those `granted`."""
    bot = await server.accept()
    await bot.wait_for("CAP LS 302")
    bot.send(f":rude CAP * LS :{granted} sasl")
    asked = await bot.wait_for("CAP REQ")
    bot.send(f":rude CAP * ACK {asked.removeprefix('CAP REQ ')}")
    await bot.wait_for("CAP END")
    bot.send(":rude 001 bot :hi")
    await bot.wait_for("JOIN ")
    return bot


async def test_history_is_heard_as_old_and_tags_give_id_and_time() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await negotiated(server, f"{CAPABILITIES} draft/chathistory")
        bot.send("@time=2026-01-02T02:58:00.000Z :bot!u@h JOIN #Chan")
        bot.send(":rude BATCH +1 chathistory #chan")
        bot.send(
            "@time=2026-01-02T02:57:00.000Z;batch=1;msgid=x :x!y@z PRIVMSG #chan :before we came"
        )
        bot.send("@time=2026-01-02T02:00:00.000Z;msgid=y :x!y@z PRIVMSG #chan :likewise")
        bot.send(":x!y@z KICK #chan bot")
        await bot.wait_for("JOIN #chan")
        bot.send("@time=2026-01-02T03:00:00.000Z :bot!u@h JOIN #chan")
        await bot.wait_for("CHATHISTORY LATEST #chan * 100")
        bot.send(":rude BATCH +1 chathistory #chan")
        bot.send("@time=2026-01-02T02:59:00.000Z;batch=1;msgid=a :x!y@z PRIVMSG #chan :long ago")
        bot.send(
            "@time=2026-01-02T02:59:00.000Z;batch=1 :x!y@z PRIVMSG #chan :could be anything's twin"
        )
        bot.send("@time=2026-01-02T02:59:00.000Z;batch=1;msgid=o :bot_!y@z PRIVMSG #chan :ours")
        bot.send(
            "@time=2026-01-02T02:59:00.000Z;batch=1;msgid=a2 :bot!y@z PRIVMSG #chan :said, too",
            ":rude BATCH -1",
        )
        bot.send("@time=2026-01-02T02:58:01.000Z;msgid=c :x!y@z PRIVMSG #chan :without a batch")
        bot.send("@time=2026-01-02T02:57:00.000Z;msgid=z :x!y@z PRIVMSG #chan :too early")
        bot.send("@time=2026-01-02T02:58:01.000Z :x!y@z PRIVMSG #chan :without an id, too")
        for _ in range(2):
            bot.send("@time=2026-01-02T03:04:05.678Z;msgid=b :x!y@z PRIVMSG #chan :new")
        batched, unbatched, first, second = [await bridge.next() for _ in range(4)]
        assert (batched.text, batched.old) == ("long ago", True)
        assert (unbatched.text, unbatched.old) == ("without a batch", True)
        assert (first.text, first.time.isoformat()) == ("new", "2026-01-02T03:04:05.678000+00:00")
        assert (first.old, first.id) == (False, second.id)
        bot.send(":x!y@z PRIVMSG #chan :the end")
        assert (await bridge.next()).text == "the end"


async def test_an_account_counts_only_where_the_server_vouches_for_it() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        for granted, expected in ((CAPABILITIES, ["ann", ""]), ("message-tags", ["", ""])):
            bot = await negotiated(server, granted)
            bot.send("@account=ann :x!y@z PRIVMSG #chan :1", "@+account=ann :x!y@z PRIVMSG bot :2")
            assert [(await bridge.next()).account for _ in range(2)] == expected
            await bot.close()


async def test_without_tags_an_account_is_what_was_announced_of_who_is_in_sight() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await negotiated(server, "account-notify extended-join")
        bot.send(":rude 005 bot WHOX :are supported", ":bot!u@h JOIN #chan * :bot")
        await bot.wait_for("WHO #chan %tcuhna,417")
        bot.send(
            ":rude 354 bot 417 #chan u h ann ann-account",
            ":ann!u@h PRIVMSG #chan :known",
            ":ann!u@h NICK bob",
            ":bob!u@h PRIVMSG #chan :under another name",
            ":ann!u@h PRIVMSG #chan :an impostor",
            ":bob!u@h ACCOUNT *",
            ":bob!u@h PRIVMSG #chan :logged out",
            ":cid!u@h JOIN #chan cid-account :Cid",
            ":cid!u@h PRIVMSG #chan :came",
            ":cid!u@h PART #chan",
            ":cid!u@h PRIVMSG bot :out of sight",
            ":cid!u@h JOIN #chan cid-account :Cid",
            ":rude KICK #chan bot :out",
            ":cid!u@h PRIVMSG bot :we are out of sight",
        )
        found = [(await bridge.next()).account for _ in range(7)]
        expected = ["ann-account", "ann-account", "", "", "cid-account", "", ""]
        assert found == expected


async def test_what_was_said_is_confirmed_by_what_comes_back_and_costs_no_line() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await negotiated(server)
        bot.send(":bot!u@h JOIN #chan", "@msgid=q :x!y@z PRIVMSG #chan :bot: you?")
        question = await bridge.next()
        bridge.answer("#chan", "yes", "I", name=question.id)
        first = await bot.wait_for("PRIVMSG #chan :yes")
        tags, _, _ = (await bot.wait_for("PRIVMSG #chan :I")).partition(" ")
        assert "+draft/reply=q" in first
        assert "reply" not in tags
        label = tags.removeprefix("@")
        bot.send(f"@{label};msgid=mine :bot!u@h PRIVMSG #chan :I")
        assert await bridge.next_acknowledged() == question.id
        assert not any("PING" in line for line in bot.lines)
        bot.send("@+draft/reply=mine :x!y@z PRIVMSG #chan :you there")
        assert (await bridge.next()).addressed


async def test_without_labels_all_that_comes_back_is_the_receipt() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await negotiated(server, "echo-message")
        bot.send(":bot!u@h JOIN #chan")
        bridge.answer("#chan", "yes", "yes", "no")
        await bot.wait_for(":no")
        bot.send(*(f":bot!u@h PRIVMSG #CHAN :{text}" for text in ("yes", "yes")))
        bot.send(":x!u@h PRIVMSG #chan :no", "PING :seen")
        await bot.wait_for("PONG :seen")
        assert bridge.acknowledged.empty()
        bot.send(":bot!u@h PRIVMSG #chan :no")
        assert await bridge.next_acknowledged() == "1"
        assert not any(line.startswith("PING") for line in bot.lines)


async def test_what_does_not_come_back_is_asked_for() -> None:
    async with RudeServer() as server:
        async with listening(settings(server), Timing(receipt=0.3)) as bridge:
            bot = await negotiated(server, "echo-message")
            bot.send(":bot!u@h JOIN #chan")
            bridge.answer("#chan", "yes", "yes")
            await bot.wait_for("#chan :yes")
            bot.send(":bot!u@h PRIVMSG #chan :yes")
            token = (await bot.wait_for("PING :said", 5.0)).partition(":")[2]
            bot.send(f":rude PONG rude :{token}")
            assert await bridge.next_acknowledged() == "1"


async def test_what_was_done_is_not_confirmed_by_what_was_said_before() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await negotiated(server)
        bot.send(":bot!u@h JOIN #chan", ":x!y@z JOIN #chan")
        bridge.answer("#chan", "first")
        tags, _, _ = (await bot.wait_for(":first")).partition(" ")
        bot.send(f"{tags} :bot!u@h PRIVMSG #chan :first")
        assert await bridge.next_acknowledged() == "1"
        bridge.decide(Outcome("2", "test", "#chan", "x", actions=(Action("kick"),)))
        await bot.wait_for("KICK #chan x")
        token = (await bot.wait_for("PING :said", 5.0)).partition(":")[2]
        assert bridge.acknowledged.empty()
        bot.send(f":rude PONG rude :{token}")
        assert await bridge.next_acknowledged() == "2"


async def test_a_reaction_is_heard_with_what_it_is_about() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await negotiated(server)
        bot.send(":bot!u@h JOIN #chan", "@msgid=q :x!y@z PRIVMSG #chan :hello")
        bot.send("@msgid=r;+draft/react=👍;+draft/reply=q :x!y@z TAGMSG #chan")
        said, reaction = await bridge.next(), await bridge.next()
        assert (reaction.kind, reaction.text, reaction.reply_to) == ("reaction", "👍", said.id)


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
