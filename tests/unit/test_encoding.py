"""Values survive the wire by type and value, or are refused by name and place."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import math
import socket
import struct
import sys
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from dffml import Definition
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from chatbot import encoding, typed
from chatbot.encoding import Place, is_packed, is_plain, pack, stored, unpack
from chatbot.errors import EncodingError
from chatbot.messages import Call, Result, Results, Work

INPUT = Place("input", "find_things")
OUTPUT = Place("output", "find_things")
OWNER = "0123456789abcdef.1f"


class Mood(enum.Enum):
    GOOD = "good"
    BAD = (1, 2)


class Colour(enum.StrEnum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: Decimal = Decimal(0)


@dataclasses.dataclass
class Person:
    name: str
    born: date
    mood: Mood = Mood.GOOD
    places: list[Point] = dataclasses.field(default_factory=list)
    boss: Person | None = None
    length: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.length = len(self.name)


@dataclasses.dataclass(frozen=True)
class Tag:
    name: str


ADA = Person("Ada", date(1815, 12, 10), Mood.BAD, [Point(1, Decimal("0.10"))])
PERSON = Definition(name="person", primitive="map", spec=Person)
PERSONS = Definition(name="persons", primitive="array", spec=Person, subspec=True)


def cross(value: Any, definition: Any = None) -> Any:
    """Send `value` as the input of a call, all the way through the record."""
    packed = {"it": value}
    if not is_plain(packed):
        packed = pack(packed, OWNER, INPUT, limit=sys.maxsize).values
    data = Work("primary", [Call(1, 2, packed)]).encode()
    (call,) = Work.decode(data).calls
    if not is_packed(call.inputs):
        return call.inputs["it"]
    return unpack(call.inputs, {"it": definition}, INPUT)["it"]


def same(one: Any, other: Any) -> bool:
    """Whether they are equal by type and value, all the way down; NaN is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other) or (one != one and other != other)
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, datetime | time):
        return (one, one.fold, one.utcoffset()) == (other, other.fold, other.utcoffset())
    return bool(one == other)


OFFSETS = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
ZONES = st.one_of(st.none(), OFFSETS, st.just(ZoneInfo("UTC")))
HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.text(max_size=9),
    st.text(st.characters(categories=["Cs", "L"]), max_size=4),
    st.binary(max_size=9),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.times(timezones=st.one_of(st.none(), OFFSETS)),
    st.timedeltas(),
    st.uuids(),
    st.floats(allow_nan=False),
)
SCALARS = st.one_of(
    HASHABLE,
    st.floats(),
    st.decimals(),
    st.complex_numbers(),
    st.binary(max_size=9).map(bytearray),
)
KEYS = st.recursive(
    HASHABLE,
    lambda inner: st.one_of(st.tuples(inner), st.frozensets(inner, max_size=2)),
    max_leaves=3,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=4), inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=3),
        st.sets(KEYS, max_size=3),
        st.frozensets(KEYS, max_size=3),
    ),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_that_crossed_is_equal_by_type_and_value(value: Any) -> None:
    assert same(cross(value), value)


@pytest.mark.parametrize(
    "value",
    [
        2**64,
        -(2**63) - 1,
        [2**80],
        math.nan,
        -math.inf,
        {1: "a", (2, b"x"): {None: True}},
        ("a", ["b", {"c"}]),
        "half a pair \ud800",
        {"\ud800": 1},
        datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 1, 2),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(microseconds=-1))),
        Decimal("-0.00"),
        Decimal("sNaN"),
        UUID(int=7),
        set(),
        frozenset({frozenset({1})}),
    ],
    ids=repr,
)
def test_what_json_loses_survives(value: Any) -> None:
    assert same(cross(value), value)


def test_a_named_zone_is_still_that_zone() -> None:
    there = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert cross(there).tzinfo is there.tzinfo


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (Mood.BAD, (1, 2)),
        (OrderedDict(a=1), {"a": 1}),
        (type("Name", (str,), {})("n"), "n"),
        (type("Number", (int,), {})(3), 3),
        ([True, Colour.RED], [True, "red"]),
    ],
)
def test_an_enum_crosses_by_its_value_and_a_subclass_as_its_base(value: Any, plain: Any) -> None:
    assert same(cross(value), plain)


