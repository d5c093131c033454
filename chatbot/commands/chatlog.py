"""Recorded logs: lines of IRC logs, and JSON lines; read one by one, however long the file.

The rule that it guards: a replayed line is the message that the listener would have heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from itertools import groupby, islice
from pathlib import Path

import msgspec

from chatbot.errors import UsageError
from chatbot.listeners.irc.names import is_addressed
from chatbot.listeners.irc.text import heard
from chatbot.messages import ChatMessage, digest

NETWORK = "replay"
LONGEST = 1 << 20
"""Bytes that are read of a line; the rest is taken for a line of its own."""

AT_ONCE = 2048
"""Messages that are counted before others may run."""

MOST_A_MINUTE = 4096
"""Lines that are spread over the minute they share; further ones get its last instant."""

HINT = "lines look like `[12:34] <nick> text`, or are JSON objects with sender and text"

# [08:47] <nick> text        08:47 <@nick> text        [2016-11-20 07:02:10] <nick> text
# rust 2018-05-29 [21:20:37] <nick> text               [08:47]  * nick waves
_LINE = re.compile(
    r"(?:(?P<room>\S+)\s+(?=\d{4}-\d\d-\d\d\s))?\[?(?:(?P<day>\d{4}-\d\d-\d\d)[ T]\[?)?"
    r"(?P<minute>(?:[01]\d|2[0-3]):[0-5]\d)(?::(?P<second>[0-5]\d))?\]?\s+"
    r"(?:<[ @+%&~]?(?P<sender>[^<>]{1,100}?)\s{0,100}>|\*\s+(?P<actor>[^\s:]+)(?=\s))(?P<text>.*)"
)
# How clients write down, with the same asterisk, what a server said.
_SERVER = re.compile(
    r"(?:[(\[]\S+[)\]]\s+)?(?:(?:has|have) (?:joined|left|quit|been|changed|set)\b"
    r"|(?:is|are) now known as |sets? (?:mode|the topic)|(?:gives|removes) (?:channel|voice|op)"
    r"|talking (?:in|on) #)"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_BACKWARDS = timedelta(hours=2)
"""From here on, a time of day before the last one is the next day's; less is a clock put back."""


class _Line(msgspec.Struct):
    """The shape of a JSON line."""

    sender: str
    text: str
    id: str | int | None = None
    room: str | None = None
    time: datetime | None = None
    addressed: bool | None = None
    private: bool = False


@dataclass(slots=True)
class _Said:
    """What one line says. `coarse`: its time has minutes only."""

    sender: str
    text: str
    time: datetime
    room: str | None = None
    coarse: bool = False
    number: int = 0
    id: str | int | None = None
    addressed: bool | None = None
    private: bool = False


def read(path: Path, nick: str) -> Iterator[ChatMessage]:
    """Yield what people said in the log at `path`, where the bot is called `nick`.

    A line is `[HH:MM] <nick> text` or `[HH:MM]  * nick text`, with the channel, a date and
    seconds where they are known; joins, notices and the like are passed over. Or all lines are
    JSON objects with `sender` and `text`, and `id`, `room`, `time` (RFC 3339), `addressed` and
    `private` where they are known. What is not UTF-8 is replaced.

    Times are UTC. Those without a date run on, over midnight, from the day in the file's name,
    else from an invented one; lines that share a minute are spread over it. Raises `UsageError`
    for a file without any message, for one that is no text, and for a line that is no such JSON
    object, with its number.
    """
    for said in _spread(_said(path)):
        yield _message(path.name, said, nick)


async def count(path: Path, limit: int | None = None) -> int:
    """Return how many messages `read` yields, at most `limit`; raises what it raises.

    100 MB take one to three seconds, and no memory; others run meanwhile.
    """
    found = 0
    for found, _ in enumerate(islice(_said(path), limit), 1):
        if found % AT_ONCE == 0:
            await asyncio.sleep(0)
    return found


