"""Checks a value of the file against a Python type and converts it; reports every mismatch.

The messages say what was wanted and what kind was found, never the value.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot.flowfile.document import Node
from chatbot.flowfile.problems import COMMAND_LINE, Report, nearest, suggest, suggest_file

INVALID: Any = object()
"""What `Values.convert` returns for a value that it reported."""

_SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, tuple, set, frozenset)
_MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def jsonable(value: Any) -> Any:
    """Return a converted value as JSON knows it; paths become their text."""
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(jsonable(item) for item in value)
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value


def fields_of(record: type) -> dict[str, tuple[Any, bool]]:
    """Return a dataclass's fields: name → (type, required)."""
    hints = typing.get_type_hints(record)
    return {
        f.name: (hints.get(f.name, Any), _is_required(f))
        for f in dataclasses.fields(record)
        if f.init
    }


def file_at(folder: Path, name: str) -> Path | None:
    """Return where `name` lies, seen from `folder`; `None` for what no file can be called."""
    try:
        path = (folder / Path(name).expanduser()).resolve()
        path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long; NUL; ~nobody, or a circle of links
        return None
    return path


def is_path(annotation: Any) -> bool:
    """Whether a field of this type names a file: `Path`, or `Path | None`."""
    return annotation is Path or Path in _union(annotation)


