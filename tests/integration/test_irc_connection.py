"""The bot's connection to a real ngircd: which server, who vouches for it, and under which nick."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from pathlib import Path

import pytest

from chatbot.errors import ListenerError
from chatbot.listeners.irc import IrcListener, Timing
from tests.servers.channel import joined, person, settings
from tests.servers.irc import Ngircd, RawClient, free_port
from tests.servers.listening import PATIENCE, QUICK, MemoryBridge, listening, logged


async def test_a_silent_server_is_left_and_found_again(
    ngircd: Ngircd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    async with person(ngircd) as ann, listening(settings(ngircd)):
        await ann.wait_for(joined())
        with ngircd.paused():
            await logged(caplog, "silent for")
        await ann.wait_for(lambda line: joined()(line) or joined("bot_")(line))


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
