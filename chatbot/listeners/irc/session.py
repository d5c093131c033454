"""One connection to a network, from connecting until it is lost.

Handlers run inside the transport's callback, so they only note what happened and put
messages and commands on their queues; whatever waits is a task of `serve`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from irc.client import Event

from chatbot.listeners.irc.channels import Standing
from chatbot.listeners.irc.commands import Commands
from chatbot.listeners.irc.hearing import Ear, Heard
from chatbot.listeners.irc.login import Login
from chatbot.listeners.irc.membership import Membership
from chatbot.listeners.irc.memory import Memory
from chatbot.listeners.irc.moderation import Moderator
from chatbot.listeners.irc.outbox import Outbox
from chatbot.listeners.irc.pace import Bucket
from chatbot.listeners.irc.people import People
from chatbot.listeners.irc.receipts import LABELLED, Receipts
from chatbot.listeners.irc.registration import Refusal, Registration
from chatbot.listeners.irc.replay import Replay
from chatbot.listeners.irc.settings import IrcSettings, Timing
from chatbot.listeners.irc.text import room_for_text
from chatbot.listeners.irc.wire import Wire
from chatbot.messages import Action, Outcome, Reply

# What may stand in a tag without being escaped; no server's `msgid` holds anything else.
_TAG_VALUE = re.compile(r"[^\0\r\n; \\]{1,400}")

PREFIX_RESERVE = 100
"""Bytes kept free for our `nick!user@host` until a JOIN has shown it."""


class Session:
    """One connection, used once: `open`, `serve` and always `close`.

    What is heard goes to `heard`. `outbox` is told when more (or less) may be said than
    before, and what the server refused to pass on; saying what is in it is `speak`'s.
    """

    def __init__(
        self,
        network: str,
        settings: IrcSettings,
        timing: Timing,
        *,
        address: tuple[str, int],
        people: People,
        memory: Memory,
        heard: Heard,
        outbox: Outbox,
    ) -> None:
        self.lasted = 0.0
        self._address = address
        self._settings = settings
        self._timing = timing
        # A new one for each connection, as the server counts anew as well.
        self._bucket = bucket = Bucket(settings.rate, settings.burst)
        self._wire = wire = Wire(self._on_event)
        self._commands = Commands(wire, bucket)
        self._registration = Registration(
            network, settings.nick, wire, self._commands, lambda: self._login.welcomed()
        )
        self._login = Login(
            network,
            settings,
            timing,
            wire=wire,
            commands=self._commands,
            refuse=self._registration.refuse,
        )
        self._membership = Membership(
            network,
            settings.channels,
            timing,
            invites=settings.invites,
            wire=wire,
            commands=self._commands,
            people=people,
            changed=outbox.changed.set,
            undelivered=outbox.undelivered,
        )
        people.begin(wire.fold, self._login.capabilities.enabled)
        self._people = people
        self._receipts = Receipts(network, wire, self._commands, timing.receipt)
        self._ear = Ear(
            network,
            wire=wire,
            heard=heard,
            membership=self._membership,
            people=people,
            replay=Replay(wire, memory, self._login.capabilities.enabled, self._commands),
            nick=settings.nick,
        )
        self._moderator = Moderator(
            network,
            wire=wire,
            people=people,
            receipts=self._receipts,
            sentences=memory.sentences,
            turn=self.turn,
            is_channel=self._membership.is_channel,
            own=lambda: (self._membership.prefix or "").partition("!")[2],
            retry=timing.rejoin,
        )
        self._handlers = _merged(
            self._login.handlers(),
            *self._ear.handlers(),
            people.handlers(),
            self._registration.handlers(),
            self._membership.handlers(),
            self._moderator.handlers(),
            self._receipts.handlers(),
        )

    @property
    def reason(self) -> str:
        """Why the connection is gone, in the server's words where it had some."""
        return self._wire.reason

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._wire.lost.is_set()

    @property
    def refusal(self) -> Refusal | None:
        """Why the server does not let us in, where trying again is of no use."""
        return self._registration.refusal

    def refuse(self, reason: str, hint: str, tries: int) -> None:
        """Note that this server is of no use; see `Refusal`."""
        self._registration.refuse(reason, hint, tries)

    async def open(self, context: ssl.SSLContext | None) -> None:
        """Connect and register; raises `OSError`, of which `TimeoutError` is one.

        Returns without a welcome if the connection was lost; `serve` then returns at once.
        """
        port = self._address[1]
        hint = f" (has port {port} TLS? if it has none, set `tls: false`)" if context else ""
        what = "no TLS connection" if context else "no connection"
        async with _within(self._timing.connect, what, hint):
            await self._connect(context)
        # Of NICK, USER and CAP, so that the burst can't follow at the server's limit.
        self._bucket.spend(2)
        # The services are waited for in each step of a login.
        seconds = self._timing.register
        if self._settings.mechanism or self._settings.nickserv:
            seconds += 3 * self._timing.services
        async with _within(seconds, "no welcome from the server"):
            await self._be_let_in()

    async def serve(self, speak: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
        """Keep the connection alive and run `speak`, until the connection is lost."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.TaskGroup() as group:
            work = (
                self._commands.run(),
                self._membership.run(),
                self._login.keep(),
                self._registration.regain(self._timing.regain, lambda: bool(self._login.account)),
                self._moderator.end_sentences(self._is_open),
                self._watch(),
                speak(self),
            )
            tasks = [group.create_task(each) for each in work]
            try:
                await self._wire.lost.wait()
            finally:
                self.lasted = loop.time() - begun
                for task in tasks:
                    task.cancel()

    async def close(self) -> bool:
        """Say QUIT and close, within `Timing.leave`; a lost connection is left as it is.

        Returns whether the server ended it in order, having processed all that we sent.
        """
        if self._wire.transport is None or self._wire.lost.is_set():
            return False
        self._wire.resume()
        self._wire.send_raw("QUIT :Bye")
        try:
            async with asyncio.timeout(self._timing.leave):
                await self._wire.lost.wait()
        except TimeoutError:
            self._wire.abort("left")
            await self._wire.lost.wait()
            return False
        return self._wire.clean

    def standing(self, room: str) -> Standing:
        """Return whether something can be said in `room` now, later or never."""
        return self._membership.standing(room)

    def limit(self, room: str, *, notice: bool) -> int:
        """Return the bytes of text that one line to `room` delivers whole."""
        prefix = self._membership.prefix
        return room_for_text(prefix, _command(notice), room, reserve=PREFIX_RESERVE)

    async def turn(self) -> bool:
        """Wait until one line may be said; false if the connection is gone."""
        await self._wire.writable.wait()
        await self._bucket.take()
        return not self.lost

    def say(self, room: str, line: Reply, answers: str = "") -> None:
        """Send one line, within `limit`; call it after `turn`.

        Where the network has tags, it is shown as an answer to the message with the id `answers`.
        """
        enabled = self._login.capabilities.enabled
        tags = []
        if enabled >= LABELLED:
            tags.append(f"label={self._receipts.label()}")
        elif "echo-message" in enabled:
            self._receipts.expect(room, line.text)
        said = self._people.author(answers) if "message-tags" in enabled else None
        if said is not None and (msgid := _TAG_VALUE.fullmatch(said.msgid)):
            tags.append(f"+draft/reply={msgid[0]}")
        shown = f"@{';'.join(tags)} " if tags else ""
        self._wire.send_raw(f"{shown}{_command(line.notice)} {room} :{line.text}")

    async def act(self, outcome: Outcome, action: Action) -> str | None:
        """Do `action`; return why it cannot be done, empty if it was.

        `None` if the connection was lost before the server had dealt with it.
        """
        return await self._moderator.perform(outcome, action)

    async def receipt(self) -> bool:
        """Return whether the server has processed what was said; see `Receipts`."""
        return await self._receipts.receipt()

    def _is_open(self, room: str) -> bool:
        return self.standing(room) == Standing.OPEN

    async def _connect(self, context: ssl.SSLContext | None) -> None:
        try:
            await self._wire.open(self._settings, self._address, context)
        except ssl.SSLError as error:
            if error.reason == "WRONG_VERSION_NUMBER":
                self._registration.refuse(
                    f"port {self._address[1]} does not speak TLS",
                    "name the `port` that does, or set `tls: false`",
                )
            raise

    async def _be_let_in(self) -> None:
        """Negotiate and log in until the server has let us in, or the connection is lost."""
        async with asyncio.TaskGroup() as group:
            login = group.create_task(self._login.run())
            await self._wire.settled.wait()
            login.cancel()

    async def _watch(self) -> None:
        """Ask a silent server for a sign of life, and give it up when there is none.

        A half-open connection shows in nothing else: sending to it "succeeds".
        """
        loop = asyncio.get_running_loop()
        while True:
            silent = 0.0 if self._wire.paused else loop.time() - self._wire.received
            until = self._timing.ping
            if silent >= self._timing.silence:
                self._wire.abort(f"silent for {silent:.0f} s")
            elif silent >= self._timing.ping:
                self._commands.send_now("PING :alive")
                until = self._timing.silence
            await asyncio.sleep(max(0.01, until - silent))

    def _on_event(self, event: Event) -> None:
        if event.tags and self._receipts.labelled:
            self._receipts.on_tags(event.tags)
        for handler in self._handlers.get(event.type, ()):
            handler(event)


Handlers = dict[str, Callable[[Event], None]]


def _merged(*all_of: Handlers) -> dict[str, list[Callable[[Event], None]]]:
    merged: dict[str, list[Callable[[Event], None]]] = {}
    for handlers in all_of:
        for kind, handler in handlers.items():
            merged.setdefault(kind, []).append(handler)
    return merged


@asynccontextmanager
async def _within(seconds: float, otherwise: str, hint: str = "") -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TimeoutError(f"{otherwise} within {seconds:g} s{hint}") from error


def _command(notice: bool) -> str:
    return "NOTICE" if notice else "PRIVMSG"
