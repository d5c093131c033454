"""The console: a person at a terminal, or lines from a pipe.

The rule that it guards: answers are shown in the order of the lines, in whatever order they
come; at the end of the input it returns when every line is answered. Who sits at the terminal
operates the bot; who feeds a pipe may be anybody, and has the roles alone that the flow names.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import itertools
import secrets
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.text import Text

from chatbot import settings, units
from chatbot.listeners.bridge import Bridge, Delivery
from chatbot.listeners.stdin import AT_ONCE, piped
from chatbot.messages import FROM, ChatMessage, Elsewhere, Outcome, answer_id
from chatbot.policy import OPERATOR

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer

LONGEST = 64 * 1024
ROOM = "console"

PATIENCE = 2.0
"""Seconds that a pipe waits at its end for what others do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """What a flow file may say of the console."""

    nick: str = "bot"
    """What the bot is called."""

    roles: tuple[str, ...] | None = None
    """The roles of who is here, whatever they say; by default every one, for commands at a
    terminal alone. `[]` for none."""


class ConsoleListener:
    """Talks with whoever started the program. `network` should be this process's own."""

    settings_type = ConsoleSettings
    transient = True
    hint = "Type a line; the bot shows what it understood, and answers. Ctrl-D ends."
    one_by_one = False
    """Whether each line waits for all that came of the one before: what the flow keeps of it, too,
    which is kept behind the answer. On a pipe others wait for nothing."""

    def __init__(self, network: str, own: ConsoleSettings) -> None:
        self.network = network
        self._nick = own.nick
        self._roles = own.roles
        self._user = _user()
        self._session = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._waiting: deque[str] = deque()
        self._outcomes: dict[str, Delivery] = {}
        self._shown = ""
        """The id of the line of which was shown last what came of it."""
        self._room = asyncio.Semaphore(AT_ONCE)
        self._answered = asyncio.Event()
        self._answered.set()
        self._owed: set[str] = set()
        """The ids of what others will tell came of their part of an outcome."""
        self._paid = asyncio.Event()
        self._terminal = _at_terminal()
        if self._roles is None:
            self._roles = OPERATOR if self._terminal else ()
        self._console = Console(highlight=False, soft_wrap=not self._terminal)

    def describe(self) -> str:
        return "console"

    async def run(self, bridge: Bridge) -> None:
        speaking = asyncio.ensure_future(self._speak(bridge))
        hearing = asyncio.ensure_future(self._hear(bridge))
        try:
            await asyncio.wait({speaking, hearing}, return_when=asyncio.FIRST_COMPLETED)
            for task in (speaking, hearing):
                if task.done():
                    task.result()
        finally:
            for task in (speaking, hearing):
                task.cancel()
            await asyncio.gather(speaking, hearing, return_exceptions=True)

    async def _hear(self, bridge: Bridge) -> None:
        async for line in self._typed() if self._terminal else piped():
            text = line.strip()
            message = self.message_of(text[:LONGEST]) if text else None
            if message is None:
                continue
            if self.one_by_one:
                message = msgspec.structs.replace(message, after=self._shown)
            await self._room.acquire()
            self._waiting.append(message.id)
            self._answered.clear()
            await bridge.hear(message)
            if self._terminal or self.one_by_one:
                await self._answered.wait()
        await self._answered.wait()
        with contextlib.suppress(TimeoutError):  # who should have done it may not be here
            async with asyncio.timeout(PATIENCE):
                while self._owed:
                    self._paid.clear()
                    await self._paid.wait()

    def message_of(self, text: str) -> ChatMessage | None:
        """Return what a line says to the bot; `None` for nothing."""
        return ChatMessage(
            id=self.next_id(),
            network=self.network,
            room=ROOM,
            sender=self._user,
            account=self._user,  # the system has made sure of it
            roles=self._roles or (),
            text=text,
            time=datetime.now(UTC),
            addressed=True,
            private=True,
            nick=self._nick,
        )

    def next_id(self) -> str:
        """Return an id for one more message."""
        return f"{self.network}/{self._session}/{next(self._numbers)}"

    def prompt(self) -> str:
        """Return what stands before the line being typed."""
        return "you:"

    def completer(self) -> Completer | None:
        """Return what completes the line being typed."""
        return None

    async def _speak(self, bridge: Bridge) -> None:
        async for delivery in bridge.outcomes():
            if FROM in delivery.outcome.id:  # what came of an action, later
                self._show_later(delivery.outcome)
                await delivery.done()
                self._owed.discard(delivery.outcome.id)
                self._paid.set()
                continue
            if delivery.outcome.id not in self._waiting:  # shown with that which it is part of
                await delivery.done()
                continue
            self._owed |= _orders(delivery.outcome)
            self._outcomes[delivery.outcome.id] = delivery
            while self._waiting and (ready := self._outcomes.pop(self._waiting[0], None)):
                self._show(ready.outcome)
                await ready.done()
                self._shown = self._waiting.popleft()
                self._room.release()
            if not self._waiting:
                self._answered.set()

    def _show_later(self, outcome: Outcome) -> None:
        """Show what came of an action, here or in the room in which it is told."""
        if outcome.replies or not outcome.elsewhere:
            self._show(msgspec.structs.replace(outcome, understood={}))
            return
        for each in outcome.elsewhere:
            self._console.print(_told(each))

    def _show(self, outcome: Outcome) -> None:
        """Show what was understood, and what the bot says; on a pipe, as one line."""
        unsure = outcome.understood.get("sure") is False
        style = "green" if outcome.replies else "yellow" if unsure else "dim"
        line = Text(_understood(outcome), style=style)
        if outcome.error:
            line.append(f" could not be answered: {outcome.error}", style="red")
        elif not outcome.replies:
            why = outcome.skipped or ("not sure enough" if unsure else "")
            line.append(f" silent, {why}" if why else " silent", style="dim")
        else:
            line.append(f" {self._nick}: ", style="bold cyan")
            line.append(
                " / ".join(_printable(reply.plain or reply.text) for reply in outcome.replies)
            )
        self._console.print(line if outcome.understood else line[1:])
        for each in outcome.elsewhere:
            self._console.print(_told(each))
        if done := _done(outcome):
            self._console.print(Text(f"  does: {_printable(' '.join(done))}", style="magenta"))

    async def _typed(self) -> AsyncIterator[str]:
        """Yield lines as a person types them; ends at Ctrl-D or Ctrl-C."""
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory
        from prompt_toolkit.patch_stdout import patch_stdout
        from prompt_toolkit.shortcuts import CompleteStyle

        history = settings.cache_folder() / "console-history"
        history.touch(mode=0o600)
        session: PromptSession[str] = PromptSession(history=FileHistory(str(history)))
        self._console.print(Text(self.hint, style="dim"))
        while True:
            try:
                with patch_stdout(raw=True):  # what is logged stands above the line being typed
                    line = await session.prompt_async(
                        [("bold ansigreen", _printable(self.prompt())), ("", " ")],
                        completer=self.completer(),
                        complete_style=CompleteStyle.READLINE_LIKE,  # leaves no room for a menu
                        handle_sigint=False,  # it would take the program's own handler away
                    )
            except EOFError:
                return
            except KeyboardInterrupt:
                signal.raise_signal(signal.SIGINT)  # as Ctrl-C at any other time: once more ends
                return
            yield line


