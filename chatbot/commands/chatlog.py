"""Recorded logs: lines of IRC logs, and JSON lines; read one by one, however long the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chatbot.errors import UsageError
from chatbot.messages import ChatMessage, digest

# [08:47] <nick> text   [2016-11-20 07:02:10] <nick> text   08:47 < nick> text
_LINE = re.compile(
    r"^\[?(?:(\d{4}-\d\d-\d\d)[ T])?(\d\d:\d\d)(?::(\d\d))?\]?\s+<[ @+%&~]?([^>\s]+)>\s?(.*)$"
)
_ADDRESSED = re.compile(r"^@?([^\s:,]+)[:,]\s")
_START = datetime(2000, 1, 1, tzinfo=UTC)


def read(path: Path, nick: str) -> Iterator[ChatMessage]:
    """Yield what people said in the log at `path`; joins, parts and the like are passed over.

    A line is `[HH:MM] <nick> text`, with a date and seconds if they are known, or a JSON
    object with `sender` and `text` (and `id`, `room`, `time`, ISO 8601, if known). Times
    without a date run on from the start of an invented day. What is not UTF-8 is replaced.
    `nick` is what the bot is called. Raises `UsageError` for a file without any such line, and
    for a JSON line that is none, with its number.
    """
    found = False
    clock = _Clock()
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            said = _json(path, number, line) if line.startswith("{") else _plain(line, clock)
            if said is None:
                continue
            found = True
            yield _message(path.name, number, said, nick)
    if not found:
        raise UsageError(
            f"{path} has no line that is a message",
            hint="lines look like `[12:34] <nick> text`, or are JSON objects with sender and text",
        )


def count(path: Path) -> int:
    """Return how many lines the file has: the most messages that `read` may yield."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) + 1


class _Clock:
    """Makes a log's times of day run on over midnight."""

    def __init__(self) -> None:
        self._last = _START

    def at(self, day: str | None, minute: str, second: str | None) -> datetime:
        hours, minutes = minute.split(":")
        of_day = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(second or 0))
        if day is not None:
            midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
        else:
            midnight = self._last.replace(hour=0, minute=0, second=0, microsecond=0)
            if midnight + of_day < self._last - timedelta(hours=12):
                midnight += timedelta(days=1)
        self._last = max(self._last, midnight + of_day)
        return midnight + of_day


def _plain(line: str, clock: _Clock) -> dict[str, Any] | None:
    match = _LINE.match(line.rstrip("\r\n"))
    if match is None:
        return None
    day, minute, second, sender, text = match.groups()
    try:
        time = clock.at(day, minute, second)
    except ValueError:
        return None
    return {"sender": sender, "text": text, "time": time}


def _json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
        said["sender"], said["text"] = str(said["sender"]), str(said["text"])
        if "time" in said:
            time = datetime.fromisoformat(str(said["time"]))
            said["time"] = time if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}:{number}: not a JSON object with sender and text ({type(error).__name__})"
        ) from error
    return dict(said)


def _message(source: str, number: int, said: dict[str, Any], nick: str) -> ChatMessage:
    spoken_to = _ADDRESSED.match(said["text"])
    return ChatMessage(
        id=str(said.get("id") or f"replay/{digest(source, length=12)}/{number}"),
        network="replay",
        room=str(said.get("room") or source),
        sender=said["sender"],
        text=said["text"],
        time=said.get("time") or _START,
        addressed=bool(spoken_to and spoken_to[1].casefold() == nick.casefold()),
        nick=nick,
    )
