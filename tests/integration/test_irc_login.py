"""Logging in to the services of a real network before anything is said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chatbot.errors import ListenerError
from chatbot.listeners.irc import IrcListener, IrcSettings, Timing
from tests.servers.inspircd import Atheme, Inspircd, services
from tests.servers.irc import Certificate, RawClient, present
from tests.servers.listening import PATIENCE, QUICK, MemoryBridge, listening, logged

ACCOUNT = "robot"
PASSWORD = "hunter2"
SLOW = pytest.mark.crash  # InspIRCd takes a second for each connection
IMPATIENT = Timing(services=0.4, backoff=0.25, backoff_most=0.25)
JOINED = ":bot!"


def settings(server: Inspircd, **changes: Any) -> IrcSettings:
    usual: dict[str, Any] = {
        "server": "localhost",
        "port": server.port,
        "tls": server.certificate is not None,
        "nick": "bot",
        "channels": ("#chan",),
        "rate": 1000,
        "burst": 1000,
    }
    if server.certificate is not None:
        usual["ca_file"] = server.certificate.certificate
    return IrcSettings(**{**usual, **changes})


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[tuple[Inspircd, Atheme]]:
    """A network with TLS and services, where the bot has an account and a certificate."""
    certificate = Certificate.make(tmp_path)
    async with Inspircd(tmp_path, certificate) as server, services(server) as atheme:
        await atheme.register(ACCOUNT, PASSWORD, certificate.certificate)
        yield server, atheme


async def account_of(client: RawClient, nick: str) -> str:
    """Return the account that the network has made sure of for `nick`, empty for none."""
    client.send(f"WHOIS {nick}")
    line = await client.wait_for(lambda line: " 330 " in line or " 318 " in line)
    if " 318 " in line:
        return ""
    await client.wait_for(" 318 ")
    return line.split()[4]


async def ended(chosen: IrcSettings, timing: Timing = IMPATIENT) -> ListenerError:
    """Run a listener until it gives up; return why."""
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ListenerError) as caught:
            await IrcListener("test", chosen, timing).run(MemoryBridge())
    return caught.value


async def test_a_bot_is_logged_in_by_password_when_it_joins(
    network: tuple[Inspircd, Atheme], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server, _ = network
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    async with present(server.plain, "ann") as ann:
        chosen = settings(server, account=ACCOUNT, account_password_file=secret)
        async with listening(chosen):
            await ann.wait_for("JOIN :#chan")
            assert await account_of(ann, "bot") == ACCOUNT
            assert PASSWORD not in caplog.text


async def test_a_bot_is_logged_in_by_its_certificate(network: tuple[Inspircd, Atheme]) -> None:
    server, _ = network
    assert server.certificate is not None
    pem = server.folder / "both.pem"
    pem.write_bytes(
        server.certificate.certificate.read_bytes() + server.certificate.key.read_bytes()
    )
    async with present(server.plain, "ann") as ann:
        async with listening(settings(server, certificate=pem)):
            await ann.wait_for("JOIN :#chan")
            assert await account_of(ann, "bot") == ACCOUNT


@SLOW
async def test_the_nick_of_its_account_is_freed_by_the_services(
    network: tuple[Inspircd, Atheme],
) -> None:
    server, _ = network
    chosen = settings(server, nick=ACCOUNT, account=ACCOUNT, account_password=PASSWORD)
    async with present(server.plain, "ann") as ann, present(server.plain, ACCOUNT, "#else"):
        async with listening(chosen, Timing(regain=3600.0)):
            await ann.wait_for("JOIN :#chan")
            await ann.wait_for(f"NICK :{ACCOUNT}")
            assert await account_of(ann, ACCOUNT) == ACCOUNT


@pytest.mark.parametrize(
    "how",
    ["password", pytest.param("certificate", marks=SLOW), pytest.param("nickserv", marks=SLOW)],
)
async def test_a_bot_that_is_not_believed_stops_and_never_joins(
    network: tuple[Inspircd, Atheme], how: str, tmp_path: Path
) -> None:
    server, _ = network
    async with present(server.plain, "ann") as ann:
        if how == "certificate":
            (tmp_path / "other").mkdir()
            other = Certificate.make(tmp_path / "other")
            pem = tmp_path / "other.pem"
            pem.write_bytes(other.certificate.read_bytes() + other.key.read_bytes())
            chosen = settings(server, account=ACCOUNT, certificate=pem)
        else:
            chosen = settings(server, account=ACCOUNT, account_password="wrong-one")
            if how == "nickserv":
                chosen = settings(
                    server,
                    sasl="none",
                    nickserv=True,
                    account=ACCOUNT,
                    account_password="wrong-one",
                )
        error = await ended(chosen, Timing(services=5, backoff=0.25, backoff_most=0.25))
        assert "the login failed" in str(error)
        assert "account_password" in error.hint
        assert "wrong-one" not in f"{error} {error.hint}"
        ann.send("PING :done")
        await ann.wait_for(":done")
        assert not any("JOIN" in line and line.startswith(JOINED) for line in ann.lines)


@SLOW
async def test_without_services_a_bot_with_an_account_stays_away(
    inspircd: Inspircd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    chosen = settings(inspircd, account=ACCOUNT, account_password=PASSWORD)
    async with present(inspircd.plain, "ann") as ann:
        async with listening(chosen, IMPATIENT):
            for _ in range(2):
                await logged(caplog, "waits for the services")
                await logged(caplog, "disconnected from test: no SASL there")
                caplog.clear()
        assert not any("JOIN" in line and line.startswith(JOINED) for line in ann.lines)


@SLOW
async def test_services_that_link_late_are_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    async with Inspircd(tmp_path) as server:
        async with services(server) as atheme:
            await atheme.register(ACCOUNT, PASSWORD)
        async with present(server.plain, "ann") as ann:
            chosen = settings(server, account=ACCOUNT, account_password=PASSWORD)
            async with listening(chosen, Timing(services=15, relist=0.1)):
                await logged(caplog, "waits for the services")
                async with services(server):
                    await ann.wait_for("JOIN :#chan", PATIENCE)
                    assert await account_of(ann, "bot") == ACCOUNT
                    assert "in clear: no TLS" in caplog.text


@SLOW
async def test_a_bot_that_may_do_without_joins_and_logs_in_when_the_services_are_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatbot")
    async with Inspircd(tmp_path) as server:
        async with services(server) as atheme:
            await atheme.register(ACCOUNT, PASSWORD)
        async with present(server.plain, "ann") as ann:
            chosen = settings(
                server, account=ACCOUNT, account_password=PASSWORD, account_required=False
            )
            async with listening(chosen, Timing(services=1.0, regain=0.2)):
                await ann.wait_for("JOIN :#chan")
                assert await account_of(ann, "bot") == ""
                assert "goes on without an account on test: no SASL" in caplog.text
                async with services(server):
                    await logged(caplog, f"logged in on test as {ACCOUNT}")
                    assert await account_of(ann, "bot") == ACCOUNT


@SLOW
async def test_nickserv_is_the_way_in_where_there_is_no_sasl(tmp_path: Path) -> None:
    async with Inspircd(tmp_path, without=("sasl",)) as server, services(server) as atheme:
        await atheme.register(ACCOUNT, PASSWORD)
        async with present(server.plain, "ann") as ann:
            chosen = settings(server, account=ACCOUNT, account_password=PASSWORD, nickserv=True)
            async with listening(chosen, Timing(services=1)):
                await ann.wait_for("JOIN :#chan")
                assert await account_of(ann, "bot") == ACCOUNT


@SLOW
async def test_a_person_called_nickserv_is_told_no_password(
    inspircd: Inspircd, caplog: pytest.LogCaptureFixture
) -> None:
    async with present(inspircd.plain, "NickServ") as thief:
        chosen = settings(
            inspircd, sasl="none", account=ACCOUNT, account_password=PASSWORD, nickserv=True
        )
        error = await ended(chosen)
        assert "none of the network's services" in str(error)
        thief.send("PING :done")
        await thief.wait_for(":done")
        assert not any("IDENTIFY" in line or line.startswith(JOINED) for line in thief.lines)


async def test_a_network_that_knows_no_sasl_is_refused_soon(tmp_path: Path) -> None:
    async with Inspircd(tmp_path, without=("sasl", "ircv3_capnotify")) as server:
        chosen = settings(server, account=ACCOUNT, account_password=PASSWORD)
        error = await ended(chosen, QUICK)
        assert "no SASL there" in str(error)
        assert "nickserv" in error.hint
