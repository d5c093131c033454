"""What a classic Gitter server sends, and a script: streams, answers, lines of JSON."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chatbot.listeners.gitter import records
from chatbot.listeners.gitter.chunks import LONGEST, Chunks
from chatbot.listeners.gitter.positions import Positions
from chatbot.listeners.gitter.text import said
from chatbot.listeners.lines import Line
from chatbot.messages import Reply


def stream(data: bytes) -> None:
    """Cut a stream into its messages, in two reads, and read them."""
    chunks = Chunks()
    half = len(data) // 2
    for chunk in [*chunks.feed(data[:half]), *chunks.feed(data[half:])]:
        assert len(chunk) <= LONGEST
        _read(chunk)


def answer(data: bytes) -> None:
    """Read an answer of the API as all that it may be, and a position that was stored."""
    try:
        value = records.load(data)
    except ValueError:
        return
    records.user(value)
    records.room(value)
    if isinstance(value, list):
        for message in records.page(value).messages:
            assert len(message.text) <= records.LONGEST_TEXT
            message.text.encode()
    positions = Positions()
    positions.load(data.decode("utf-8", "replace"))
    again = Positions()
    again.load(positions.text())
    assert again.text() == positions.text()


def text(data: bytes) -> None:
    """Make messages of a reply."""
    for part in said([Reply(data.decode("utf-8", "surrogateescape"))], most=5, limit=64):
        assert 0 < len(part.encode("utf-16-le")) // 2 <= 64


def line(data: bytes) -> None:
    """Read a line of JSON."""
    try:
        msgspec.json.decode(data.decode("utf-8", "replace"), type=Line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return


def _read(chunk: bytes) -> None:
    try:
        records.event(records.load(chunk))
    except ValueError:
        return


TARGETS: dict[str, Callable[[bytes], None]] = {
    "gitter_answer": answer,
    "gitter_stream": stream,
    "gitter_text": text,
    "json_line": line,
}
