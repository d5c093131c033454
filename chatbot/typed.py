"""Python's types in MessagePack: what is written for each, and how it is read again.

The rule that it guards: reading makes nothing but the types below and those that a `spec`
declares here, and neither side follows a value deeper than `DEEPEST`.

Subclasses of Python's own types (`class Name(str)`) cross as what they derive from. An enum
crosses by its value and is restored where the spec declares it.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import struct
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec.msgpack import Ext

from chatbot.errors import EncodingError

DEEPEST = 64

MANY = 1000
"""Keys whose hashes are looked at before they are put together."""

TUPLE, SET, FROZENSET, MAP, RECORD, ENUM = 10, 11, 12, 13, 14, 15
INTEGER, TEXT, BYTEARRAY, COMPLEX, DECIMAL, IDENTIFIER = 20, 21, 22, 23, 24, 25
DATETIME, DATE, TIME, DURATION = 30, 31, 32, 33

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
Moment = TypeVar("Moment", datetime, time)

_COMPLEX = struct.Struct(">dd")
_encode = msgspec.msgpack.Encoder().encode


def write_typed(value: Any) -> Any:
    """Return `value` as MessagePack can encode it. Raises `EncodingError`, with the path."""
    return _write(value, 0)


def read_typed(content: bytes | memoryview, spec: Any, *, declared_only: bool) -> Any:
    """Return the value that was written. `spec` declares the records and enums it may have.

    With `declared_only` any other record is an error; without, it is a dict of its fields.
    Raises `EncodingError`.
    """
    reader = _Reader(declared(spec), declared_only)
    try:
        return reader.read(content)
    except EncodingError:
        raise
    except RecursionError:
        raise EncodingError("is nested too deep") from None
    except Exception as error:
        # The constructor of a declared record may raise anything; so may Python's own here.
        raise EncodingError(f"cannot be read: {type(error).__name__}") from error


@functools.lru_cache(maxsize=1024)
def declared(spec: Any) -> Mapping[str, type]:
    """Return the records and enums that `spec` declares, itself and its fields', by name."""
    found: dict[str, type] = {}
    waiting = [spec]
    while waiting:
        each = waiting.pop()
        waiting.extend(typing.get_args(each))
        if not isinstance(each, type) or each.__qualname__ in found:
            continue
        if _is_record(each) or issubclass(each, Enum):
            found[each.__qualname__] = each
            waiting.extend(_hints(each))
    return found


def _hints(kind: type) -> Iterable[Any]:
    try:
        return typing.get_type_hints(kind).values()
    except (NameError, TypeError):  # annotations that only a type checker understands
        return getattr(kind, "__annotations__", {}).values()


def _is_record(kind: type) -> bool:
    return (
        dataclasses.is_dataclass(kind)
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
        or issubclass(kind, msgspec.Struct)
    )


