"""What crosses the wire comes out as it went in, also between neighbouring versions."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.messages import (
    Call,
    ChatMessage,
    FlowRecord,
    NodeRecord,
    OperationRecord,
    Outcome,
    PrimaryRecord,
    Raised,
    Reply,
    Result,
    Results,
    Stranger,
    Work,
    announced,
    digest,
)

SAID = ChatMessage(
    id="irc/1/2",
    network="irc",
    room="#room",
    sender="ada",
    text="naïve 🙂",
    time=datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC),
    addressed=True,
)


@pytest.mark.parametrize(
    "record",
    [
        SAID,
        Outcome("1", "irc", "#room", "ada", (Reply("yes", notice=True),), {"score": 0.5}),
        Work("p", [Call(1, 2, {"text": "a", "data": b"\x00", "n": [1, None, True]})]),
        Results("n", "op", 0.25, [Result(1, 2, [{"a": 1}], Raised("ValueError", "no"))]),
        FlowRecord("f", "r", [OperationRecord("k", "n", "i", {"a": 1}, {"x": ("f", "h")})]),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_record_survives_the_wire(record: object) -> None:
    assert type(record).decode(record.encode()) == record  # type: ignore[attr-defined]


def test_a_field_of_a_later_version_is_passed_over() -> None:
    later = {**msgspec.to_builtins(SAID), "mood": "new"}
    assert ChatMessage.decode(msgspec.msgpack.encode(later)) == SAID


@pytest.mark.parametrize("kind", [FlowRecord, NodeRecord, PrimaryRecord])
def test_an_announcement_says_its_protocol_also_where_it_is_the_default(kind: type) -> None:
    """Else a process of protocol 2 would leave out its 2, and be read as of protocol 1."""
    (field,) = (each for each in msgspec.structs.fields(kind) if each.name == "protocol")
    required = {
        each.name: datetime.now(UTC) if each.name == "started" else 1 if each.name == "pid" else "x"
        for each in msgspec.structs.fields(kind)
        if each.required
    }
    told = msgspec.msgpack.decode(kind(**required).encode())
    assert told["protocol"] == field.default


def test_of_a_stranger_as_much_is_read_as_can_be() -> None:
    future = {"protocol": 99, "version": "9.9", "flow": "f", "revision": ["new"], "host": "h"}
    data = msgspec.msgpack.encode(future)
    assert announced(FlowRecord, "flow", "k", data) == Stranger("flow", "k", 99, "9.9", "h", 0, "f")
    odd = msgspec.msgpack.encode({**future, "pid": "seven"})
    for unreadable in (odd, b"\xc1", b""):
        assert announced(FlowRecord, "flow", "k", unreadable) == Stranger("flow", "k")
    same = msgspec.msgpack.encode({**future, "protocol": 1})
    assert announced(FlowRecord, "flow", "k", same) == Stranger("flow", "k", 1, "9.9", "h", 0, "f")
    ours = FlowRecord("f", "r")
    assert announced(FlowRecord, "flow", "k", ours.encode()) == ours


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        ChatMessage.decode(b"nonsense")


@given(st.lists(st.text(max_size=8), max_size=4), st.lists(st.text(max_size=8), max_size=4))
def test_different_parts_have_different_digests(one: list[str], two: list[str]) -> None:
    assert (digest(*one) == digest(*two)) == (one == two)