@dataclass(frozen=True, slots=True)
class Values:
    """Converts values of one flow file. A relative path is relative to `folder`.

    With `existing`, a path must be a file that is there. A path from the command line is
    relative to the working directory.
    """

    folder: Path
    report: Report
    existing: bool = True

    def convert(self, node: Node, annotation: Any, what: str) -> Any:
        """Return the value of `node` as `annotation` wants it, `INVALID` when it was reported."""
        union = _union(annotation)
        if annotation is Any or annotation is object:
            return node.plain()
        if union:
            return self._one_of(node, union, what)
        origin = typing.get_origin(annotation) or annotation
        if origin is typing.Literal:
            return self._choice(node, typing.get_args(annotation), what)
        if annotation in _SCALARS:
            return self._scalar(node, annotation, what)
        if annotation is Path:
            return self._path(node, what)
        return self._compound(node, annotation, origin, what)

    def _compound(self, node: Node, annotation: Any, origin: Any, what: str) -> Any:
        if isinstance(origin, type) and dataclasses.is_dataclass(origin):
            return self.record(node, origin, what)
        if origin in _LISTS:
            return self._list(node, annotation, origin, what)
        if origin in _MAPS:
            return self._map(node, annotation, what)
        return node.plain()  # a type that we do not know: its class will see

    def record(self, node: Node, record: type, what: str) -> Any:
        """Return `record` made of the map `node`; unknown and missing keys are reported."""
        converted = self.fields(node, record, what)
        if converted is INVALID:
            return INVALID
        try:
            return record(**converted)
        except (TypeError, ValueError) as error:
            self.report.add(node.key, f"{what}: {error}")
            return INVALID

    def fields(self, node: Node, record: type, what: str) -> Any:
        """Return what the map `node` gives for the fields of `record`, or `INVALID`."""
        if node.value is not None and not isinstance(node.value, dict):
            first = next((n for n, (_, required) in fields_of(record).items() if required), "")
            first = first or next(iter(fields_of(record)), "key")
            given = node.value if isinstance(node.value, str) else "..."
            return self._mismatch(node, "a map", what, f"write {{{first}: {given}}}")
        before = len(self.report)
        entries = node.value or {}
        known = fields_of(record)
        for name, entry in entries.items():
            if name not in known:
                hint = suggest(name, known, what="keys")
                if name.isdigit() and entry.value is None:
                    hint = f"of a number, write 0.{name}, with a point"
                self.report.add(entry.key, f"{what} has no key `{name}`", hint)
        meant = {nearest(name, known) for name in entries if name not in known}
        for name, (_, required) in known.items():
            if required and name not in entries and name not in meant:
                self.report.add(node.key, f"{what} needs `{name}`", f"{{{name}: ...}}")
        converted = {
            name: self.convert(entry, known[name][0], f"`{name}`")
            for name, entry in entries.items()
            if name in known
        }
        wrong = len(self.report) > before or any(value is INVALID for value in converted.values())
        return INVALID if wrong else converted  # what stands here twice is reported once

    def _scalar(self, node: Node, wanted: type, what: str) -> Any:
        value = node.value
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)):
            return value
        return self._mismatch(node, _SCALARS[wanted], what, _scalar_hint(value, wanted))

    def _choice(self, node: Node, choices: tuple[Any, ...], what: str) -> Any:
        if any(node.value == choice and type(node.value) is type(choice) for choice in choices):
            return node.value
        words = [str(choice) for choice in choices]
        hint = suggest(str(node.value), words) if isinstance(node.value, str) else ""
        self.report.add(node.mark, f"{what} must be one of {', '.join(words)}", hint)
        return INVALID

    def _one_of(self, node: Node, members: tuple[Any, ...], what: str) -> Any:
        if node.value is None and type(None) in members:
            return None
        rest = [member for member in members if member is not type(None)]
        for member in rest:
            trial = Values(self.folder, Report(), existing=False)
            if trial.convert(node, member, what) is not INVALID:
                return self.convert(node, member, what)
        if len(rest) == 1:
            return self.convert(node, rest[0], what)
        wanted = " or ".join(_words(member) for member in rest)
        lists = any(_words(member) == "a list" for member in rest)
        hint = "write [a, b]" if lists and isinstance(node.value, str) else ""
        return self._mismatch(node, wanted, what, hint)

    def _list(self, node: Node, annotation: Any, origin: Any, what: str) -> Any:
        if not isinstance(node.value, list):
            hint = "write [a, b]" if isinstance(node.value, str) else ""
            return self._mismatch(node, "a list", what, hint)
        arguments = [a for a in typing.get_args(annotation) if a is not Ellipsis]
        item = arguments[0] if arguments else Any
        converted = [
            self.convert(n, item, f"{what}, item {i}") for i, n in enumerate(node.value, 1)
        ]
        if any(value is INVALID for value in converted):
            return INVALID
        return origin(converted) if origin in (tuple, set, frozenset) else converted

    def _map(self, node: Node, annotation: Any, what: str) -> Any:
        if not isinstance(node.value, dict):
            return self._mismatch(node, "a map", what, "write {KEY: VALUE}")
        arguments = typing.get_args(annotation)
        item = arguments[1] if len(arguments) == 2 else Any
        converted = {
            name: self.convert(entry, item, f"{what}, key `{name}`")
            for name, entry in node.value.items()
        }
        return INVALID if any(v is INVALID for v in converted.values()) else converted

    def _path(self, node: Node, what: str) -> Any:
        if not isinstance(node.value, str) or not node.value:
            return self._mismatch(node, "a file's name", what)
        folder = self._folder(node)
        path = file_at(folder, node.value)
        if path is None:
            self.report.add(node.mark, f"{what} cannot be a file's name")
            return INVALID
        if self.existing and not path.is_file():
            self.report.add(node.mark, f"{what}: there is no file {path}", _beside(path))
            return INVALID
        return path

    def _folder(self, node: Node) -> Path:
        """Return the folder of the file that the node was written in: it may be included."""
        if node.mark.file == COMMAND_LINE:
            return Path.cwd()
        return Path(node.mark.file).parent if node.mark.file else self.folder

    def _mismatch(self, node: Node, wanted: str, what: str, hint: str = "") -> Any:
        self.report.add(node.mark, f"{what} must be {wanted}, not {node.kind}", hint)
        return INVALID


def _scalar_hint(value: Any, wanted: type) -> str:
    """Return how a value that is not `wanted` may have been meant."""
    if wanted is str:
        if isinstance(value, bool | int | float):
            return "put it in quotes"
        if isinstance(value, dict):
            return "put it in quotes: { begins a map"
        return "put it in quotes if it begins with #: that begins a comment" if not value else ""
    if wanted in (int, float) and isinstance(value, str):
        number = value.strip().removesuffix("%").replace(",", ".")
        if re.fullmatch(r"[+-]?\d{1,9}(\.\d{1,9})?", number):
            as_it_is = number if value.strip() == number else f"{float(number)}"
            share = f"{float(number) / 100}" if "%" in value else as_it_is
            return f"write {share}, without quotes"
    return ""


def _words(annotation: Any) -> str:
    origin = typing.get_origin(annotation) or annotation
    if origin in _LISTS:
        return "a list"
    return "a map" if origin in _MAPS else _SCALARS.get(annotation, "another type")


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    try:
        return suggest_file(path.name, [p.name for p in path.parent.iterdir()])
    except OSError:
        return ""


def _union(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return ()


def _is_required(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