def _write(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind not in _WRITERS and kind not in _CONTAINERS:
        kind = _known(value)
    if kind in _WRITERS:
        return _WRITERS[kind](value)
    if depth > DEEPEST:
        raise EncodingError(f"is nested deeper than {DEEPEST} levels")
    return _CONTAINERS[kind](value, depth + 1)


def _known(value: Any) -> type:
    """Return as what to write a value whose type is none of those that are known."""
    kind = type(value)
    if isinstance(value, Enum):
        return Enum
    if _is_record(kind):
        return _Record
    for base in kind.__mro__[1:]:
        if base in _WRITERS or base in _CONTAINERS:
            return base
    raise EncodingError(f"is {_a(kind.__name__)}, which cannot be sent to another machine")


class _Record:
    """Stands for every dataclass, named tuple and msgspec structure in the table of writers."""


def _write_text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return Ext(TEXT, value.encode("utf-8", "surrogatepass"))
    return str.__str__(value)


def _write_integer(value: int) -> Any:
    if -(2**63) <= value < 2**64:
        return int(value)
    return Ext(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _write_list(value: Iterable[Any], depth: int) -> list[Any]:
    written: list[Any] = []
    try:
        for item in value:
            written.append(_write(item, depth))  # its length is the place
    except EncodingError as error:
        raise error.inside(f"[{len(written)}]") from None
    return written


def _write_items(code: int, value: Iterable[Any], depth: int) -> Ext:
    return Ext(code, _encode(_write_list(value, depth)))


def _write_elements(code: int, value: Iterable[Any], depth: int) -> Ext:
    try:
        return Ext(code, _encode([_write(item, depth) for item in value]))
    except EncodingError as error:
        raise error.inside("{…}") from None


def _write_map(value: dict[Any, Any], depth: int) -> Any:
    written: list[Any] = []
    for key, item in value.items():
        try:
            written += (_write(key, depth), _write(item, depth))
        except EncodingError as error:
            raise error.inside(f"[{_short(key)}]") from None
    if all(type(key) is str for key in written[::2]):
        return dict(zip(written[::2], written[1::2], strict=True))
    return Ext(MAP, _encode(written))


def _write_record(value: Any, depth: int) -> Ext:
    fields = {}
    for name in _fields(type(value)):
        try:
            fields[name] = _write(getattr(value, name), depth)
        except EncodingError as error:
            raise error.inside(f".{name}") from None
    return Ext(RECORD, _encode([type(value).__qualname__, fields]))


def _fields(kind: Any) -> Iterable[str]:
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return tuple(getattr(kind, "_fields", None) or kind.__struct_fields__)


def _write_enum(value: Enum, depth: int) -> Ext:
    written = _write(value.value, depth)
    return Ext(ENUM, _encode([type(value).__qualname__, written]))


def _write_datetime(value: datetime) -> Ext:
    return Ext(DATETIME, _encode(_moment(value)))


def _write_time(value: time) -> Ext:
    return Ext(TIME, _encode(_moment(value)))


def _moment(value: datetime | time) -> tuple[str, int, str | int | None]:
    """Return its reading in ISO 8601, its fold, and its zone's name or offset (microseconds).

    The offset is not in the text: `fromisoformat` loses one of less than a second.
    """
    reading = value.replace(tzinfo=None).isoformat()
    if value.tzinfo is None:
        return reading, value.fold, None
    if isinstance(value.tzinfo, ZoneInfo) and value.tzinfo.key:
        return reading, value.fold, value.tzinfo.key
    offset = value.utcoffset()
    if offset is None:
        raise EncodingError(f"has {_a(type(value.tzinfo).__name__)}, which gives no offset here")
    return reading, value.fold, offset // timedelta(microseconds=1)


_WRITERS: dict[type, Callable[[Any], Any]] = {
    type(None): lambda _: None,
    bool: bool,
    float: float,
    bytes: bytes,
    str: _write_text,
    int: _write_integer,
    bytearray: lambda value: Ext(BYTEARRAY, bytes(value)),
    complex: lambda value: Ext(COMPLEX, _COMPLEX.pack(value.real, value.imag)),
    Decimal: lambda value: Ext(DECIMAL, str(value).encode()),
    UUID: lambda value: Ext(IDENTIFIER, value.bytes),
    datetime: _write_datetime,
    date: lambda value: Ext(DATE, value.isoformat().encode()),
    time: _write_time,
    timedelta: lambda value: Ext(
        DURATION, _encode([value.days, value.seconds, value.microseconds])
    ),
}

_CONTAINERS: dict[type, Callable[[Any, int], Any]] = {
    list: _write_list,
    dict: _write_map,
    tuple: functools.partial(_write_items, TUPLE),
    set: functools.partial(_write_elements, SET),
    frozenset: functools.partial(_write_elements, FROZENSET),
    Enum: _write_enum,
    _Record: _write_record,
}


class _Reader:
    """Reads one value; knows how deep it is, and what its definition declares."""

    def __init__(self, declared: Mapping[str, type], declared_only: bool) -> None:
        self._declared = declared
        self._declared_only = declared_only
        self._depth = 0

    def read(self, content: bytes | memoryview) -> Any:
        return msgspec.msgpack.decode(content, ext_hook=self._extension)

    def _extension(self, code: int, data: memoryview) -> Any:
        if self._depth > DEEPEST:
            raise EncodingError(f"is nested deeper than {DEEPEST} levels")
        self._depth += 1
        try:
            if code in _SIMPLE:
                return _SIMPLE[code](bytes(data))
            return self._compound(code, self.read(data))
        finally:
            self._depth -= 1

    def _compound(self, code: int, content: Any) -> Any:
        if code in _COLLECTIONS:
            return _COLLECTIONS[code](content)
        if code == RECORD:
            return self._record(*content)
        if code == ENUM:
            name, value = content
            kind = self._declared.get(name)
            return value if kind is None else kind(value)
        raise EncodingError(f"has the type {code}, which is not known here: a later version?")

    def _record(self, name: str, fields: dict[str, Any]) -> Any:
        kind: Any = self._declared.get(name)
        if kind is not None:
            return _make_record(kind, fields)
        if self._declared_only:
            raise EncodingError(f"has {_a(name)}, which no spec of its definition declares")
        return fields


def _make_record(kind: Any, fields: dict[str, Any]) -> Any:
    own = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    computed = {field.name for field in own if not field.init}
    made = kind(**{name: value for name, value in fields.items() if name not in computed})
    for name in computed & fields.keys():
        object.__setattr__(made, name, fields[name])
    return made


def _pairs(content: list[Any]) -> dict[Any, Any]:
    return dict(zip(_scattered(content[::2]), content[1::2], strict=True))


def _scattered(keys: list[Any]) -> list[Any]:
    """Return `keys`; refuses those that were chosen for their equal hashes.

    Numbers' hashes are no secret (as those of texts are), and a set of ten thousand multiples of
    one prime takes seconds.
    """
    if len(keys) > MANY and 2 * len(set(map(hash, keys))) < len(keys):
        raise EncodingError("has keys that were made to collide")
    return keys


def _read_datetime(content: Any) -> datetime:
    text, fold, zone = content
    return _in_zone(datetime.fromisoformat(text), fold, zone)


def _read_time(content: Any) -> time:
    text, fold, zone = content
    return _in_zone(time.fromisoformat(text), fold, zone)


def _in_zone(value: Moment, fold: int, zone: str | int | None) -> Moment:
    # zoneinfo looks a name up in its own data, and nowhere else; it must look like one.
    if isinstance(zone, str):
        if not _ZONE.fullmatch(zone):
            raise ValueError("not a time zone's name")
        return value.replace(fold=fold, tzinfo=ZoneInfo(zone))
    offset = None if zone is None else timezone(timedelta(microseconds=zone))
    return value.replace(fold=fold, tzinfo=offset)


_COLLECTIONS: dict[int, Callable[[Any], Any]] = {
    TUPLE: tuple,
    SET: lambda content: set(_scattered(content)),
    FROZENSET: lambda content: frozenset(_scattered(content)),
    MAP: _pairs,
    DATETIME: _read_datetime,
    TIME: _read_time,
    DURATION: lambda content: timedelta(*content),
}

_SIMPLE: dict[int, Callable[[bytes], Any]] = {
    TEXT: lambda data: data.decode("utf-8", "surrogatepass"),
    INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    BYTEARRAY: bytearray,
    COMPLEX: lambda data: complex(*_COMPLEX.unpack(data)),
    DECIMAL: lambda data: Decimal(data.decode()),
    IDENTIFIER: lambda data: UUID(bytes=data),
    DATE: lambda data: date.fromisoformat(data.decode()),
}


def _a(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _short(key: Any) -> str:
    try:
        shown = isinstance(key, str | int | float | bytes | tuple)
        text = repr(key) if shown else type(key).__name__
    except ValueError:  # a number of thousands of digits
        text = type(key).__name__
    return text if len(text) <= 40 else text[:37] + "…"
