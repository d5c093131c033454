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
    OperationRecord,
    Outcome,
    Raised,
    Reply,
    Result,
    Results,
    Work,
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


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        ChatMessage.decode(b"nonsense")


@given(st.lists(st.text(max_size=8), max_size=4), st.lists(st.text(max_size=8), max_size=4))
def test_different_parts_have_different_digests(one: list[str], two: list[str]) -> None:
    assert (digest(*one) == digest(*two)) == (one == two)
