"""The IRC listener against servers that are broken or want to break it."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from typing import Any

import pytest

from chatbot.errors import ListenerError
from chatbot.listeners.irc import IrcListener, IrcSettings, Timing
from chatbot.messages import Action, Outcome
from tests.servers.irc import RawClient, RudeServer
from tests.servers.listening import PATIENCE, QUICK, MemoryBridge, listening, logged

ACCOUNT = {"account": "robot", "account_password": "hunter2"}
HASTY = Timing(register=0.1, services=0.1, relist=0.05, leave=0.1, backoff=0.25, backoff_most=0.25)


def settings(server: RudeServer, **changes: Any) -> IrcSettings:
    usual = {"port": server.port, "tls": False, "nick": "bot", "channels": ("#chan",)}
    return IrcSettings(server="127.0.0.1", **{**usual, "rate": 1000, "burst": 1000, **changes})


async def sasl(server: RudeServer) -> RawClient:
    """Take a connection as far as the challenge that the bot waits for."""
    bot = await server.accept()
    await bot.wait_for("USER ")
    bot.send(":rude CAP * LS :sasl")
    await bot.wait_for("CAP REQ :sasl")
    bot.send(":rude CAP * ACK :sasl")
    await bot.wait_for("AUTHENTICATE PLAIN")
    return bot


@pytest.mark.parametrize(
    "answers",
    [
        ["AUTHENTICATE !!!"],
        ["AUTHENTICATE"],
        ["AUTHENTICATE " + "A" * 400] * 50,
        ["AUTHENTICATE +", ":rude 904 bot :no"],
        [":rude 904 bot :no"],
        [":rude 908 bot EXTERNAL :only", ":rude 904 bot :no"],
        [":rude 001 bot :welcome without a login", ":rude 904 bot :no"],
        [":rude 906"],
    ],
)
async def test_whatever_a_login_ends_in_but_success_the_bot_never_joins(answers: list[str]) -> None:
    async with RudeServer() as server, asyncio.timeout(PATIENCE):
        listener = IrcListener("test", settings(server, **ACCOUNT), HASTY)
        running = asyncio.create_task(listener.run(MemoryBridge()))
        while not running.done():
            accepting = asyncio.create_task(sasl(server))
            await asyncio.wait({running, accepting}, return_when=asyncio.FIRST_COMPLETED)
            if not accepting.done():
                accepting.cancel()
                break
            bot = accepting.result()
            bot.send(*answers)
            with pytest.raises((ConnectionError, TimeoutError)):
                await bot.wait_for("JOIN ", 5.0)
            assert not any("CAP END" in line for line in bot.lines)
        with pytest.raises(ListenerError, match="the login failed") as caught:
            await running
        assert "hunter2" not in f"{caught.value} {caught.value.hint}"


async def test_a_server_that_lets_the_bot_in_before_it_could_log_in_is_left() -> None:
    async with RudeServer() as server, asyncio.timeout(PATIENCE):
        listener = IrcListener("test", settings(server, **ACCOUNT), HASTY)
        running = asyncio.create_task(listener.run(MemoryBridge()))
        for _ in range(3):
            bot = await server.accept()
            await bot.wait_for("USER ")
            bot.send(":rude 001 bot :come in")
            with pytest.raises(ConnectionError):
                await bot.wait_for("JOIN ", 5.0)
        with pytest.raises(ListenerError, match="no SASL there"):
            await running


async def test_services_that_never_answer_are_given_time(caplog: pytest.LogCaptureFixture) -> None:
    async with RudeServer() as server, listening(settings(server, **ACCOUNT), HASTY):
        for _ in range(4):
            bot = await sasl(server)
            bot.send("AUTHENTICATE +")
            await logged(caplog, "no answer from the services")
            caplog.clear()


async def test_a_bot_that_was_logged_out_logs_in_again_when_it_can() -> None:
    async with RudeServer() as server, listening(settings(server, **ACCOUNT), QUICK):
        bot = await sasl(server)
        bot.send("AUTHENTICATE +")
        await bot.wait_for("AUTHENTICATE cm9ib3QA")
        bot.send(":rude 900 bot bot!u@h robot :logged in", ":rude 903 bot :yes")
        await bot.wait_for("CAP END")
        bot.send(":rude 001 bot :hi")
        await bot.wait_for("JOIN #chan")
        bot.send(":rude 901 bot bot!u@h :logged out")
        await bot.wait_for("AUTHENTICATE PLAIN")
        bot.send(":rude 904 bot :not now", ":rude CAP bot DEL :sasl")
        bot.send(":rude CAP bot NEW :sasl=EXTERNAL,PLAIN")
        await bot.wait_for("CAP REQ :sasl")
        bot.send(":rude CAP bot ACK :sasl")
        await bot.wait_for("AUTHENTICATE PLAIN")
        assert server.connections == 1


async def test_a_welcome_to_nobody_is_one_to_the_bot() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await server.accept()
        await bot.wait_for("USER ")
        bot.send(":rude 001 :", ":bot!u@h JOIN #chan", ":x!y@z PRIVMSG #chan :bot: there?")
        assert (await bridge.next()).addressed


async def test_a_server_without_capabilities_is_no_hindrance_without_an_account() -> None:
    async with RudeServer() as server, listening(settings(server)):
        bot = await server.accept()
        await bot.wait_for("USER ")
        bot.send(":rude 421 bot CAP :Unknown command", ":rude 001 bot :hi")
        await bot.wait_for("JOIN #chan")


@pytest.mark.parametrize(
    "answers",
    [
        [":rude CAP * LS :batch"],
        [":rude CAP * LS :batch", ":rude CAP * ACK :something-else"],
        [":rude CAP * LS * :batch"] * 1000,
        [":rude CAP * LS * :" + " ".join(f"x{n}" for n in range(1000))] * 20,
        [":rude 001", "001"],
        [f":rude 372 bot :line {number}" for number in range(5000)],
        [":rude 433 * bot :in use"] * 200,
        ["PING :x"] * 2000,
        [":rude NOTICE * :" + "x" * 70_000] * 5,
    ],
)
async def test_a_server_that_never_says_welcome_is_left_and_tried_again(
    answers: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with RudeServer() as server, listening(settings(server), HASTY):
        for _ in range(2):
            bot = await server.accept()
            await bot.wait_for("USER ")
            bot.send(*answers)
            await logged(caplog, "disconnected from test")
            caplog.clear()
            assert not any("JOIN" in line for line in bot.lines)


@pytest.mark.parametrize(
    "farewell",
    [
        lambda bot: bot.send("ERROR :Closing Link"),
        lambda bot: bot.send(":rude 001 bot :hi", ":bot!u@h JOIN #chan", "ERROR :bye"),
        lambda bot: None,
    ],
)
async def test_the_bot_comes_back_never_more_than_a_few_times_a_second(
    farewell: Callable[[RawClient], None],
) -> None:
    async with RudeServer() as server, listening(settings(server), Timing()):
        begun = asyncio.get_running_loop().time()
        for _ in range(3):
            bot = await server.accept()
            farewell(bot)
            await bot.close()
        assert asyncio.get_running_loop().time() - begun > 0.6


async def test_half_a_tls_handshake_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    hasty = Timing(connect=0.3, backoff=0.25, backoff_most=0.25)
    async with RudeServer() as server, listening(settings(server, tls=True), hasty):
        await server.accept()  # and not a byte
        await logged(caplog, "no TLS connection within")
        assert f"has port {server.port} TLS? if it has none, set `tls: false`" in caplog.text
        bot = await server.accept()
        caplog.clear()
        await bot.close()  # in the middle
        await logged(caplog, "disconnected from test")
        bot = await server.accept()
        caplog.clear()
        bot.send(b"\x16\x03\x03\x40\x00" + b"\0" * 70_000)
        await logged(caplog, "disconnected from test")
        await server.accept()


FEATURES = [
    ":rude 005 bot CHANMODES= EXTBAN= MODES=x PREFIX=(qov)~@+ CASEMAPPING= :are",
    ":rude 005 bot CHANMODES EXTBAN=$$,,a NICKLEN=-5 CHANTYPES=# :are",
    ":rude 005 bot CHANMODES=,,,,,,, EXTBAN=7 :are",
]


@pytest.mark.parametrize("features", FEATURES)
async def test_actions_survive_what_a_server_says_of_itself(
    features: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await server.welcome()
        bot.send(features, ":x!y@z JOIN #chan")
        for number, kind in enumerate(("mute", "ban", "unban", "unmute", "kick")):
            bridge.decide(Outcome(str(number), "test", "#chan", "x", actions=(Action(kind),)))
            answering = asyncio.create_task(pongs(bot))
            assert await bridge.next_acknowledged() == str(number)
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
        sent = [line for line in bot.lines if line.startswith(("MODE", "KICK"))]
        assert any(line.startswith("KICK #chan x") for line in sent)
        assert all(len(line) < 100 for line in sent)


async def test_a_storm_of_refusals_is_told_once_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await server.welcome()
        bot.send(":x!y@z JOIN #chan")
        bridge.decide(Outcome("1", "test", "#chan", "x", actions=(Action("kick"),)))
        await bot.wait_for("KICK #chan x")
        bot.send(*[":rude 482 bot #chan :no", ":rude 401 bot x :no", ":rude 696 bot"] * 1000)
        await pongs(bot, 1)
        assert await bridge.next_acknowledged() == "1"
        assert caplog.text.count("give it +o there") == 1
        assert bot.lines[-1].startswith("PING"), "it was tried once"


async def test_names_longer_than_a_line_end_nothing(caplog: pytest.LogCaptureFixture) -> None:
    name, channel = "n" * 300, "#" + "c" * 600
    async with RudeServer() as server:
        async with listening(settings(server, invites=True)) as bridge:
            bot = await server.accept()
            await bot.wait_for("USER ")
            bot.send(":rude CAP * LS :account-notify extended-join")
            asked = await bot.wait_for("CAP REQ")
            bot.send(f":rude CAP * ACK {asked.removeprefix('CAP REQ ')}")
            await bot.wait_for("CAP END")
            bot.send(":rude 001 bot :hi", ":rude 005 bot WHOX :are", ":bot!u@h JOIN #chan * :b")
            bot.send(f":bot!u@h JOIN {channel} * :b", f":{name}!{name}@{name} JOIN #chan * :b")
            bot.send(f":x!y@z INVITE bot {channel}", f":x!y@{name} JOIN {channel} * :x")
            await logged(caplog, "dropped a command that is too long")
            answering = asyncio.create_task(pongs(bot))
            for number, room in enumerate((channel, "#chan")):
                bridge.decide(Outcome(str(number), "test", room, "x", actions=(Action("ban"),)))
                assert await bridge.next_acknowledged() == str(number)
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            bot.send(":x!y@z PRIVMSG #chan :still here")
            assert (await bridge.next()).text == "still here"
            assert server.connections == 1


async def test_a_server_that_floods_makes_the_bot_no_bigger() -> None:
    async with RudeServer() as server, listening(settings(server)) as bridge:
        bot = await server.welcome()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(300):
            bot.send(b"x" * 70_000)
            bot.send(*(f":n{number}x{i}!u@{'h' * 60} JOIN #chan" for i in range(50)))
            bot.send(
                f"@batch=b{number};msgid=m{number} :s!u@h TAGMSG #chan", "BATCH +x chathistory"
            )
            bot.send(f":s!u@h INVITE bot #c{number}", f":rude 005 bot F{number}=1 :are")
            await bot._writer.drain()
        bot.send(":x!y@z PRIVMSG #chan :still here")
        assert (await bridge.next()).text == "still here"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, "in KiB"


async def pongs(bot: RawClient, count: int = 10**6) -> None:
    """Answer the bot's PINGs; and nothing else."""
    for _ in range(count):
        token = (await bot.wait_for("PING :")).partition(":")[2]
        bot.send(f":rude PONG rude :{token}")
