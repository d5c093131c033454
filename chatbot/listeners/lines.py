"""Lines of JSON, for scripts: a message in, what became of it out.

The rule that it guards: each line of the input has one line of the output, in the same order,
whatever is in it; at the end of the input it returns when all of them are written.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import secrets
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from chatbot.listeners.bridge import Bridge, Delivery
from chatbot.listeners.calls import Calls
from chatbot.listeners.stdin import AT_ONCE, LONGEST, piped
from chatbot.listeners.tasks import race
from chatbot.messages import Action, ChatMessage, Elsewhere, Outcome, Reply

ROOM = "console"

REMEMBERED = 10_000
"""Lines that a later one can answer (`reply_to`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesSettings:
    """What a flow file may say of lines of JSON."""

    nick: str = "bot"
    """What the bot is called."""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the input: all but `text` may be left out."""

    text: str
    id: str = ""
    room: str = ""
    sender: str = ""
    name: str = ""
    account: str = ""
    time: datetime | None = None
    addressed: bool = True
    private: bool | None = None
    reply_to: str = ""
    thread: str = ""


class Answer(msgspec.Struct, frozen=True):
    """A line of the output, for a message."""

    line: int
    id: str
    room: str
    sender: str
    text: str
    replies: tuple[Reply, ...]
    actions: tuple[Action, ...]
    elsewhere: tuple[Elsewhere, ...]
    understood: dict[str, Any]
    error: str
    skipped: str


class Wrong(msgspec.Struct, frozen=True):
    """A line of the output, for a line that is no message."""

    line: int
    error: str


@dataclass(slots=True)
class _Waiting:
    """A line that has no answer yet."""

    number: int
    line: Line | None = None
    id: str = ""
    error: str = ""
    answered: Delivery | None = field(default=None)

    @property
    def is_ready(self) -> bool:
        return self.line is None or self.answered is not None


class LinesListener:
    """Answers standard input on standard output. `network` should be this process's own."""

    settings_type = LinesSettings
    transient = True

    def __init__(self, network: str, own: LinesSettings) -> None:
        self.network = network
        self._nick = own.nick
        self._session = secrets.token_hex(6)
        self._lines: deque[_Waiting] = deque()
        self._known: dict[str, _Waiting] = {}
        self._ids: dict[str, str] = {}
        """The last lines' ids, and those of their messages."""
        self._room = asyncio.Semaphore(AT_ONCE)
        self._news = asyncio.Event()
        self._ended = False
        self._output = Calls()

    def describe(self) -> str:
        return "lines of JSON"

    async def run(self, bridge: Bridge) -> None:
        await race(self._write(), self._take(bridge), self._read(bridge))

    async def _read(self, bridge: Bridge) -> None:
        number = 0
        async for text in piped():
            number += 1
            if text.strip():
                await self._room.acquire()
                await self._hear(bridge, number, text)
        self._ended = True
        self._news.set()
        await asyncio.Event().wait()  # `_write` ends it all

    async def _hear(self, bridge: Bridge, number: int, text: str) -> None:
        waiting = _Waiting(number)
        self._lines.append(waiting)
        try:
            waiting.line = self._checked(text)
        except (ValueError, msgspec.MsgspecError) as error:
            waiting.error = str(error)
            self._news.set()
            return
        waiting.id = waiting.line.id or f"line-{number}"
        message = self._message(waiting.line, number)
        self._ids[waiting.id] = message.id
        if len(self._ids) > REMEMBERED:
            del self._ids[next(iter(self._ids))]
        self._known[message.id] = waiting
        await bridge.hear(message)

    def _checked(self, text: str) -> Line:
        if len(text.encode("utf-8", "replace")) >= LONGEST:
            raise ValueError(f"longer than {LONGEST} bytes")
        try:
            return msgspec.json.decode(text, type=Line)
        except (RecursionError, UnicodeError):
            raise ValueError("no JSON that can be read") from None

    def _message(self, line: Line, number: int) -> ChatMessage:
        sender = line.sender or _user()
        time = line.time or datetime.now(UTC)
        return ChatMessage(
            id=f"{self.network}/{self._session}/{number}",
            network=self.network,
            room=line.room or ROOM,
            sender=sender,
            text=line.text,
            time=time if time.tzinfo else time.replace(tzinfo=UTC),
            addressed=line.addressed,
            private=not line.room if line.private is None else line.private,
            nick=self._nick,
            name=line.name or sender,
            account=line.account,
            reply_to=self._ids.get(line.reply_to, line.reply_to),
            thread=line.thread,
        )

    async def _take(self, bridge: Bridge) -> None:
        async for delivery in bridge.outcomes():
            waiting = self._known.pop(delivery.outcome.id, None)
            if waiting is None:
                await delivery.done()
                continue
            waiting.answered = delivery
            self._news.set()

    async def _write(self) -> None:
        while True:
            while self._lines and self._lines[0].is_ready:
                waiting = self._lines[0]
                if not await self._print(_answer(waiting)):
                    return
                if waiting.answered is not None:
                    await waiting.answered.done()
                self._lines.popleft()
                self._room.release()
            if self._ended and not self._lines:
                return
            self._news.clear()
            await self._news.wait()

    async def _print(self, line: Answer | Wrong) -> bool:
        """Write a line; false if nobody reads any more."""
        data = msgspec.json.encode(line, enc_hook=str) + b"\n"
        try:
            await self._output.run(lambda: _write_all(data), None)
        except OSError:
            return False
        return True


def _answer(waiting: _Waiting) -> Answer | Wrong:
    if waiting.line is None or waiting.answered is None:
        return Wrong(waiting.number, waiting.error)
    outcome: Outcome = waiting.answered.outcome
    return Answer(
        line=waiting.number,
        id=waiting.id,
        room=outcome.room,
        sender=outcome.sender,
        text=waiting.line.text,
        replies=outcome.replies,
        actions=outcome.actions,
        elsewhere=outcome.elsewhere,
        understood=outcome.understood,
        error=outcome.error,
        skipped=outcome.skipped,
    )


def _write_all(data: bytes) -> None:
    # Not through sys.stdout, which would try again at exit, and complain.
    while data:
        data = data[os.write(1, data) :]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "you"
