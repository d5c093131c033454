"""A YAML, JSON or TOML text as a tree in which every node knows its place; knows no flows.

YAML 1.2, so `on` and `yes` are words. Anchors, aliases and `<<` work; tags do not.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chatbot.flowfile import json_faults
from chatbot.flowfile.problems import Mark, Report
from chatbot.flowfile.syntax import fault_of

LONGEST = 16 * 1024 * 1024
"""Bytes of a file that are read."""

DEEPEST = 64
"""How deep lists and maps may lie in each other."""

MOST = 1_000_000
"""Values in a file, each counted as often as aliases name it."""

MOST_DIGITS = 1000
"""Of a whole number; what is longer is taken for a text."""

Scalar = None | bool | int | float | str

_RUN = re.compile(r"[\[{]{256}")
_MERGE = "<<"
_BLANK = re.compile("[\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]")
"""What looks like a space, or like nothing; it comes with what is copied from web pages."""
_GLUED_COMMENT = re.compile(r":[ \t]+(#[^\s#]\S*)[ \t]*(?:#.*)?$")
_SAID = ("reply", "text", "title", "body")
_CUT = re.compile(r"[ \t]+#[^\s#]")
_CORE = "tag:yaml.org,2002:"
_TAGS = frozenset(
    _CORE + name
    for name in ("null", "bool", "int", "float", "str", "timestamp", "merge", "value", "seq", "map")
)
"""What a value without a tag may be resolved to."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place; `key` is where the name stands that the value was given to."""

    mark: Mark
    value: Scalar | list[Node] | dict[str, Node]
    key: Mark

    @property
    def kind(self) -> str:
        """Return what the value is, for a message: never the value itself."""
        return _kind(self.value)

    def plain(self) -> Any:
        """Return the value without places, as `json` would load it."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, path: tuple[str | int, ...]) -> Node:
        """Return the node at `path` below this one, or the nearest above it that there is."""
        node = self
        for step in path:
            if isinstance(node.value, dict) and step in node.value:
                node = node.value[str(step)]
            elif (
                isinstance(node.value, list)
                and isinstance(step, int)
                and 0 <= step < len(node.value)
            ):
                node = node.value[step]
            else:
                break
        return node


def read(path: Path, report: Report, begin: str = "begin with `version: 1`") -> Node | None:
    """Return the tree of the file at `path`; `None` where there is none, which is reported.

    `begin` says what stands at the beginning of such a file.
    """
    start = Mark(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
        if len(data) > LONGEST:
            report.add(start, f"has over {LONGEST >> 20} MiB: is it a flow file?")
            return None
        text = data.decode("utf-8-sig")
    except OSError as error:
        report.add(start, f"cannot be read: {error.strerror or type(error).__name__}")
        return None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        hint = "save it as UTF-8 in your editor; a picture or the like is no flow"
        report.add(Mark(str(path), line, column), "is not UTF-8 text", hint)
        return None
    if path.suffix == ".json":
        text = text.replace("\t", " ")  # outside of strings, where JSON allows none
        if text.strip() and not _is_json(text, start, report):
            return None
    tree = (_toml if path.suffix == ".toml" else parse)(text, start, report)
    if tree is None and all(each.file != start.file for each in report.problems()):
        report.add(start, "is empty", begin)
    return tree


def _is_json(text: str, start: Mark, report: Report) -> bool:
    """Whether it is JSON; if not, why is reported. YAML's parser would say it in YAML's terms."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        fault = json_faults.fault_of(error, text)
        report.add(_shift(start, fault), f"is not JSON: {fault.message}", fault.hint)
        return False
    except RecursionError:
        report.add(start, f"is nested deeper than {DEEPEST} levels")
        return False
    return True


def _toml(text: str, start: Mark, report: Report) -> Node | None:
    from chatbot.flowfile.toml import parse_toml

    return parse_toml(text, start, report)


