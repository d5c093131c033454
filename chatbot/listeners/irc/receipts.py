"""Receipts: IRC confirms no message, but a server answers a PING after what came before it."""

from __future__ import annotations

import asyncio
import itertools
import logging

from irc.client import Event

from chatbot.listeners.irc.commands import Commands
from chatbot.listeners.irc.wire import Wire

log = logging.getLogger(__name__)


class Receipts:
    """Says when the server has processed all that was sent to it on this connection."""

    def __init__(self, network: str, wire: Wire, commands: Commands, patience: float) -> None:
        self._network = network
        self._wire = wire
        self._commands = commands
        self._patience = patience
        self._numbers = itertools.count(1)
        self._awaited: dict[str, asyncio.Event] = {}
        self._given = True

    async def receipt(self) -> bool:
        """Return whether the server has processed what was sent; false if it is gone.

        A server that goes on talking but never answers is believed to have.
        """
        while self._given and not self._wire.lost.is_set():
            asked = asyncio.get_running_loop().time()
            if await self._ask(f"said-{next(self._numbers)}"):
                break
            if self._wire.received > asked and not self._wire.lost.is_set():
                log.warning("unanswered PING on %s: replies go unconfirmed", self._network)
                self._given = False
        return not self._wire.lost.is_set()

    def on_pong(self, event: Event) -> None:
        """Take the answer to one of our PINGs; some servers leave out the token."""
        for token in event.arguments[-1:] or tuple(self._awaited):
            if (answered := self._awaited.get(token)) is not None:
                answered.set()

    async def _ask(self, token: str) -> bool:
        self._awaited[token] = answered = asyncio.Event()
        self._commands.send_now(f"PING :{token}")
        try:
            async with asyncio.timeout(self._patience):
                return await answered.wait()
        except TimeoutError:
            return False
        finally:
            del self._awaited[token]