def _said(path: Path) -> Iterator[_Said]:
    dated = _DATE.search(path.name)
    clock = _Clock((dated and _midnight(dated[0])) or _EPOCH)
    as_json: bool | None = None
    found = False
    for number, line in _lines(path):
        if not line or line.isspace():
            continue
        if as_json is None:
            as_json = line.startswith("{")
        said = _parsed(path, number, line) if as_json else _plain(line, clock)
        if said is not None and said.text:
            said.number = number
            found = True
            yield said
    if not found:
        raise UsageError(f"{path} has no line that is a message", hint=HINT)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        if b"\0" in file.peek():
            raise UsageError(f"{path} is no text in UTF-8", hint=HINT)
        number = 1
        while data := file.readline(LONGEST):
            line = data.decode("utf-8", "replace").rstrip("\r\n")
            yield number, line.removeprefix("\ufeff") if number == 1 else line
            number += data.endswith(b"\n")


def _parsed(path: Path, number: int, line: str) -> _Said:
    try:
        said = _decode(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(
            f"{path}:{number}: not a JSON object with sender and text: {error}"
        ) from error
    time = said.time or _EPOCH + timedelta(seconds=number)
    if not 1 < time.year < MAXYEAR:
        raise UsageError(f"{path}:{number}: a time of the year {time.year}")
    return _Said(
        said.sender,
        said.text.strip(),
        time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC),
        room=said.room,
        id=said.id,
        addressed=said.addressed,
        private=said.private,
    )


_decode = msgspec.json.Decoder(_Line).decode


def _plain(line: str, clock: _Clock) -> _Said | None:
    match = _LINE.match(line)
    if match is None:
        return None
    room, day, minute, second, sender, actor, text = match.groups()
    text = text.strip() if text.isprintable() else heard(text)
    if actor is not None and _SERVER.match(text):
        return None
    time = clock.at(day, minute, second)
    return _Said(sender or actor, text, time, room=room, coarse=second is None)


class _Clock:
    """Makes a log's times of day run on over midnight. `day` is the first, where it is known."""

    def __init__(self, day: datetime) -> None:
        self._midnight = day
        self._given = ""
        self._minute = ""
        self._last = day

    def at(self, day: str | None, minute: str, second: str | None) -> datetime:
        if minute != self._minute or (day or "") != self._given:
            self._turn(day or "", minute)
        return self._last + timedelta(seconds=int(second)) if second else self._last

    def _turn(self, day: str, minute: str) -> None:
        self._minute = minute
        of_day = timedelta(hours=int(minute[:2]), minutes=int(minute[3:]))
        if day and day != self._given:
            self._midnight = _midnight(day) or self._midnight
        elif not day and self._midnight + of_day <= self._last - _BACKWARDS:
            with contextlib.suppress(OverflowError):  # on the last day that there is
                self._midnight += timedelta(days=1)
        self._given = day
        self._last = self._midnight + of_day


def _midnight(day: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:  # 2005-02-30
        return None
    return found if 1 < found.year < MAXYEAR else None  # days are added to it


def _spread(lines: Iterator[_Said]) -> Iterator[_Said]:
    """Spread lines that share a minute evenly over it, so that no two have the same time."""
    for (minute, coarse), group in groupby(lines, lambda said: (said.time, said.coarse)):
        yield from _over(minute if coarse else None, group)


def _over(minute: datetime | None, lines: Iterator[_Said]) -> Iterator[_Said]:
    if minute is None:
        yield from lines
        return
    together = list(islice(lines, MOST_A_MINUTE))
    for place, said in enumerate(together):
        said.time = minute + timedelta(seconds=60 * place / len(together))
        yield said
    for said in lines:
        said.time = minute + timedelta(seconds=60) - timedelta.resolution
        yield said


def _message(source: str, said: _Said, nick: str) -> ChatMessage:
    addressed = said.addressed
    if addressed is None:
        addressed = said.private or is_addressed(said.text, nick, "ascii")
    return ChatMessage(
        id=str(said.id or f"{NETWORK}/{digest(source, length=12)}/{said.number}"),
        network=NETWORK,
        room=said.room or source,
        sender=said.sender,
        text=said.text,
        time=said.time,
        addressed=addressed,
        private=said.private,
        nick=nick,
    )
