"""Values as they cross between processes: MessagePack with extension types of our own.

The rule that it guards: what comes out equals what went in, by type and value, or there is an
`EncodingError` that says where the culprit lies. A class is never imported, nor looked up, by a
name from the wire: records and enums are rebuilt as what the definition's `spec` declares here.

What MessagePack has by itself (see `is_plain`) crosses as it is. msgspec would encode much else
natively and lose its type (tuples, sets, dataclasses…), so everything is looked at before: any
other value becomes one extension, `TYPED`, with a MessagePack of its own, in which what has
types is an extension again. A value that is large when encoded becomes a reference, `STORED`,
to where its content will lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from chatbot.errors import EncodingError
from chatbot.messages import digest
from chatbot.typed import read_typed, write_typed

LARGE = 256 * 1024
"""The most bytes that a value may have, encoded, to travel in the message itself."""

MESSAGE = 500 * 1024
"""The most bytes that the encoded calls or results of one message have together."""

SHORT = LARGE // 4
"""The most characters that are surely not too large: UTF-8 has up to four bytes each."""

TYPED, STORED = 1, 2
LEAST, MOST = -(2**63), 2**64 - 1
DEEPEST = 16
"""How deep a container of plain values is looked into before it goes the slower way."""

_ATOMS = frozenset({float, bool, type(None)})
_PLAIN = frozenset({str, int, bytes, *_ATOMS})
_TEXT = frozenset({str})
_NESTED = frozenset({list, dict})
_NAME = re.compile(r"[0-9a-f]{1,64}(\.[0-9a-f]{1,64}){2}")
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Packed:
    """Values that can be encoded, and the content, by name, that is to be stored first."""

    values: dict[str, Any]
    large: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Place:
    """Whose values these are, for an error: `role` is "input" or "output"."""

    role: str
    operation: str

    def refuse(self, name: object, error: EncodingError) -> EncodingError:
        """Return `error` as one of the value `name`, with its path in it."""
        return EncodingError(f"{self.role} {name!r} of {self.operation}: {error.located(name)}")


def is_plain(values: dict[str, Any]) -> bool:
    """Whether `values` may be encoded as they are: names to small values of MessagePack's own.

    It is asked of every call, so it is quick: a tenth of a microsecond for `{"text": str}`.
    """
    for name, value in values.items():
        kind = type(value)
        if kind is str:
            if len(value) > SHORT or not (value.isascii() or _is_text(value)):
                return False
        elif kind is int:
            if not LEAST <= value <= MOST:
                return False
        elif kind is bytes:
            if len(value) > LARGE:
                return False
        elif kind not in _ATOMS:
            return False
        if type(name) is not str:
            return False
    return True


def pack(values: Mapping[str, Any], owner: str, place: Place, limit: int = LARGE) -> Packed:
    """Return `values` as they can be encoded, each that has over `limit` bytes as a reference.

    `owner` (see `owner_of`) begins the names of what is to be stored. Raises `EncodingError`,
    naming operation, value and type, for what cannot cross.
    """
    if not isinstance(values, Mapping):
        kind = type(values).__name__
        raise EncodingError(f"{place.operation} gave a {kind}, not its {place.role}s by name")
    packed: dict[str, Any] = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise EncodingError(f"{place.operation} names an {place.role} {name!r}, not a string")
        try:
            content, native = _content(value)
        except EncodingError as error:
            raise place.refuse(name, error) from None
        packed[str(name)] = msgspec.Raw(content) if native else Ext(TYPED, content)
    return shrink(packed, owner, limit)


def shrink(packed: Mapping[str, Any], owner: str, limit: int) -> Packed:
    """Return values that are packed with a reference for each that has over `limit` bytes."""
    values = dict(packed)
    large: dict[str, bytes] = {}
    for name, value in packed.items():
        if type(value) is Ext:
            content = b"" if value.code == STORED else bytes(value.data)
        else:
            content = bytes(value) if type(value) is msgspec.Raw else _encode(value)
        if len(content) > limit:
            stored = f"{owner}.{digest(content, length=40)}"
            large[stored] = content
            values[name] = Ext(STORED, stored.encode())
    return Packed(values, large)


def limit_for(packed: Iterable[Mapping[str, Any]]) -> int:
    """Return the limit to `shrink` to so that all together fit into a message."""
    return MESSAGE // (2 * max(1, sum(map(len, packed))))


def owner_of(primary: str, context: int) -> str:
    """Return what the names of a context's large values begin with.

    `primary` is its id, or one of the addresses that it has for results.
    """
    return f"{primary.partition('-')[0]}.{context:x}"


def is_packed(values: dict[str, Any]) -> bool:
    """Whether any of the values that a message brought is to be unpacked."""
    return Ext in map(type, values.values())


def stored(values: Mapping[str, Any]) -> list[str]:
    """Return the names of the contents that `unpack` needs; `EncodingError` for a strange one."""
    names = [
        bytes(value.data).decode(errors="replace")
        for value in values.values()
        if type(value) is Ext and value.code == STORED
    ]
    for name in names:
        if not _NAME.fullmatch(name):
            raise EncodingError("a reference to a large value is not understood")
    return names


def unpack(
    values: Mapping[str, Any],
    definitions: Mapping[str, Any] | None,
    place: Place,
    contents: Mapping[str, bytes] | None = None,
) -> dict[str, Any]:
    """Return what `pack` was given. `contents` has what `stored` names.

    Records and enums are made as the `spec` of the value's definition declares them; where
    there are no definitions at all, a record is a dict of its fields. Raises `EncodingError`
    for what is not understood, or not declared.
    """
    unpacked = dict(values)
    for name, value in values.items():
        if type(value) is not Ext:
            continue
        content = bytes(value.data)
        if value.code == STORED:
            stored_at = content.decode(errors="replace")
            content = (contents or {}).get(stored_at, b"")  # nothing is ever empty
        elif value.code != TYPED:
            raise place.refuse(name, EncodingError(f"extension {value.code}: a later version?"))
        spec = None if definitions is None else getattr(definitions.get(name), "spec", None)
        try:
            unpacked[name] = read_typed(content, spec, declared_only=definitions is not None)
        except EncodingError as error:
            raise place.refuse(name, error) from error.__cause__
    return unpacked


def _content(value: Any) -> tuple[bytes, bool]:
    """Return `value` encoded, and whether that is MessagePack without any extension."""
    if _is_native(value, 0):
        try:
            return _encode(value), True
        except (OverflowError, UnicodeEncodeError):
            pass  # an integer of over 64 bits, or half a surrogate pair
    return _encode(write_typed(value)), False


def _is_native(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind is list:
        kinds = set(map(type, value))
        items = value
    elif kind is dict:
        if not _TEXT.issuperset(map(type, value)):
            return False
        items = value.values()
        kinds = set(map(type, items))
    else:
        return kind in _PLAIN
    kinds -= _PLAIN
    if not kinds:
        return True
    return (
        depth < DEEPEST
        and kinds <= _NESTED
        and all(_is_native(item, depth + 1) for item in items if type(item) in _NESTED)
    )


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
