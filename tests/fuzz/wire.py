"""What crosses the wire: records, values of every type, references, parts of what is yielded."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import re
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import msgspec
from dffml.df.types import Definition

from chatbot.broker.models import Model
from chatbot.broker.nats_compat import Client
from chatbot.broker.questions import Question
from chatbot.encoding import Place, is_packed, pack, stored, unpack
from chatbot.errors import EncodingError
from chatbot.messages import (
    ChatMessage,
    DeadLetter,
    FlowRecord,
    NodeRecord,
    OperationRecord,
    Outcome,
    Part,
    Partial,
    PrimaryRecord,
    Raised,
    Record,
    Results,
    Stranger,
    Work,
    announced,
)
from chatbot.nodes.shortage import may_run
from chatbot.nodes.strangers import called, remedy, spoken
from chatbot.orchestrator.parts import Parts
from chatbot.orchestrator.raised import exception
from chatbot.typed import read_typed, write_typed

RECORDS: tuple[type[Record], ...] = (
    ChatMessage,
    Outcome,
    Work,
    Results,
    DeadLetter,
    OperationRecord,
    Partial,
    Question,
    Model,
)
ANNOUNCEMENTS: tuple[type[Record], ...] = (FlowRecord, NodeRecord, PrimaryRecord)


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int = 0


ORIGIN = Point(0)


@dataclasses.dataclass(frozen=True)
class Person:
    """What a `spec` may declare."""

    name: str
    where: Point = ORIGIN
    likes: Colour = Colour.RED
    length: int = dataclasses.field(init=False, default=0)


_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
PLACE = Place("output", "fuzz")
DEFINITIONS = {"v": Definition(name="v", primitive="generic", spec=Person, subspec=False)}


def record(kind: type[Record], data: bytes) -> None:
    """Decode a record; what decodes is encoded and decoded again to the same."""
    with contextlib.suppress(msgspec.MsgspecError):
        decoded = kind.decode(data)
        check(decoded)
        same_again(kind, decoded)


def check(decoded: Record) -> None:
    """Hold a record to what whoever gets it relies on."""
    if isinstance(decoded, Work):
        assert decoded.calls, "nothing to measure"
        assert _TOKEN.fullmatch(decoded.primary), "it is published to"
    elif isinstance(decoded, Results):
        assert math.isfinite(decoded.seconds)
        for part in decoded.parts:
            assert part.first >= 0
            assert all(type(outputs) is dict for outputs in part.outputs)
    elif isinstance(decoded, FlowRecord):
        for operation in decoded.operations:
            check(operation)
    elif isinstance(decoded, OperationRecord):
        assert _TOKEN.fullmatch(decoded.key), "a consumer is named by it"
        assert 0 < decoded.concurrency <= 1024, "so many tasks are made"
        assert all(_TOKEN.fullmatch(content) for _, content in decoded.files.values()), "a folder"


def same_again(kind: type[Record], decoded: Record) -> None:
    encoded = decoded.encode()
    assert kind.decode(encoded).encode() == encoded, "what was decoded does not come round"


def announcement(kind: type[Record], data: bytes) -> None:
    """Read an announcement, or a stranger's; what is said of either can be said."""
    found = announced(kind, "kind", "key", data)
    check(found)
    same_again(type(found), found)
    if isinstance(found, Stranger):
        assert called(found)
        assert spoken(found)
        assert remedy(found)
    if isinstance(found, NodeRecord):
        may_run(found, OperationRecord("k", "n", "i", labels=("gpu", "size=large")))


def typed(data: bytes) -> None:
    """Read a value as a spec declares it; what is read can be written, and is read again."""
    for spec, declared_only in ((Person, True), (None, False)):
        try:
            value = read_typed(data, spec, declared_only=declared_only)
        except EncodingError:
            continue
        again = msgspec.msgpack.encode(_written(value))
        read = read_typed(again, spec, declared_only=declared_only)
        assert msgspec.msgpack.encode(_written(read)) == again or _has_order_of_its_own(value)


def _written(value: Any) -> Any:
    try:
        return write_typed(value)
    except EncodingError:  # deeper than what may be written; or an extension of another's
        return None


def _has_order_of_its_own(value: Any) -> bool:
    return "set" in repr(value) or "{" in repr(value)


def values(data: bytes) -> None:
    """Unpack the values of a message as a node and a primary do, and pack them again."""
    try:
        given = msgspec.msgpack.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return
    if not is_packed(given):
        return
    for definitions in (DEFINITIONS, None):
        with contextlib.suppress(EncodingError):
            names = stored(given)
            unpacked = unpack(given, definitions, PLACE, dict.fromkeys(names, data))
            pack(unpacked, "0.0", PLACE)
        with contextlib.suppress(EncodingError):
            unpack(given, definitions, PLACE)  # as a preview is, that has nothing stored


def parts(data: bytes) -> None:
    """Take the parts of one call in any order: each output set is given once, in its place."""
    try:
        sent = msgspec.msgpack.decode(data, type=list[Part])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return
    taken, following = Parts(), 0
    for each in sent:
        taken.put(each)
        while (part := taken.ready()) is not None:
            assert part.first == following
            following += len(part.outputs)


def raised(data: bytes) -> None:
    """Make an exception of what a node says was raised; it can be told, and be awaited."""
    try:
        said = Raised.decode(data)
    except msgspec.MsgspecError:
        return
    made = exception("fuzz", said)
    str(made)
    repr(made)


def headers(data: bytes) -> None:
    """Read the headers of a NATS message, which whoever published it wrote."""
    client: Any = Client()
    client._error_cb = _told
    for given in (data, b"NATS/1.0" + data):
        with contextlib.suppress(StopIteration):  # it never waits
            client._process_headers(given).send(None)


async def _told(_: Exception) -> None:
    """Take what nats-py says of headers that it passes over."""


TARGETS: dict[str, Callable[[bytes], None]] = {
    **{f"wire_{kind.__name__}": functools.partial(record, kind) for kind in RECORDS},
    **{f"wire_{k.__name__}": functools.partial(announcement, k) for k in ANNOUNCEMENTS},
    "wire_Raised": raised,
    "wire_headers": headers,
    "wire_parts": parts,
    "wire_typed": typed,
    "wire_values": values,
}