def parse(text: str, start: Mark, report: Report) -> Node | None:
    """Return the tree of `text`, which begins at `start`; `None` where it holds nothing.

    What is wrong with it as YAML is reported, with all duplicate keys.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLWarning
    from ruamel.yaml.reader import ReaderError

    if deep := _RUN.search(text):  # its parser takes seconds for that
        report.add(_mark_at(text, deep.start(), start), f"is nested deeper than {DEEPEST} levels")
        return None
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True  # we report them, all and with their places
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", YAMLWarning)  # an anchor's name may be used again
            root = yaml.compose(text)
    except RecursionError:
        report.add(start, f"is nested deeper than {DEEPEST} levels")
        return None
    except MarkedYAMLError as error:
        fault = fault_of(error, text)
        if fault is None:
            report.add(start, f"is not YAML: {error.problem}")
        else:
            report.add(_shift(start, fault), f"is not YAML: {fault.message}", fault.hint)
        return None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        report.add(Mark(start.file, line, column), "is not YAML: a character that is not allowed")
        return None
    except ValueError as error:  # "\U00110000"
        report.add(start, f"is not YAML: {error}")
        return None
    if root is None:
        return None
    return _built(_Tree(text, yaml.constructor, start, report), root, report)


def _mark_at(text: str, offset: int, start: Mark) -> Mark:
    line = text.count("\n", 0, offset)
    column = offset - text.rfind("\n", 0, offset)
    return Mark(start.file, start.line + line, column + (start.column - 1 if line == 0 else 0))


def _built(tree: _Tree, root: Any, report: Report) -> Node | None:
    try:
        return tree.build(root)
    except _NotMeantError as error:
        report.add(error.mark, error.message, error.hint)
        return None


class _NotMeantError(Exception):
    """A document that is right as it is written, and so much else, or so large, as it is read."""

    def __init__(self, mark: Mark, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.mark = mark
        self.message = message
        self.hint = hint


def is_braced(node: Any) -> bool:
    """Whether a map is `{{ … }}`, or begins so: a template that has no quotes."""
    [(key, value), *more] = node.value or [(None, None)]
    return (
        not more
        and bool(node.flow_style)
        and key is not None
        and key.id == "mapping"
        and bool(key.flow_style)
        and value.start_mark.index == value.end_mark.index
    )


def _shift(start: Mark, mark: Any) -> Mark:
    if mark is None:
        return start
    column = mark.column + (start.column if mark.line == 0 else 1)
    return Mark(start.file, start.line + mark.line, column)


class _Tree:
    """Turns the nodes that ruamel composes into ours."""

    def __init__(self, text: str, constructor: Any, start: Mark, report: Report) -> None:
        self._text = text
        self._constructor = constructor
        self._start = start
        self._report = report
        self._built: dict[int, Node | None] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        """Of each node: the values in it, and how deep they lie."""
        self._values, self._depth = 0, 0

    def build(self, node: Any) -> Node:
        mark = _shift(self._start, node.start_mark)
        if id(node) not in self._built:
            self._built[id(node)] = None  # until it is complete, an alias to it is a circle
            self._built[id(node)] = Node(mark, self._measured(node, mark), mark)
        else:
            self._count(mark, *self._sizes.get(id(node), (1, 1)))
        built = self._built[id(node)]
        if built is None:
            self._report.add(mark, "an alias leads back to what contains it")
            return Node(mark, None, mark)
        return built

    def _measured(self, node: Any, mark: Mark) -> Scalar | list[Node] | dict[str, Node]:
        """Return the node's value; raises `_NotMeantError` where aliases make it too large."""
        outer = self._values, self._depth
        self._values, self._depth = 0, 0
        value = self._value(node, mark)
        size = self._sizes[id(node)] = self._values + 1, self._depth + 1
        self._values, self._depth = outer
        self._count(mark, *size)
        return value

    def _count(self, mark: Mark, values: int, depth: int) -> None:
        self._values += values
        self._depth = max(self._depth, depth)
        if self._values > MOST:
            raise _NotMeantError(mark, f"has over {MOST} values, with those of its aliases")
        if self._depth > DEEPEST:
            raise _NotMeantError(mark, f"is nested deeper than {DEEPEST} levels")

    def _value(self, node: Any, mark: Mark) -> Scalar | list[Node] | dict[str, Node]:
        if str(node.tag) not in _TAGS:
            tag = str(node.tag).replace(_CORE, "!!")
            hint = "" if tag.startswith("!!") else "a text that begins with ! needs quotes"
            self._report.add(mark, f"the tag {tag} means nothing here", hint)
            self._report.hush(mark)
        if node.id == "mapping" and is_braced(node):
            hint = "put the whole text in quotes: { begins a map"
            self._report.add(mark, "a template without quotes", hint)
            return self._text[node.start_mark.index : node.end_mark.index]
        if node.id == "mapping":
            return self._mapping(node)
        if node.id == "sequence":
            return [self.build(item) for item in node.value]
        return self._scalar(node)

    def _mapping(self, node: Any) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key_node, value_node in node.value:
            mark = _shift(self._start, key_node.start_mark)
            if key_node.value == _MERGE:
                merged = {**self._merged(value_node, mark), **merged}
                continue
            name = self._name(key_node, mark)
            if name is None:
                continue
            if name in own:
                first = own[name].key.line
                self._report.add(mark, f"`{name}` is here twice", f"first in line {first}")
            built = replace(self.build(value_node), key=mark)
            if built.value is None and value_node.start_mark.index == value_node.end_mark.index:
                built = replace(built, mark=mark)  # nothing stands there, perhaps for lines
                self._warn_of_comment(name, key_node, mark)
            self._warn_of_cut(name, value_node)
            own[name] = built
        return {**merged, **own}

    def _warn_of_comment(self, name: str, node: Any, mark: Mark) -> None:
        """Warn where a value was meant that begins with # and so is a comment."""
        line = self._text[node.end_mark.index :].partition("\n")[0]
        comment = _GLUED_COMMENT.match(line)
        if comment:
            hint = f'if it is meant, put it in quotes: "{comment[1]}"'
            self._report.warn(mark, f"`{name}` is empty: # begins a comment", hint)

    def _warn_of_cut(self, name: str, node: Any) -> None:
        """Warn of a text whose end is a comment, or whose beginning an anchor."""
        if node.id != "scalar" or node.style or not (" " in node.value or name in _SAID):
            return
        mark = _shift(self._start, node.start_mark)
        rest = self._text[node.end_mark.index :].partition("\n")[0]
        if _CUT.match(rest):
            hint = "put the whole text in quotes; before a remark, leave a space after the #"
            self._report.warn(mark, f"`{name}` ends before the #, which begins a comment", hint)
        if node.anchor and f"*{node.anchor}" not in self._text:
            hint = "put the whole text in quotes"
            self._report.warn(mark, f"&{node.anchor} is no part of `{name}`: & begins a name", hint)

    def _merged(self, node: Any, mark: Mark) -> dict[str, Node]:
        built = self.build(node)
        maps = built.value if isinstance(built.value, list) else [built]
        merged: dict[str, Node] = {}
        for item in maps:
            if isinstance(item, Node) and isinstance(item.value, dict):
                self._count(mark, len(merged) + len(item.value), 0)
                merged = {**item.value, **merged}
            else:
                self._report.add(mark, "`<<` takes a map or a list of maps")
        return merged

    def _name(self, node: Any, mark: Mark) -> str | None:
        if node.id == "scalar":
            found = None if node.style else _BLANK.search(node.value)
            if found:
                place = replace(mark, column=mark.column + found.start())
                sign = f"U+{ord(found[0]):04X}"
                hint = f"type an ordinary one in place of {sign}"
                raise _NotMeantError(place, "this looks like a space, and is none", hint)
            return _paired(str(node.value))
        self._report.add(mark, "a key must be a word")
        return None

    def _scalar(self, node: Any) -> Scalar:
        if str(node.tag) not in _TAGS and not node.value:
            return str(node.tag)
        try:
            return self._constructed(str(node.tag).removeprefix(_CORE), node)
        except ValueError:
            return str(node.value)

    def _constructed(self, tag: str, node: Any) -> Scalar:
        value: Scalar
        if tag == "null":
            value = None
        elif tag == "bool":
            value = bool(self._constructor.construct_yaml_bool(node))
        elif tag == "int":
            if len(node.value) > MOST_DIGITS:
                return str(node.value)
            value = int(self._constructor.construct_yaml_int(node))
        elif tag == "float":
            value = float(self._constructor.construct_yaml_float(node))
        else:  # also dates: they stay as they were written
            value = _paired(str(node.value))
        return value


def _paired(text: str) -> str:
    """Join the surrogates that JSON writes for what lies outside of the basic plane."""
    if not any("\ud800" <= c <= "\udfff" for c in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "a map"
