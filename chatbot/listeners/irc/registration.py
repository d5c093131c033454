"""Being let in, and under which nick."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from irc.client import Event

from chatbot.listeners.irc.commands import Commands
from chatbot.listeners.irc.names import alternatives
from chatbot.listeners.irc.nickserv import NICK
from chatbot.listeners.irc.text import heard, is_target
from chatbot.listeners.irc.wire import Wire

log = logging.getLogger(__name__)

_HINT = "check `password`; if that is right, ask the network's staff"
_CLAIMS = ("REGAIN", "GHOST", "RECOVER")
"""How services of different kinds are told to free a nick; they pass over what they don't know."""

CLAIMED = 2.0
"""Seconds in which services have freed a nick."""

# What an ERROR before the welcome says when waiting mends nothing. "Too many connections",
# "reconnecting too fast" and a full server are not among it.
_FOR_GOOD = re.compile(r"password|\bbanned|[kgz][-:]?line|not authori[sz]ed|access denied", re.I)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the server does not let us in, where it is not a passing matter."""

    reason: str
    hint: str
    tries: int = 3
    """In a row, after which it is taken for the last word."""


class Registration:
    """From the first line to the welcome, upon which `let_in` is called; after it, the way back
    to the wanted nick."""

    def __init__(
        self,
        network: str,
        nick: str,
        wire: Wire,
        commands: Commands,
        let_in: Callable[[], None],
    ) -> None:
        self.welcomed = False
        self.refusal: Refusal | None = None
        self._network = network
        self._wanted = nick
        self._asked = nick
        self._wire = wire
        self._commands = commands
        self._let_in = let_in
        self._alternatives = alternatives(nick)

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event."""
        return {
            "welcome": self._on_welcome,
            "error": self._on_error,
            "passwdmismatch": self._on_refused,
            "yourebannedcreep": self._on_refused,
            "erroneusnickname": self._on_bad_nick,
            "nicknameinuse": self._on_nick_taken,
            "nickcollision": self._on_nick_taken,
            "unavailresource": self._on_nick_taken,
            "nick": self._on_nick,
            "quit": self._on_quit,
        }

    async def regain(self, interval: float, owns: Callable[[], bool]) -> None:
        """Ask for the wanted nick every `interval` seconds, for ever, while another is used.

        Who is logged in `owns` it, maybe: the services are asked first to send off who has it,
        often our own connection from before. They judge by the account; no password is sent.
        """
        for command in itertools.cycle(_CLAIMS):
            if not self._wire.is_me(self._wanted) and owns():
                self._commands.put(f"PRIVMSG {NICK} :{command} {self._wanted}")
                await asyncio.sleep(min(interval, CLAIMED))
                self._ask()
            await asyncio.sleep(interval)
            self._ask()

    def refuse(self, reason: str, hint: str, tries: int = 3) -> None:
        """Note that the server will not let us in, whatever happens next."""
        self._wire.because(reason)
        self.refusal = self.refusal or Refusal(reason, hint, tries)

    def _on_welcome(self, _: Event) -> None:
        if self.welcomed:
            return
        self.welcomed = True
        if not is_target(self._wire.nickname_now):  # it welcomes nobody
            self._wire.real_nickname = self._asked
        self._let_in()
        log.info("connected to %s as %s", self._network, self._wire.nickname_now)

    def _on_error(self, event: Event) -> None:
        said = heard(" ".join([event.target or "", *event.arguments]))[:200]
        self._wire.because(said)
        if not self.welcomed and _FOR_GOOD.search(said):
            self.refuse(said, _HINT)

    def _on_refused(self, event: Event) -> None:
        if not self.welcomed:
            self.refuse(heard(" ".join(event.arguments))[:200], _HINT)

    def _on_bad_nick(self, _: Event) -> None:
        if not self.welcomed:
            self.refuse(f"the nick {self._wanted} is not allowed there", "choose another `nick`")
            self._wire.abort("the nick is not allowed there")

    def _on_nick_taken(self, _: Event) -> None:
        if self.welcomed:
            return  # an attempt to get the wanted nick back came too early
        other = next(self._alternatives, None)
        if other is None:
            self._wire.abort("all nicks are taken")
            return
        log.info("asked %s for the nick %s: the one before is taken", self._network, other)
        self._asked = other
        self._commands.send_now(f"NICK {other}")

    def _on_nick(self, event: Event) -> None:
        if event.target and self._wire.is_me(event.target):
            log.info("renamed on %s to %s", self._network, self._wire.nickname_now)
        else:
            self._on_quit(event)

    def _on_quit(self, event: Event) -> None:
        if event.source and self._wire.same(event.source.nick, self._wanted):
            self._ask()

    def _ask(self) -> None:
        if not self._wire.is_me(self._wanted):
            self._commands.put(f"NICK {self._wanted}")
