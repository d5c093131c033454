"""Type hints: what DFFML calls a value of the kind, and how such a value crosses.

The rule that it guards: what leaves an operation is plain (numbers, texts, lists, maps…), so that
any other operation may take it, on any machine; records are made again where a hint wants them.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

T = TypeVar("T")


class _Batched:
    """Marks a hint as one value of each of many calls."""

    def __repr__(self) -> str:
        return "Batch"


BATCHED = _Batched()

Batch = Annotated[list[T], BATCHED]
"""One value for each of the calls that are made in one go; for a type checker, a list."""

Convert = Callable[[Any], Any]

SCALARS: dict[Any, str] = {
    str: "string",
    int: "int",
    float: "float",
    bool: "bool",
    bytes: "bytes",
    datetime.datetime: "datetime",
    datetime.date: "date",
    datetime.time: "time",
    datetime.timedelta: "duration",
    decimal.Decimal: "decimal",
    uuid.UUID: "uuid",
    Any: "generic",
    object: "generic",
}
LISTS: dict[Any, Any] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: set,
}
MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
KNOWN = (
    "str, int, float, bool, bytes, datetime, list[…], tuple[…], set[…], dict[str, …], Literal[…], "
    "an Enum, a dataclass, a NamedTuple, a TypedDict, … | None, or Any"
)


class UnknownHintError(Exception):
    """A hint says nothing that can be an operation's value; the message says which."""


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What a hint says: DFFML's word for it, and how a plain value becomes what it names.

    `read` is `None` where nothing is to be done, `plain` whether a value is plain as it is.
    """

    primitive: str
    read: Convert | None = None
    plain: bool = True


def kind_of(hint: Any) -> Kind:
    """Return what `hint`, evaluated, says; raises `UnknownHintError`."""
    return _kind(hint, ())


def fields_of(hint: Any) -> dict[str, Any] | None:
    """Return the fields of a record: name → hint; `None` for what is no record.

    Raises `UnknownHintError` where one of its hints cannot be evaluated.
    """
    if not is_record(hint):
        return None
    try:
        found = typing.get_type_hints(hint)
    except NameError as error:
        raise UnknownHintError(f"{hint.__name__} has a hint that is not known: {error}") from error
    if dataclasses.is_dataclass(hint):
        return {field.name: found[field.name] for field in dataclasses.fields(hint)}
    return found


def is_record(hint: Any) -> bool:
    """Whether it is a dataclass, a NamedTuple or a TypedDict."""
    if not isinstance(hint, type):
        return False
    return dataclasses.is_dataclass(hint) or _is_named_tuple(hint) or typing.is_typeddict(hint)


def values_of(record: Any) -> dict[str, Any]:
    """Return a record's fields and their values."""
    if dataclasses.is_dataclass(record):
        return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return dict(record) if isinstance(record, dict) else dict(record._asdict())


def made(record: Any, values: dict[str, Any]) -> Any:
    """Return the dataclass `record` with plain `values`, what is inside them made, too."""
    found = dict(values)
    for name, hint in (fields_of(record) or {}).items():
        if name in found:
            with contextlib.suppress(UnknownHintError):  # its class will see
                read = kind_of(hint).read
                found[name] = found[name] if read is None else read(found[name])
    return record(**found)


def plain(value: Any) -> Any:
    """Return `value` with all records in it as maps, and enums as their values."""
    kind = type(value)
    if kind is list or kind is set or kind is frozenset:
        return kind(map(plain, value)) if value else value
    if kind is dict:
        return {key: plain(each) for key, each in value.items()}
    if kind in SCALARS or value is None:
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) or _is_named_tuple(kind):
        return {name: plain(each) for name, each in values_of(value).items()}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return value


def without_none(hint: Any) -> tuple[Any, bool]:
    """Return `hint` without `None`, and whether that was in it."""
    members = _members(hint)
    if type(None) not in members:
        return hint, hint is None or hint is type(None)
    rest = [member for member in members if member is not type(None)]
    return (typing.Union[tuple(rest)] if rest else None), True  # noqa: UP007 - it is computed


def batched(hint: Any) -> Any | None:
    """Return what `Batch[…]` has in it; `None` for any other hint."""
    if typing.get_origin(hint) is not Annotated or BATCHED not in hint.__metadata__:
        return None
    [inner] = typing.get_args(hint.__origin__) or (Any,)
    return inner


