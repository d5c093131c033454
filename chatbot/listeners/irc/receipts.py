"""Receipts: IRC confirms no message, but a server answers a PING after what came before it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from irc.client import Event

from chatbot.listeners.irc.commands import Commands
from chatbot.listeners.irc.wire import Wire

log = logging.getLogger(__name__)


LABELLED = frozenset({"echo-message", "labeled-response"})
"""What a server must have granted to confirm each line by its label."""

EXPECTED = 256
"""Lines that may be on their way back; there are never so many between two receipts."""

ECHO_PATIENCE = 3.0
"""Seconds that an answer to a label may take, before a PING is asked instead."""


class Receipts:
    """Says when the server has processed all that was sent to it on this connection.

    Where lines are labelled, the answer to the last label says it (what was said comes back, or
    why not); where they only come back (echo-message alone), that all of them have. Neither costs
    a line. A PING is asked where that takes too long, as when a server alters what it echoes.
    """

    def __init__(self, network: str, wire: Wire, commands: Commands, patience: float) -> None:
        self._network = network
        self._wire = wire
        self._commands = commands
        self._patience = patience
        self._numbers = itertools.count(1)
        self._awaited: dict[str, asyncio.Event] = {}
        self._given = True
        self._label = ""
        self._expected: deque[tuple[str, str]] = deque(maxlen=EXPECTED)
        self._back = asyncio.Event()

    @property
    def labelled(self) -> bool:
        """Whether the answer to a label is awaited."""
        return bool(self._label) and not self._back.is_set()

    def label(self) -> str:
        """Return the label for the next line."""
        self._label = f"l{next(self._numbers)}"
        self._back.clear()
        return self._label

    def forget_label(self) -> None:
        """Note that something else was sent after the last label, or after what is echoed."""
        self._label = ""
        self._expected.clear()
        self._back.clear()

    def expect(self, target: str, text: str) -> None:
        """Note that what is said now will come back."""
        self._expected.append((self._wire.fold(target), text))
        self._back.clear()

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event."""
        own = ("pubmsg", "privmsg", "pubnotice", "privnotice")
        return {"pong": self.on_pong, **dict.fromkeys(own, self._on_said)}

    def _on_said(self, event: Event) -> None:
        """Look whether it is our own; of several alike, each comes back by itself."""
        if not self._expected or not event.source or not self._wire.is_me(event.source.nick):
            return
        came = (self._wire.fold(str(event.target)), *event.arguments[:1])
        if came in self._expected:
            while self._expected.popleft() != came:
                pass  # what the server did not pass on does not come back
            if not self._expected:
                self._back.set()

    def on_tags(self, tags: Iterable[Mapping[str, str | None]]) -> None:
        """Look for the awaited label in the tags of what the server sent."""
        if any(tag["key"] == "label" and tag["value"] == self._label for tag in tags):
            self._back.set()

    async def receipt(self) -> bool:
        """Return whether the server has processed what was sent; false if it is gone.

        A server that goes on talking but never answers is believed to have.
        """
        if await self._is_back():
            return not self._wire.lost.is_set()
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

    async def _is_back(self) -> bool:
        if not self._label and not self._expected and not self._back.is_set():
            return False
        waiting = [asyncio.ensure_future(each.wait()) for each in (self._back, self._wire.lost)]
        try:
            await asyncio.wait(
                waiting,
                timeout=min(self._patience, ECHO_PATIENCE),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for each in waiting:
                each.cancel()
        self._expected.clear()
        return self._back.is_set()

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
