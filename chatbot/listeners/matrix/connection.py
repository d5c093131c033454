"""One run of the listener: the parts, put together anew for each login."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chatbot.errors import ListenerError
from chatbot.listeners.bridge import Bridge
from chatbot.listeners.matrix import discovery, requests, text
from chatbot.listeners.matrix.account import Account, Login
from chatbot.listeners.matrix.breaker import Breaker
from chatbot.listeners.matrix.encryption import Crypto
from chatbot.listeners.matrix.events import string
from chatbot.listeners.matrix.hearing import Ear
from chatbot.listeners.matrix.joining import Joiner
from chatbot.listeners.matrix.memory import Memory
from chatbot.listeners.matrix.moderation import Moderation
from chatbot.listeners.matrix.mutes import Mutes
from chatbot.listeners.matrix.notes import Notes
from chatbot.listeners.matrix.outbox import Outbox
from chatbot.listeners.matrix.rooms import Rooms
from chatbot.listeners.matrix.settings import MatrixSettings, Timing
from chatbot.listeners.matrix.speaker import Speaker
from chatbot.listeners.matrix.unreadable import Unreadable
from chatbot.listeners.matrix.wire import DeniedError, RefusedError, Wire, tls_context

log = logging.getLogger(__name__)

DENIALS = 3
"""Logins in a row that did not last: somebody else uses the device, or the account is closed."""
LASTING = 600.0
"""Seconds after which a login counts as one that worked."""


class Connection:
    """Hears and speaks for `bridge`; what has to outlive the process lies in `folder`."""

    def __init__(
        self,
        network: str,
        settings: MatrixSettings,
        timing: Timing,
        bridge: Bridge,
        folder: Path,
    ) -> None:
        self._network = network
        self._settings = settings
        self._timing = timing
        self._bridge = bridge
        self._folder = folder
        self._outbox = Outbox()

    async def run(self) -> None:
        """Run until cancelled; raises `ListenerError` when the server refuses us for good."""
        async with self._wired() as wire:
            login = Login(self._network, self._settings, wire, self._folder)
            work = (self._outbox.fill(self._bridge), self._log_in_for_ever(wire, login))
            tasks = [asyncio.ensure_future(each) for each in work]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def _wired(self) -> AsyncIterator[Wire]:
        context = await asyncio.to_thread(tls_context, self._settings.ca_file)
        timing = self._timing
        breaker = Breaker(self._network, timing.backoff, timing.backoff_most)
        base = await discovery.homeserver(self._settings, context, timing, breaker)
        async with Wire(base, context, timing, breaker) as wire:
            yield wire

    async def _log_in_for_ever(self, wire: Wire, login: Login) -> None:
        loop = asyncio.get_running_loop()
        denials = 0
        while True:
            begun = loop.time()
            try:
                await self._serve(wire, await login.run())
            except DeniedError as error:
                denials = 1 if loop.time() - begun > LASTING else denials + 1
                if not login.is_renewable() or denials >= DENIALS:
                    raise self._denied(error) from error
                log.warning("%s takes the token no more (%s)", self._network, error)

    async def _serve(self, wire: Wire, account: Account) -> None:
        """Hear and speak until the token is denied (`DeniedError`), or something else fails."""
        crypto = Crypto.open(self._folder, account.user, account.device, wire)
        try:
            await self._serve_with(crypto, wire, account)
        except BaseExceptionGroup as group:
            raise _worst(group) from None
        finally:
            if crypto is not None:
                await crypto.close()

    async def _serve_with(self, crypto: Crypto | None, wire: Wire, account: Account) -> None:
        rooms, memory = Rooms(account.user), Memory(account.user)
        rooms.own_name = await _display_name(wire, account.user)
        notes = Notes(wire, account.user)
        mutes = Mutes(self._network, wire, notes)
        await mutes.load()
        joiner = Joiner(self._network, self._settings, self._timing, wire, rooms)
        ear = Ear(
            self._network,
            self._settings,
            self._timing,
            bridge=self._bridge,
            wire=wire,
            rooms=rooms,
            outbox=self._outbox,
            memory=memory,
            joiner=joiner,
            unreadable=Unreadable(self._network, wire, notes, crypto=crypto is not None),
            crypto=crypto,
        )
        speaker = Speaker(
            self._network,
            self._settings,
            self._timing.forgetful,
            wire=wire,
            outbox=self._outbox,
            rooms=rooms,
            own=memory.own,
            moderation=Moderation(self._network, account.user, mutes),
            crypto=crypto,
        )
        await ear.begin()
        log.info("logged in to %s as %s", self._network, account.user)
        async with asyncio.TaskGroup() as group:
            for each in (ear.run(), speaker.run(), joiner.run(), mutes.run()):
                group.create_task(each)

    def _denied(self, error: DeniedError) -> ListenerError:
        return ListenerError(
            f"{self._network} takes the token of {self._settings.user} no more: {error}",
            hint="get another one, for this bot alone; see docs/matrix.md",
        )


async def _display_name(wire: Wire, user: str) -> str:
    try:
        found = await wire.request(*requests.display_name(user))
    except RefusedError:
        return ""
    return text.name(string(found.get("displayname")))


def _worst(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what ended the parts: what a person can mend first."""
    for kind in (ListenerError, DeniedError):
        matching = group.subgroup(kind)
        while matching is not None:
            first = matching.exceptions[0]
            if not isinstance(first, BaseExceptionGroup):
                return first
            matching = first
    return group
