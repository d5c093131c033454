"""The IRC listener against a real ngircd, with real and raw clients on the other side."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chatbot.errors import ListenerError
from chatbot.listeners.irc import IrcListener, IrcSettings, Timing
from chatbot.messages import Outcome, Reply
from tests.servers.irc import IiClient, Ngircd, RawClient, free_port
from tests.servers.listening import PATIENCE, QUICK, MemoryBridge, listening, logged


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


async def test_a_message_of_a_real_client_is_heard_and_answered(
    ngircd: Ngircd, tmp_path: Path
) -> None:
    async with IiClient(tmp_path, ngircd.port, "ann") as ann:
        await ann.join("#chan")
        async with listening(settings(ngircd)) as bridge:
            await ann.wait_for("bot(", room="#chan")
            ann.say("#chan", "bot: héllo")
            message = await bridge.next()
            assert (message.network, message.room, message.sender) == ("test", "#chan", "ann")
            assert (message.text, message.nick) == ("bot: héllo", "bot")
            assert message.addressed
            assert not message.private
            assert message.time.tzinfo is not None
            bridge.answer("#chan", "hello ann")
            assert "<bot> hello ann" in await ann.wait_for("hello ann", room="#chan")
            assert await bridge.next_acknowledged() == "1"


async def test_replies_and_notices_leave_as_what_they_are(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        bridge.answer("#chan", "said")
        assert "PRIVMSG #chan :said" in await ann.wait_for(":said")
        bridge.answer("#chan", "noted", notice=True)
        assert "NOTICE #chan :noted" in await ann.wait_for(":noted")
        formatted = Reply("**a\\*b**", markdown=True, plain="a*b")
        bridge.decide(Outcome("9", "test", "#chan", "ann", (formatted,)))
        assert "PRIVMSG #chan :a*b" in await ann.wait_for(":a*b")


async def test_a_private_message_is_answered_in_private(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        ann.say("bot", "psst")
        message = await bridge.next()
        assert (message.room, message.text) == ("ann", "psst")
        assert message.private
        assert message.addressed
        bridge.answer("ann", "yes?")
        assert "PRIVMSG ann :yes?" in await ann.wait_for("yes?")


async def test_actions_are_heard_and_notices_and_requests_are_not(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        ann.send("NOTICE #chan :no", "NOTICE bot :no")
        ann.say("#chan", "\x01VERSION\x01", "\x01\x01", "\x01ACTION\x01", "", "  ")
        ann.say("#chan", "\x01ACTION waves\x01", "\x02bold\x02 \x0304red")
        assert [(await bridge.next()).text for _ in range(2)] == ["waves", "bold red"]
        assert bridge.heard.empty()


async def test_the_bot_does_not_hear_itself(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        bridge.answer("bot", "to myself")
        assert await bridge.next_acknowledged() == "1"
        ann.say("#chan", "after")
        assert (await bridge.next()).text == "after"


async def test_bytes_that_are_no_utf_8_end_nothing(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        ann.send(b"PRIVMSG #chan :caf\xe9 \xff\xfe", b"PRIVMSG #chan :\x10n\x10rx")
        assert (await bridge.next()).text == "caf\ufffd \ufffd\ufffd"
        assert (await bridge.next()).text == "x"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\0"])
async def test_a_reply_cannot_smuggle_a_command(ngircd: Ngircd, end: str) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        bridge.answer("#chan", f"one{end}PRIVMSG #chan :two{end}QUIT :gone", "last")
        await ann.wait_for(":last")
        said = [line.partition(" ")[2] for line in ann.lines if line.startswith(":bot!")]
        assert said[0] == "JOIN :#chan"
        assert [line.startswith("PRIVMSG #chan :") for line in said[1:]] == [True] * len(said[1:])
        assert "PRIVMSG #chan :two" not in said
        assert "".join(said).replace(" ", "").count("PRIVMSG#chan:two") == 1


@pytest.mark.parametrize("room", ["#chan\rQUIT", ":#chan", "#chan,#other", "a b", ""])
async def test_a_hostile_room_is_dropped_and_acknowledged(ngircd: Ngircd, room: str) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        bridge.answer(room, "lost")
        assert await bridge.next_acknowledged() == "1"
        bridge.answer("#chan", "fine", name="2")
        await ann.wait_for("fine")
        assert not any("lost" in line for line in ann.lines)


async def test_a_long_reply_arrives_whole(ngircd: Ngircd) -> None:
    text = "naïve 日本語 👩‍🚀 words " * 60
    async with person(ngircd) as ann, listening(settings(ngircd, lines=20)) as bridge:
        await ann.wait_for(joined())
        bridge.answer("#chan", text, "the end")
        await ann.wait_for("the end")
        said = [line.partition("PRIVMSG #chan :")[2] for line in ann.lines]
        whole = " ".join(piece for piece in said if piece and piece != "the end")
        assert whole.split() == text.split()
        assert "[CUT]" not in whole
        longest = max(len(line.encode()) for line in ann.lines) + 2
        assert 480 <= longest <= 512


async def test_two_hundred_messages_are_heard_in_order_with_ids_of_their_own(
    ngircd: Ngircd,
) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        ann.say("#chan", *(str(number) for number in range(200)))
        messages = [await bridge.next() for _ in range(200)]
        assert [message.text for message in messages] == [str(number) for number in range(200)]
        assert len({message.id for message in messages}) == 200


async def test_while_in_takes_nothing_the_server_is_not_read_and_nothing_is_lost(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        bridge.open.clear()
        ann.say("#chan", *(str(number) for number in range(1500)))
        ann.send("PING :all-said")
        await ann.wait_for("all-said")
        await logged(caplog, "paused reading")
        bridge.open.set()
        texts = [(await bridge.next()).text for _ in range(1500)]
        assert texts == [str(number) for number in range(1500)]


@pytest.mark.parametrize("delivery", ["at-least-once", "at-most-once"])
async def test_a_reply_that_waited_for_the_server_is_said_when_it_is_back(
    ngircd: Ngircd, delivery: str
) -> None:
    async with listening(settings(ngircd, delivery=delivery)) as bridge:
        async with person(ngircd) as ann:
            ann.say("#chan", "anybody?")
            await ann.wait_for(joined())
            await ngircd.kill()
        bridge.answer("#chan", "late but there")
        await ngircd.start()
        async with person(ngircd) as ann:
            await ann.wait_for("late but there")
            assert await bridge.next_acknowledged() == "1"
            ann.say("#chan", "thanks")
            assert (await bridge.next()).text == "thanks"


async def test_a_reply_into_a_frozen_server_is_said_again_to_the_next(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "chatbot")
    async with listening(settings(ngircd)) as bridge:
        async with person(ngircd) as ann:
            await ann.wait_for(joined())
            with ngircd.paused():
                bridge.answer("#chan", "into the void")
                await logged(caplog, "said a line")
                await ngircd.kill()
        assert bridge.acknowledged.empty()
        await ngircd.start()
        async with person(ngircd) as ann:
            await ann.wait_for("into the void")
            assert await bridge.next_acknowledged() == "1"


async def test_a_silent_server_is_left_and_found_again(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    async with person(ngircd) as ann, listening(settings(ngircd)):
        await ann.wait_for(joined())
        with ngircd.paused():
            await logged(caplog, "silent for")
        await ann.wait_for(lambda line: joined()(line) or joined("bot_")(line))


async def test_at_most_once_is_acknowledged_before_it_is_said(ngircd: Ngircd) -> None:
    chosen = settings(ngircd, delivery="at-most-once")
    async with person(ngircd) as ann, listening(chosen) as bridge:
        await ann.wait_for(joined())
        bridge.may_acknowledge.clear()
        bridge.answer("#chan", "too early")
        ann.say("#chan", "is it quiet?")
        await bridge.next()
        ann.send("PING :quiet")
        await ann.wait_for(":quiet")
        assert not any("too early" in line for line in ann.lines)
        bridge.may_acknowledge.set()
        await ann.wait_for("too early")


async def test_at_least_once_is_said_before_it_is_acknowledged(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        bridge.may_acknowledge.clear()
        bridge.answer("#chan", "first this")
        await ann.wait_for("first this")
        assert bridge.acknowledged.empty()
        bridge.may_acknowledge.set()
        assert await bridge.next_acknowledged() == "1"


async def test_a_kicked_bot_comes_back_and_says_what_waited(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        ann.send("MODE #chan +n", "KICK #chan bot :out")
        await ann.wait_for("KICK")
        bridge.answer("#chan", "back")
        await ann.wait_for(":back")
        assert sum(joined()(line) for line in ann.lines) == 2
        assert await bridge.next_acknowledged() == "1"


async def test_what_a_moderated_channel_does_not_take_is_dropped_in_the_end(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        ann.send("MODE #chan +m", "PING :moderated")
        await ann.wait_for("moderated")
        bridge.answer("#chan", "mumble")
        assert await bridge.next_acknowledged() == "1"
        assert "refused a line in #chan" in caplog.text
        assert "dropped a reply" in caplog.text


async def test_a_bot_that_is_always_kicked_gives_up_until_it_is_invited(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    stubborn = Timing(rejoin=0.02, rejoin_attempts=3)
    async with person(ngircd) as ann, listening(settings(ngircd), stubborn) as bridge:
        for _ in range(3):
            await ann.wait_for(joined())
            ann.send("KICK #chan bot :out")
        await logged(caplog, "gave up on #chan")
        bridge.answer("#chan", "too late")
        assert await bridge.next_acknowledged() == "1"
        ann.send("INVITE bot #chan")
        await ann.wait_for(joined())


async def test_a_taken_nick_is_replaced_and_regained(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann:
        other = await RawClient.connect(ngircd.port, "bot")
        async with listening(settings(ngircd), Timing(regain=600)) as bridge:
            await ann.wait_for(joined("bot_"))
            ann.say("#chan", "bot_: you?", "bot: you?")
            assert [(await bridge.next()).addressed for _ in range(2)] == [True, False]
            other.send("JOIN #chan")
            await ann.wait_for(joined("bot"))
            other.send("QUIT :bye")
            await ann.wait_for(lambda line: line.startswith(":bot_!") and "NICK :bot" in line)
            ann.say("#chan", "bot: now?")
            assert (await bridge.next()).addressed
        await other.close()


async def test_a_nick_whose_owner_is_out_of_sight_is_regained_in_time(ngircd: Ngircd) -> None:
    other = await RawClient.connect(ngircd.port, "bot")
    async with person(ngircd) as ann, listening(settings(ngircd)):
        await ann.wait_for(joined("bot_"))
        await other.close()
        await ann.wait_for(lambda line: line.startswith(":bot_!") and "NICK :bot" in line)


async def test_a_cancelled_bot_says_goodbye_and_leaves_nothing_unacknowledged(
    ngircd: Ngircd,
) -> None:
    async with person(ngircd) as ann:
        async with listening(settings(ngircd)) as bridge:
            await ann.wait_for(joined())
            bridge.answer("#chan", "last words")
            await ann.wait_for("last words")
        assert await bridge.next_acknowledged() == "1"
        line = await ann.wait_for("QUIT")
        assert line.startswith(":bot!")


async def test_a_wrong_server_password_is_an_error_after_a_few_attempts(tmp_path: Path) -> None:
    async with Ngircd(tmp_path, password="right") as server:
        listener = IrcListener("test", settings(server, password="wrong"), QUICK)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ListenerError, match="refuses the bot") as caught:
                await listener.run(MemoryBridge())
        assert "password" in caught.value.hint
        assert "wrong" not in str(caught.value)


async def test_the_right_server_password_lets_the_bot_in(tmp_path: Path) -> None:
    server = Ngircd(tmp_path, password="right")
    async with server, listening(settings(server, password="right")) as bridge:
        bridge.answer("bot", "am I in?")
        assert await bridge.next_acknowledged() == "1"


async def test_a_certificate_that_nobody_vouches_for_is_an_error_at_once(
    ngircd_tls: Ngircd,
) -> None:
    chosen = settings(ngircd_tls, server="localhost", tls=True)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ListenerError, match="cannot verify") as caught:
            await IrcListener("test", chosen, QUICK).run(MemoryBridge())
    assert "ca_file" in caught.value.hint


async def test_of_several_servers_each_must_prove_who_it_is(ngircd_tls: Ngircd) -> None:
    chosen = settings(ngircd_tls, server="localhost", servers=("127.0.0.1",), tls=True)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ListenerError, match=r"cannot verify .* 127\.0\.0\.1:\d+"):
            await IrcListener("test", chosen, QUICK).run(MemoryBridge())


async def test_a_private_authority_can_be_named(ngircd_tls: Ngircd) -> None:
    assert ngircd_tls.certificate is not None
    trusted = ngircd_tls.certificate.certificate
    chosen = settings(ngircd_tls, server="localhost", tls=True, ca_file=trusted)
    async with listening(chosen) as bridge:
        bridge.answer("bot", "am I in?")
        assert await bridge.next_acknowledged() == "1"


async def test_a_certificate_file_that_is_none_is_an_error(ngircd: Ngircd, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    with pytest.raises(ListenerError, match=r"wrong\.pem"):
        await IrcListener("test", settings(ngircd, tls=True, ca_file=wrong)).run(MemoryBridge())


async def test_nothing_that_people_wrote_is_logged_above_debug(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        ann.say("#chan", "my secret")
        await bridge.next()
        bridge.answer("#chan", "our secret")
        await ann.wait_for("our secret")
    assert "secret" not in caplog.text
    assert "connected to test as bot" in caplog.text


async def test_a_burst_leaves_at_the_rate_that_is_set(ngircd: Ngircd) -> None:
    chosen = settings(ngircd, rate=20, burst=4)
    patient = dataclasses.replace(QUICK, ping=5.0, silence=15.0)
    async with person(ngircd) as ann, listening(chosen, patient) as bridge:
        await ann.wait_for(joined())
        begun = asyncio.get_running_loop().time()
        for number in range(20):
            bridge.answer("#chan", f"line {number}", name=str(number))
        await ann.wait_for("line 19")
        assert asyncio.get_running_loop().time() - begun > 0.7
        said = [line.rpartition("line ")[2] for line in ann.lines if "line " in line]
        assert said == [str(number) for number in range(20)]


async def test_an_action_that_names_the_bot_addresses_it(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        ann.say("#chan", "\x01ACTION pats Bot, kindly\x01", "\x01ACTION packs its botany\x01")
        found = [await bridge.next() for _ in range(2)]
        assert [(each.kind, each.addressed) for each in found] == [
            ("action", True),
            ("action", False),
        ]


@pytest.mark.parametrize(
    ("invites", "comes"),
    [(True, True), (("*!*@127.0.0.?",), True), (("*!*@staff",), False), (("account:ann",), False)],
)
async def test_the_bot_comes_where_it_is_invited_by_who_may(
    ngircd: Ngircd, invites: bool | tuple[str, ...], comes: bool
) -> None:
    chosen = settings(ngircd, invites=invites)
    async with person(ngircd, "ann", "#chan", "#other") as ann, listening(chosen) as bridge:
        await ann.wait_for(joined())
        ann.send("INVITE bot #other", "PRIVMSG bot :come!")
        await bridge.next()
        bridge.answer("#chan", "well")
        if comes:
            await ann.wait_for(joined(channel="#other"))
            bridge.answer("#other", "here I am", name="2")
            await ann.wait_for("PRIVMSG #other :here I am")
        else:
            await ann.wait_for(":well")
            assert not any("JOIN :#other" in line and ":bot!" in line for line in ann.lines)


async def test_the_next_server_is_tried_when_one_does_not_let_the_bot_in(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    dead = free_port()
    chosen = settings(ngircd, port=dead, servers=(f"localhost:{dead}", f"[::1]:{ngircd.port}"))
    chosen = dataclasses.replace(chosen, servers=(*chosen.servers, f"127.0.0.1:{ngircd.port}"))
    async with person(ngircd) as ann, listening(chosen):
        await ann.wait_for(joined())
        assert caplog.text.count("disconnected from test") == 3