def _orders(outcome: Outcome) -> set[str]:
    """Return the ids under which others tell what came of what they were to do."""
    given: dict[str, int] = {}
    found = set()
    for action in outcome.actions:
        if action.on:
            number = given[action.on] = given.get(action.on, -1) + 1
            found.add(answer_id(outcome.id, action.on, number))
    return found


def _told(elsewhere: Elsewhere) -> Text:
    """Show what is said and done in another room, which a terminal does not have."""
    said = [reply.plain or reply.text for reply in elsewhere.replies]
    line = Text(f"  in {_printable(elsewhere.room)}: ", style="dim")
    return line.append(_printable(" / ".join([*said, *_done(elsewhere)])), style="magenta")


def _done(decided: Outcome | Elsewhere) -> list[str]:
    """Show what is done beside talking, which a terminal cannot do: `(mute ben 10m)`."""
    return [
        f"({' '.join(filter(None, (each.kind, each.to, each.text, _lasting(each.seconds))))})"
        for each in decided.actions
        if not each.on  # is done elsewhere, and told
    ]


def _lasting(seconds: float) -> str:
    return units.shown_duration(seconds) if seconds else ""


def _understood(outcome: Outcome) -> str:
    """Show what the flow shows of a message, such as `[install 0.93]`; nothing of a command."""
    shown = [_brief(name, value) for name, value in outcome.understood.items()]
    return f"[{' '.join(each for each in shown if each) or '–'}]" if shown else ""


def _brief(name: str, value: Any) -> str:
    if name == "sure" and isinstance(value, bool):
        return "" if value else "unsure"
    if isinstance(value, bool):
        return name if value else f"not {name}"
    if isinstance(value, float):
        return f"{value:.2f}"
    return _printable(str(value)) or "–"


def _printable(text: str) -> str:
    """Return `text` on one line, without what would move the cursor or change the colours."""
    return "".join(c if c.isprintable() else " " for c in text)


def _at_terminal() -> bool:
    """Whether a person is at both ends."""
    return settings.stdin_is_terminal() and sys.stdout.isatty()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "you"
