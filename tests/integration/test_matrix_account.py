"""Who the bot is on Matrix: its server, its token, its device."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chatbot.errors import ListenerError
from chatbot.listeners.matrix import MatrixListener, MatrixSettings, discovery
from chatbot.listeners.matrix.breaker import Breaker
from chatbot.listeners.matrix.wire import Wire, tls_context
from chatbot.messages import Outcome, Reply
from tests.servers.irc import Certificate, free_port
from tests.servers.listening import MemoryBridge
from tests.servers.matrix import QUICK, MatrixVenue, listening, settings


async def refusal(venue: MatrixVenue, **changes: Any) -> ListenerError:
    """Return why the listener stops."""
    listener = MatrixListener("venue", settings(venue, **changes), QUICK, venue.folder)
    with pytest.raises(ListenerError) as raised:
        async with asyncio.timeout(15):
            await listener.run(MemoryBridge())
    return raised.value


async def test_a_password_gives_a_token_that_is_kept_and_one_device(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    password = {"token": "", "password": venue.bot.password}
    async with listening(venue, **password) as bridge:
        (kept,) = (venue.folder / "matrix").glob("*.token")
        first = kept.read_text()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    async with listening(venue, bridge, **password):
        assert kept.read_text() == first, "it did not log in again"
    devices = await account(venue, "GET", "devices")
    assert len([d for d in devices["devices"] if d["device_id"].startswith("CHATBOT")]) == 1
    assert venue.bot.password not in caplog.text


@pytest.mark.crash
async def test_a_token_that_is_taken_away_is_replaced_by_the_password(
    venue: MatrixVenue,
) -> None:
    password = {"token": "", "password": venue.bot.password}
    async with listening(venue, **password) as bridge:
        await venue.say("ann", "one")
        await bridge.next()
        await venue.people["ann"].create()  # something else
        await account(venue, "POST", "logout/all", {})
        await venue.say("ann", "two")
        assert (await bridge.next()).text == "two"
        bridge.decide(Outcome("$x", "venue", venue.room, "", (Reply("still there"),)))
        await venue.people["ann"].until_said(venue.room, venue.bot.id, "still there")


async def test_a_token_that_is_taken_away_stops_a_bot_without_a_password(
    venue: MatrixVenue,
) -> None:
    listener = MatrixListener("venue", settings(venue), QUICK, venue.folder)
    running = asyncio.ensure_future(listener.run(MemoryBridge()))
    await venue.present()
    await account(venue, "POST", "logout/all", {})
    async with asyncio.timeout(15):
        with pytest.raises(ListenerError, match="takes the token of") as raised:
            await running
    assert venue.bot.token not in str(raised.value)
    assert "matrix.md" in raised.value.hint


async def test_a_wrong_token_stops_with_a_hint(venue: MatrixVenue) -> None:
    error = await refusal(venue, token="syt_wrong")
    assert "refuses the token" in str(error)
    assert "syt_wrong" not in str(error)
    assert error.hint


@pytest.mark.crash
async def test_a_wrong_password_stops_with_a_hint(venue: MatrixVenue) -> None:
    error = await refusal(venue, token="", password="no-s3cret")
    assert "refuses the password" in str(error)
    assert "no-s3cret" not in str(error)
    assert "single sign-on" in error.hint


@pytest.mark.crash
async def test_the_token_of_somebody_else_is_not_used(venue: MatrixVenue) -> None:
    error = await refusal(venue, token=venue.people["ann"].user.token)
    assert f"the token is that of {venue.sender('ann')}" in str(error)


@pytest.mark.crash
async def test_secrets_may_lie_in_files(venue: MatrixVenue, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{venue.bot.token}\n")
    async with listening(venue, token="", token_file=file) as bridge:
        await venue.say("ann", "hi")
        assert (await bridge.next()).text == "hi"


@pytest.mark.crash
async def test_a_server_that_is_away_at_the_start_is_waited_for(venue: MatrixVenue) -> None:
    venue.server.kill()
    bridge = MemoryBridge()
    listener = MatrixListener("venue", settings(venue), QUICK, venue.folder)
    running = asyncio.ensure_future(listener.run(bridge))
    await asyncio.to_thread(venue.server.start)
    await venue.present()
    await venue.say("ann", "here")
    assert (await bridge.next()).text == "here"
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def account(venue: MatrixVenue, method: str, path: str, body: Any = None) -> Any:
    """Ask the server as the bot's owner."""
    full = f"/_matrix/client/v3/{path}"
    return await asyncio.to_thread(venue.server.ask, method, full, body, token=venue.bot.token)


@asynccontextmanager
async def well_known(
    folder: Path, answer: web.Response | None
) -> AsyncIterator[tuple[MatrixSettings, int]]:
    """Serve a `.well-known` file for localhost, with TLS."""
    certificate = Certificate.make(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)

    async def page(_: web.Request) -> web.Response:
        return answer or web.Response(status=404, text="<h1>nothing here</h1>")

    app, port = web.Application(), free_port()
    app.router.add_get("/.well-known/matrix/client", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    chosen = MatrixSettings(user="@bot:localhost:9", token="x", ca_file=certificate.certificate)
    try:
        yield chosen, port
    finally:
        await runner.cleanup()


async def found(chosen: MatrixSettings, port: int) -> str:
    context = tls_context(chosen.ca_file)
    breaker = Breaker("test", 0.25, 0.5)
    async with asyncio.timeout(10):
        return await discovery.homeserver(chosen, context, QUICK, breaker, port=port)


async def test_the_server_is_where_the_name_s_file_says(tmp_path: Path) -> None:
    file = web.json_response({"m.homeserver": {"base_url": "https://matrix.example.org/"}})
    async with well_known(tmp_path, file) as where:
        assert await found(*where) == "https://matrix.example.org"


async def test_without_a_file_the_name_is_the_server_s(tmp_path: Path) -> None:
    async with well_known(tmp_path, None) as (chosen, port):
        assert await found(chosen, port) == f"https://localhost:{port}"


async def test_a_file_that_leads_to_clear_text_is_refused(tmp_path: Path) -> None:
    file = web.json_response({"m.homeserver": {"base_url": "http://matrix.example.org"}})
    async with well_known(tmp_path, file) as where:
        with pytest.raises(ListenerError, match="names no address with https"):
            await found(*where)


async def test_a_certificate_that_nobody_vouches_for_stops(tmp_path: Path) -> None:
    async with well_known(tmp_path, None) as (_, port):
        breaker = Breaker("test", 0.25, 0.5)
        async with Wire(f"https://localhost:{port}", tls_context(None), QUICK, breaker) as wire:
            with pytest.raises(ListenerError, match="cannot verify the certificate"):
                await wire.request("GET", "/_matrix/client/versions")
