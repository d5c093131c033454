"""What the IRC listener hears and says on a real ngircd, with real and raw clients beside it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from chatbot.messages import Outcome, Reply
from tests.servers.channel import joined, person, settings
from tests.servers.irc import IiClient, Ngircd
from tests.servers.listening import listening


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


async def test_an_action_that_names_the_bot_addresses_it(ngircd: Ngircd) -> None:
    async with person(ngircd) as ann, listening(settings(ngircd)) as bridge:
        await ann.wait_for(joined())
        ann.say("#chan", "\x01ACTION pats Bot, kindly\x01", "\x01ACTION packs its botany\x01")
        found = [await bridge.next() for _ in range(2)]
        assert [(each.kind, each.addressed) for each in found] == [
            ("action", True),
            ("action", False),
        ]
