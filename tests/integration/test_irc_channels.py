"""Channels that the bot is kicked out of, may not speak in, or is invited to, on a real ngircd."""

from __future__ import annotations

import logging

import pytest

from chatbot.listeners.irc import Timing
from tests.servers.channel import joined, person, settings
from tests.servers.irc import Ngircd
from tests.servers.listening import listening, logged


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
