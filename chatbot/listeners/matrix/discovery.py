"""Where a server name's client API is, as its `.well-known` file says.

Source: the client-server API of Matrix, "Well-known URI".
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from chatbot.errors import ListenerError
from chatbot.listeners.matrix.breaker import Breaker, LostError, at_once
from chatbot.listeners.matrix.events import mapping, string
from chatbot.listeners.matrix.settings import MatrixSettings, Timing, is_address
from chatbot.listeners.matrix.wire import LimitedError, RefusedError, Wire

log = logging.getLogger(__name__)

PATH = "/.well-known/matrix/client"


async def homeserver(
    settings: MatrixSettings,
    context: ssl.SSLContext,
    timing: Timing,
    breaker: Breaker,
    *,
    port: int = 443,
) -> str:
    """Return the base address of the client API; wait for a server that is away.

    That is `settings.homeserver`, or what the server name leads to (at `port`). Raises
    `ListenerError` where it leads to nothing that could be one.
    """
    if settings.homeserver:
        _warn_of_clear_text(settings.homeserver)
        return settings.homeserver
    host = _host(settings.server_name)
    base = f"https://{host}" if port == 443 else f"https://{host}:{port}"
    async with Wire(base, context, timing, breaker) as wire:
        while (found := await _asked(wire)) is None:
            pass  # the breaker makes us wait
    return _address(found, settings.server_name) if found else base


async def _asked(wire: Wire) -> Mapping[str, Any] | None:
    """Return what the file says, nothing where there is none; `None` if it cannot be had now."""
    try:
        async with wire.breaker.attempt(at_once):
            return await _read(wire)
    except LimitedError as error:
        await asyncio.sleep(error.seconds)
    except LostError:
        pass
    except RefusedError:
        return {}
    return None


async def _read(wire: Wire) -> Mapping[str, Any]:
    try:
        return await wire.apart("GET", PATH)
    except LostError as error:
        if error.status == 404:  # with a page instead of JSON
            return {}
        raise


def _address(found: Mapping[str, Any], server_name: str) -> str:
    address = string(mapping(found.get("m.homeserver")).get("base_url")).rstrip("/")
    if not is_address(address, ("https",)):
        raise ListenerError(
            f"https://{_host(server_name)}{PATH} names no address with https",
            hint="give the server's address as `homeserver`",
        )
    return address


def _host(server_name: str) -> str:
    """Return the host of a server name, which may have a port."""
    host, colon, port = server_name.rpartition(":")
    return host if colon and port.isdigit() and not host.endswith(":") else server_name


def _warn_of_clear_text(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        log.warning("talking to %s in clear: whoever listens in has the token", address)
