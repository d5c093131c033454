"""Logging in to the network's services before anything is said.

The rule that it guards: a bot that is to be logged in (`account_required`) joins and says
nothing until the network has confirmed that it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from irc.client import Event

from chatbot.listeners.irc.capabilities import BEGIN, SASL, Capabilities
from chatbot.listeners.irc.commands import Commands
from chatbot.listeners.irc.nickserv import NickServ
from chatbot.listeners.irc.sasl import authentications, response
from chatbot.listeners.irc.settings import IrcSettings, Timing
from chatbot.listeners.irc.text import heard
from chatbot.listeners.irc.wire import Wire

log = logging.getLogger(__name__)

PATIENT = 10
"""Attempts, with back-off, until services that are away are taken to be away for good."""

_FAILED = ("saslfail", "sasltoolong", "saslaborted", "nicklocked")


class Refuse(Protocol):
    """Notes that we are not let in, and why; after so many `tries` it is the last word."""

    def __call__(self, reason: str, hint: str, tries: int = 3) -> None: ...


class Login:
    """Negotiates, logs in and lets the server welcome us. `account` is who we are by then.

    A failure that matters is handed to `refuse`, and the connection is dropped.
    """

    def __init__(
        self,
        network: str,
        settings: IrcSettings,
        timing: Timing,
        *,
        wire: Wire,
        commands: Commands,
        refuse: Refuse,
    ) -> None:
        self.account = ""
        self.capabilities = Capabilities(sasl=bool(settings.mechanism))
        self._network = network
        self._settings = settings
        self._timing = timing
        self._wire = wire
        self._commands = commands
        self._refuse = refuse
        self._nickserv = NickServ(wire, commands, self._tell)
        self._news = asyncio.Event()
        self._welcomed = False
        self._challenge: str | None = None
        self._verdict: bool | None = None
        self._said = ""
        self._offers = 0

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event."""
        return {
            **self._nickserv.handlers(),
            "cap": self._on_cap,
            "authenticate": self._on_authenticate,
            "loggedin": self._on_logged_in,
            "loggedout": self._on_logged_out,
            "saslsuccess": self._on_success,
            "saslalready": self._on_success,
            "saslmechs": self._on_mechanisms,
            **dict.fromkeys(_FAILED, self._on_failure),
        }

    def welcomed(self) -> None:
        """Note that the server has let us in."""
        self._welcomed = True
        self._tell()

    async def run(self) -> None:
        """Return when we may join and speak; to be cancelled where the connection is lost."""
        await self._until(lambda: self.capabilities.listed)
        if not self._welcomed:
            for line in self.capabilities.requests():
                self._commands.send_now(line)
            await self._until(lambda: self.capabilities.answered)
        is_in = await self._log_in()
        if self._wire.lost.is_set():
            return
        if not self._welcomed:
            if self.capabilities.listed:
                self._wire.send_raw("CAP END")
            await self._until(lambda: self._welcomed, always=True)
        if not is_in and self._settings.nickserv:
            is_in = await self._identify()
        if not self._wire.lost.is_set():
            self._wire.settled.set()

    async def keep(self) -> None:
        """Log in later, for ever, when the services have come back and we may be without."""
        tried = self._offers
        while self._settings.mechanism:
            self._news.clear()
            if tried != self._offers and SASL in self.capabilities.enabled and not self.account:
                tried = self._offers
                await self._authenticate()
            try:
                async with asyncio.timeout(None if self.account else self._timing.regain):
                    await self._news.wait()
            except TimeoutError:
                if self.capabilities.listed and SASL not in self.capabilities.enabled:
                    self._commands.put(BEGIN)

    async def _log_in(self) -> bool:
        if not self._settings.mechanism:
            return False
        if not self._welcomed and await self._has_sasl():
            return await self._authenticate()
        if not self._settings.nickserv and not self._wire.lost.is_set():
            later = "cap-notify" in self.capabilities.offered
            self._fail(
                "no SASL there, so nobody can log in before joining",
                "wait until the network's services are back"
                if later
                else "set `sasl: none`, and `nickserv: true` where the network has NickServ",
                PATIENT if later else 3,
            )
        return False

    async def _has_sasl(self) -> bool:
        capabilities = self.capabilities
        if SASL not in capabilities.offered and "cap-notify" in capabilities.offered:
            log.info("waits for the services of %s: no SASL yet", self._network)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.services):
                    await self._come_back()
        await self._until(lambda: capabilities.answered)
        return SASL in capabilities.enabled

    async def _come_back(self) -> None:
        """Wait until SASL is offered, or the server's welcome.

        InspIRCd 3.15 tells nobody (CAP NEW) when services that it has known before are back, so
        they are looked for.
        """
        capabilities = self.capabilities
        while SASL not in capabilities.offered and not self._welcomed:
            await self._until(lambda: SASL in capabilities.offered, seconds=self._timing.relist)
            if SASL not in capabilities.offered:
                self._commands.send_now(BEGIN)
        for line in capabilities.requests():
            self._commands.send_now(line)

    async def _authenticate(self) -> bool:
        """Log in by SASL; false if that failed, with all that follows from it."""
        mechanism, settings = self._settings.mechanism, self._settings
        offered = self.capabilities.offered[SASL].upper()
        if offered and mechanism not in offered.split(","):
            return self._fail(f"SASL {mechanism} is not offered, but {heard(offered)[:100]}", _HINT)
        self._warn_of_clear_text()
        self._challenge = self._verdict = None
        self._said = ""
        self._commands.send_now(f"AUTHENTICATE {mechanism}")
        seconds = self._timing.services
        await self._until(self._is_answered, seconds=seconds, always=True)
        if self._challenge == "+" and self._verdict is None:
            proof = response(mechanism, settings.account, settings.account_password)
            for line in authentications(proof):
                self._commands.send_now(line)
            await self._until(lambda: self._verdict is not None, seconds=seconds, always=True)
        elif self._challenge is not None and self._verdict is None:
            self._commands.send_now("AUTHENTICATE *")
            self._said = f"it asks for something else than SASL {mechanism}"
        if self._verdict:
            log.info("logged in on %s as %s", self._network, self.account or settings.account)
            return True
        if self._wire.lost.is_set():
            return False
        answered = self._said or "no answer from the services"
        return self._fail(f"the login failed: {answered}", _HINT, 3 if self._said else PATIENT)

    async def _identify(self) -> bool:
        self._warn_of_clear_text()
        settings = self._settings
        problem = await self._nickserv.identify(
            settings.account, settings.account_password, self._timing.services
        )
        if problem is None:
            self.account = self.account or settings.account
            log.info("logged in on %s as %s, by NickServ", self._network, self.account)
            return True
        if not self._wire.lost.is_set():
            self._fail(f"the login failed: {problem.reason}", problem.hint, problem.tries)
        return False

    def _fail(self, reason: str, hint: str, tries: int = 3) -> bool:
        if not self._settings.account_required or self._wire.settled.is_set():
            log.warning("goes on without an account on %s: %s", self._network, reason)
            return False
        self._refuse(reason, hint, tries)
        self._wire.abort(reason)
        return False

    def _warn_of_clear_text(self) -> None:
        if not self._settings.tls and self._settings.mechanism != "EXTERNAL":
            log.warning("sends the account's password to %s in clear: no TLS", self._network)

    async def _until(
        self, is_so: Callable[[], bool], *, seconds: float | None = None, always: bool = False
    ) -> None:
        """Wait until `is_so`, for `seconds` at most.

        The server's welcome ends it as well, as no negotiation follows it, but for `always`.
        """
        try:
            async with asyncio.timeout(seconds):
                while not is_so():
                    if self._welcomed and not always:
                        return
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    def _is_answered(self) -> bool:
        return self._challenge is not None or self._verdict is not None

    def _tell(self) -> None:
        self._news.set()

    def _on_cap(self, event: Event) -> None:
        was_there = SASL in self.capabilities.enabled
        for line in self.capabilities.heard(event.arguments):
            self._commands.put(line) if self._welcomed else self._commands.send_now(line)
        self._offers += SASL in self.capabilities.enabled and not was_there
        self._tell()

    def _on_authenticate(self, event: Event) -> None:
        self._challenge = str(event.target or "")
        self._tell()

    def _on_logged_in(self, event: Event) -> None:
        self.account = str(event.arguments[1]) if len(event.arguments) > 1 else ""
        self._nickserv.confirmed()
        self._tell()

    def _on_logged_out(self, _: Event) -> None:
        if self.account:
            log.warning("logged out on %s by the network", self._network)
            self._offers += 1
        self.account = ""
        self._tell()

    def _on_success(self, _: Event) -> None:
        self._verdict = True
        self._tell()

    def _on_mechanisms(self, event: Event) -> None:
        self._said = f"the network offers {heard(' '.join(event.arguments))[:100]}"

    def _on_failure(self, event: Event) -> None:
        self._said = self._said or heard(" ".join(event.arguments[-1:]))[:200] or "no reason given"
        self._verdict = False
        self._tell()


_HINT = "check `account`, `account_password` (or `certificate`) and `sasl`"