def test_an_enum_is_restored_where_the_spec_declares_it() -> None:
    assert cross(Mood.BAD, Definition(name="mood", primitive="string", spec=Mood)) is Mood.BAD


@pytest.mark.parametrize(
    ("value", "definition"),
    [
        (ADA, PERSON),
        ([ADA, ADA], PERSONS),
        ({"deep": [{ADA.name: (ADA,)}]}, PERSON),
        (dataclasses.replace(ADA, boss=ADA), PERSON),
        (Point(1), Definition(name="point", primitive="map", spec=Point)),
        ({Tag("a"): {Tag("b")}}, Definition(name="tag", primitive="map", spec=Tag)),
    ],
)
def test_records_are_rebuilt_by_the_spec(value: Any, definition: Any) -> None:
    found = cross(value, definition)
    assert same(found, value)
    assert repr(found) == repr(value)


def test_a_spec_made_from_a_description_is_found_by_its_name() -> None:
    described = Definition._fromdict(**PERSON.export() | {"spec": {**_export(Point)}})
    found = cross(Point(1), described)
    assert type(found) is described.spec
    assert found == (1, 0)


def _export(kind: Any) -> dict[str, Any]:
    return {
        "name": kind.__qualname__,
        "types": {"x": "int", "y": "int"},
        "defaults": {"y": 0},
    }


def test_a_record_that_nothing_declares_is_refused() -> None:
    with pytest.raises(EncodingError, match=r"input 'it' of find_things: it has a Tag, which"):
        cross(Tag("a"), Definition(name="other", primitive="map"))


def test_without_definitions_a_record_is_a_dict_of_its_fields() -> None:
    packed = pack({"it": Point(1)}, OWNER, OUTPUT).values
    assert unpack(packed, None, OUTPUT) == {"it": {"x": 1, "y": Decimal(0)}}


def test_what_cannot_cross_is_named_with_its_place_and_type() -> None:
    with socket.socket() as culprit, pytest.raises(EncodingError) as raised:
        pack({"n": 1, "things": [1, 2, (), {"x": culprit}]}, OWNER, OUTPUT)
    assert str(raised.value) == (
        "output 'things' of find_things: things[3]['x'] is a socket, "
        "which cannot be sent to another machine"
    )


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (object(), "it is an object"),
        ({"a": {object()}}, "it['a']{…} is an object"),
        (dataclasses.replace(ADA, boss=object()), "it.boss is an object"),  # type: ignore[arg-type]
        (memoryview(b""), "it is a memoryview"),
        (len, "it is a builtin_function_or_method"),
    ],
)
def test_the_path_leads_to_the_culprit(value: Any, where: str) -> None:
    with pytest.raises(EncodingError) as raised:
        pack({"it": value}, OWNER, INPUT)
    assert where in str(raised.value)


def test_what_is_too_deep_or_holds_itself_is_refused_clearly() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: Any = ()
    for _ in range(10_000):
        deep = (deep,)
    for value in (endless, deep):
        with pytest.raises(EncodingError, match="nested deeper than 64 levels"):
            pack({"it": value}, OWNER, INPUT)


def test_a_deep_value_within_the_limit_crosses() -> None:
    value: Any = 1
    for level in range(30):
        value = [value] if level % 2 else (value, {2: value} if level < 5 else None)
    assert same(cross(value), value)


def test_a_list_that_is_there_twice_crosses_as_two() -> None:
    shared = [1]
    found = cross((shared, shared))
    assert found == ([1], [1])
    assert found[0] is not found[1]


def _nested_extensions(levels: int) -> bytes:
    content = b"\xc0"
    for _ in range(levels):
        content = msgspec.msgpack.encode(Ext(typed.TUPLE, content))
    return content