def _kind(hint: Any, above: tuple[Any, ...]) -> Kind:
    if hint in above:  # a record with a field of its own kind: it stays a map
        return Kind("map", plain=False)
    if typing.get_origin(hint) is Annotated:
        return _kind(hint.__origin__, above)
    if _is_hashable(hint) and hint in SCALARS:
        return Kind(SCALARS[hint], plain=hint is not Any and hint is not object)
    members = _members(hint)
    if members:
        return _of_union(members, above)
    origin = typing.get_origin(hint) or hint
    arguments = typing.get_args(hint)
    if origin is typing.Literal:
        return _of_choices(arguments)
    if origin in LISTS:
        return _of_list(LISTS[origin], arguments, above)
    if origin in MAPS:
        return _of_map(arguments, above)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _of_enum(hint)
    if is_record(hint):
        return _of_record(hint, above)
    raise UnknownHintError(f"{shown(hint)} cannot be sent to another machine")


def shown(hint: Any) -> str:
    """Return a hint as people write it."""
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _of_union(members: tuple[Any, ...], above: tuple[Any, ...]) -> Kind:
    kinds = [_kind(each, above) for each in members if each is not type(None)]
    primitives = {kind.primitive for kind in kinds}
    reads = [kind.read for kind in kinds if kind.read is not None]
    if len(kinds) > 1 and reads:
        raise UnknownHintError("of several kinds, none may be a record, an Enum or a set")
    primitive = primitives.pop() if len(primitives) == 1 else "generic"
    return Kind(primitive, _unless_none(reads[0]) if reads else None, all(k.plain for k in kinds))


def _of_choices(choices: tuple[Any, ...]) -> Kind:
    kinds = {type(choice) for choice in choices}
    if len(kinds) != 1:
        return Kind("generic")
    return Kind(SCALARS.get(kinds.pop(), "generic"))


def _of_list(made: Any, arguments: tuple[Any, ...], above: tuple[Any, ...]) -> Kind:
    if made is tuple and arguments and arguments[-1] is not Ellipsis:
        return _of_tuple([_kind(each, above) for each in arguments])
    item = _kind(arguments[0], above) if arguments else Kind("generic")
    read = item.read
    if read is not None:
        return Kind("array", lambda value: made(map(read, value)), plain=False)
    return Kind("array", None if made is list else made, item.plain)


def _of_tuple(items: list[Kind]) -> Kind:
    reads = [kind.read or _same for kind in items]

    def read(value: Any) -> Any:
        return tuple(convert(each) for convert, each in zip(reads, value, strict=True))

    return Kind("array", read, plain=all(kind.plain for kind in items))


def _of_map(arguments: tuple[Any, ...], above: tuple[Any, ...]) -> Kind:
    if len(arguments) != 2:
        return Kind("map")
    item = _kind(arguments[1], above)
    read = item.read
    if read is None:
        return Kind("map", plain=item.plain)
    return Kind("map", lambda value: {key: read(each) for key, each in value.items()}, plain=False)


def _of_enum(hint: Any) -> Kind:
    values = {type(member.value) for member in hint}
    primitive = SCALARS.get(values.pop(), "generic") if len(values) == 1 else "generic"
    return Kind(primitive, lambda value: value if isinstance(value, hint) else hint(value), False)


def _of_record(hint: Any, above: tuple[Any, ...]) -> Kind:
    fields = fields_of(hint) or {}
    reads = {name: _kind(each, (*above, hint)).read for name, each in fields.items()}
    if typing.is_typeddict(hint):
        return Kind("map", None, False)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        unknown = value.keys() - reads.keys()
        if unknown:
            raise TypeError(f"{hint.__name__} has no field {min(unknown)!r}")
        return hint(**{name: (reads[name] or _same)(each) for name, each in value.items()})

    return Kind("map", read, False)


def _unless_none(read: Convert) -> Convert:
    return lambda value: None if value is None else read(value)


def _same(value: Any) -> Any:
    return value


def _members(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return ()


def _is_named_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _is_hashable(hint: Any) -> bool:
    try:
        hash(hint)
    except TypeError:
        return False
    return True
