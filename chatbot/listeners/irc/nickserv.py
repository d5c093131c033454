"""Logging in by a message to NickServ, for networks without SASL.

The rule that it guards: the password goes to the network's services and to nobody who only
bears their name. The server says who they are (WHOIS), and a person cannot choose that.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from irc.client import Event

from chatbot.listeners.irc.commands import Commands
from chatbot.listeners.irc.text import heard
from chatbot.listeners.irc.wire import Wire

NICK = "NickServ"
_SERVICES = re.compile(r"\bservices?\b", re.I)
_CONFIRMED = re.compile(
    r"(now|already) (identified|logged in|recognized)|password accepted|"
    r"^you are (successfully )?(identified|logged in)",
    re.I,
)
_DENIED = re.compile(
    r"(invalid|incorrect|wrong|bad) password|password (is )?(invalid|incorrect)|"
    r"(not|isn't|n't been) (a )?registered|access denied|authentication failed|"
    r"frozen|suspended|too many",
    re.I,
)
_RECORD = ("whoisuser", "whoisserver", "whoisoperator", "307", "310", "whoisbot", "320")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no login; after so many `tries` it is taken for the last word."""

    reason: str
    hint: str
    tries: int = 3


class NickServ:
    """One attempt to log in by NickServ at a time; `tell` is called when there is news."""

    def __init__(self, wire: Wire, commands: Commands, tell: Callable[[], None]) -> None:
        self._wire = wire
        self._commands = commands
        self._tell = tell
        self._asking = False
        self._record: dict[str, str] = {}
        self._mask = ""
        self._known = asyncio.Event()
        self._answered = asyncio.Event()
        self._verdict: bool | None = None
        self._said = ""

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event."""
        return {
            **dict.fromkeys(_RECORD, self._on_whois),
            "endofwhois": self._on_end,
            "nosuchnick": self._on_end,
            "privnotice": self._on_notice,
        }

    async def identify(self, account: str, password: str, patience: float) -> Problem | None:
        """Log in; return what is wrong, `None` when NickServ has confirmed it."""
        self._asking = True
        self._commands.send_now(f"WHOIS {NICK}")
        if not await self._within(self._known, patience) or not self._record:
            return Problem("NickServ is not there", "wait until the services are back", 10)
        if not self._is_of_services():
            hint = f"ask the network's staff; {NICK} there looks like a person"
            return Problem(f"{NICK} is none of the network's services", hint)
        self._commands.send_now(f"PRIVMSG {NICK} :IDENTIFY {account} {password}")
        await self._within(self._answered, patience)
        self._asking = False
        if self._verdict:
            return None
        said = self._said or "NickServ does not answer"
        hint = "check `account` and `account_password`"
        return Problem(said, hint, 3 if self._verdict is False else 10)

    def confirmed(self) -> None:
        """Note that the server itself says that we are logged in."""
        self._verdict = True
        self._answered.set()

    async def _within(self, event: asyncio.Event, patience: float) -> bool:
        waiting = [asyncio.ensure_future(each.wait()) for each in (event, self._wire.lost)]
        try:
            await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        return event.is_set()

    def _is_of_services(self) -> bool:
        server = self._record.get("whoisserver", "").partition(" ")[0]
        if _SERVICES.search(server.replace(".", " ")):
            return True
        # What follows the nick here is the server's own wording.
        titles = (self._record.get(key, "") for key in ("whoisoperator", "310"))
        return any(_SERVICES.search(title) for title in titles)

    def _on_whois(self, event: Event) -> None:
        if not self._asking or not event.arguments or not self._is_nickserv(event.arguments[0]):
            return
        self._record[event.type] = " ".join(event.arguments[1:])[:200]
        if event.type == "whoisuser" and len(event.arguments) > 2:
            self._mask = f"{event.arguments[1]}@{event.arguments[2]}"

    def _on_end(self, event: Event) -> None:
        if event.arguments and self._is_nickserv(event.arguments[0]):
            self._known.set()
            self._tell()

    def _on_notice(self, event: Event) -> None:
        source = event.source
        if not self._asking or not source or not self._is_nickserv(source.nick):
            return
        if self._mask and source.userhost != self._mask:
            return
        said = heard(event.arguments[0])[:200] if event.arguments else ""
        if _DENIED.search(said):
            self._verdict, self._said = False, said
            self._answered.set()
        elif _CONFIRMED.search(said):
            self.confirmed()

    def _is_nickserv(self, nick: object) -> bool:
        return self._wire.same(str(nick), NICK)
