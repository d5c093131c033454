"""Messages and replies that wait on IRC: none is lost, and each is acknowledged in its time."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

import pytest

from tests.servers.channel import joined, person, settings
from tests.servers.irc import Ngircd
from tests.servers.listening import QUICK, listening, logged


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