HOSTILE = [
    Ext(encoding.TYPED, _nested_extensions(3000)),
    Ext(encoding.TYPED, b"\x91" * 100_000),
    Ext(encoding.TYPED, b""),
    Ext(encoding.TYPED, msgspec.msgpack.encode(Ext(99, b""))),
    Ext(encoding.TYPED, msgspec.msgpack.encode(Ext(typed.DECIMAL, b"x"))),
    Ext(encoding.TYPED, msgspec.msgpack.encode(Ext(typed.IDENTIFIER, b"x"))),
    Ext(encoding.TYPED, msgspec.msgpack.encode(Ext(typed.TEXT, b"\xff"))),
    Ext(
        encoding.TYPED,
        msgspec.msgpack.encode(
            Ext(
                typed.DATETIME,
                msgspec.msgpack.encode(["2026-01-01T00:00:00", 0, "../../etc/passwd"]),
            )
        ),
    ),
    Ext(
        encoding.TYPED,
        msgspec.msgpack.encode(
            Ext(typed.RECORD, msgspec.msgpack.encode(["Point", {"no": 1, "such": 2}]))
        ),
    ),
    Ext(
        encoding.TYPED,
        msgspec.msgpack.encode(Ext(typed.SET, msgspec.msgpack.encode([[1]]))),
    ),
    Ext(77, b"from a later version"),
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_not_understood_is_an_error_of_its_own_call(value: Ext) -> None:
    definition = Definition(name="point", primitive="map", spec=Point)
    with pytest.raises(EncodingError):
        unpack({"it": value}, {"it": definition}, INPUT)


@given(st.binary(max_size=64))
def test_no_bytes_from_the_wire_crash(content: bytes) -> None:
    with contextlib.suppress(EncodingError):
        unpack({"it": Ext(encoding.TYPED, content)}, {}, INPUT)


def test_a_message_that_is_nested_too_deep_is_not_understood() -> None:
    with pytest.raises(msgspec.MsgspecError):
        Work.decode(b"\x82\xa7primary\xa1p\xa5calls\x91\x93\x01\x02\x81\xa1x" + b"\x91" * 100_000)


@pytest.mark.parametrize("name", ["a.b", "../..", "a.*.c", "a.>.c", "", "A.b.c", "a.b.c.d"])
def test_a_reference_may_name_only_what_we_store(name: str) -> None:
    with pytest.raises(EncodingError):
        stored({"it": Ext(encoding.STORED, name.encode())})


@pytest.mark.parametrize(
    "value", ["x" * 400_000, b"x" * 400_000, ["x" * 1000] * 400, "é" * 200_000]
)
def test_a_large_value_becomes_a_reference(value: Any) -> None:
    packed = {"small": 1, "it": value}
    assert not is_plain(packed)
    sent = pack(packed, OWNER, OUTPUT)
    (name,) = sent.large
    assert name.startswith(OWNER)
    data = Results("n", "o", 0.1, [Result(1, 2, [sent.values])]).encode()
    assert len(data) < 500
    (outputs,) = Results.decode(data).results[0].outputs
    assert stored(outputs) == [name]
    assert unpack(outputs, {}, OUTPUT, sent.large) == packed


def test_a_small_value_travels_in_the_message() -> None:
    for value in ("x" * 200_000, b"x" * 200_000, [1.5] * 20_000):
        assert not pack({"it": value}, OWNER, OUTPUT).large


def test_names_are_strings() -> None:
    assert not is_plain({1: 2})  # type: ignore[dict-item]
    with pytest.raises(EncodingError, match="find_things names an output 1, not a string"):
        pack({1: 2}, OWNER, OUTPUT)  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "value", ["text", "naïve", 1, 2**63, 1.5, True, None, b"bytes"], ids=lambda v: type(v).__name__
)
def test_what_is_plain_goes_as_it_is(value: Any) -> None:
    assert is_plain({"it": value})
    assert same(cross(value), value)


def test_empty_is_plain_and_types_are_exact() -> None:
    assert is_plain({})
    assert not is_plain({"it": Colour.RED})
    assert not is_plain({"it": (1,)})
