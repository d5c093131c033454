"""The sections of a flow file as records: their keys, types and places; knows no DFFML.

What needs more than the file itself (does the operation exist, does the source?) comes later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatbot import labels
from chatbot.errors import UsageError
from chatbot.flowfile.document import Node
from chatbot.flowfile.problems import Mark, Report, suggest
from chatbot.labels import Placement

VERSION = 1
TIMEOUT = 60.0
"""Seconds that a call of an operation may take where the file does not say."""

LONGEST = 86_400.0
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|min|m|h|)")
MESSAGE = "message"
INPUT = "input"
PRIMITIVES = {
    "string": "string",
    "number": "float",
    "integer": "int",
    "boolean": "bool",
    "list": "array",
    "map": "map",
    "any": "generic",
}
"""The types that a subflow's inputs may have, and DFFML's words for them."""

_FLOW_KEYS = (
    *("version", "name", "listeners", "roles", "order", "commands", "backlog", "storage"),
    *("learning", "operations", "outputs"),
)
_SUBFLOW_KEYS = ("version", "name", "inputs", "operations", "outputs")
_OPERATION_KEYS = (
    *("run", "when", "inputs", "config", "on", "retry", "batch", "concurrency"),
    "timeout",
)
_SUBFLOW_INSTANCE_KEYS = ("flow", "when", "inputs", "retry")
_RESERVED = (MESSAGE, INPUT, "outcome", "results", "seed")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_NAME_HINT = "small letters, digits, - and _"


@dataclass(frozen=True, slots=True)
class Source:
    """Where an input comes from: a field of the message, an input, or an instance's output."""

    origin: str
    key: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Literal:
    """An input that is given in the file."""

    value: Any
    mark: Mark


@dataclass(frozen=True, slots=True)
class Wire:
    """What one input of an instance may come from: any of these."""

    mark: Mark
    sources: tuple[Source | Literal, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of `operations`: an operation (`run`) or a subflow (`flow`)."""

    name: str
    mark: Mark
    run: str
    run_mark: Mark
    flow: Node | None = None
    inputs: dict[str, Wire] = field(default_factory=dict)
    when: tuple[Source, ...] = ()
    config: Node | None = None
    on: Placement | None = None
    on_mark: Mark | None = None
    retry: int = 0
    batch: int = 32
    concurrency: int = 1
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class FlowFile:
    """A flow file. `inputs` maps a subflow's inputs to their types; a flow for a bot has none."""

    path: Path
    mark: Mark
    name: str
    listeners: dict[str, Node]
    operations: dict[str, Section]
    outputs: dict[str, Source]
    inputs: dict[str, str]
    backlog: Node | None = None
    storage: Node | None = None
    roles: Node | None = None
    order: Node | None = None
    commands: Node | None = None
    learning: Node | None = None


def read_sections(tree: Node, path: Path, report: Report, *, subflow: bool) -> FlowFile:
    """Return the file's sections; those that are wrong are reported and left out."""
    return _Sections(report, subflow).file(tree, path)


def keys(node: Node, allowed: Iterable[str], what: str, report: Report) -> dict[str, Node]:
    """Return the entries of the map `node`, reporting what is not one of `allowed`."""
    names = tuple(allowed)
    entries = mapping(node, what, report)
    for name in [name for name in entries if name not in names]:
        unknown = entries.pop(name)
        report.add(unknown.key, f"{what} has no key `{name}`", suggest(name, names, what="keys"))
    return entries


def mapping(node: Node, what: str, report: Report) -> dict[str, Node]:
    """Return the entries of `node`, which must be a map or nothing at all."""
    if isinstance(node.value, dict):
        return dict(node.value)
    if node.value is not None:
        report.add(node.mark, f"{what} must be a map, not {node.kind}")
    return {}


def named(entries: dict[str, Node], what: str, report: Report) -> dict[str, Node]:
    """Return those entries whose keys may be names, reporting the others."""
    for name in [name for name in entries if not _NAME.fullmatch(name)]:
        report.add(entries.pop(name).key, f"`{name}` cannot name {what}", _NAME_HINT)
    return entries


class _Sections:
    def __init__(self, report: Report, subflow: bool) -> None:
        self._report = report
        self._subflow = subflow

    def file(self, tree: Node, path: Path) -> FlowFile:
        what = "a subflow" if self._subflow else "a flow"
        self._check_kind(tree)
        allowed = _SUBFLOW_KEYS if self._subflow else (*_FLOW_KEYS, INPUT + "s")
        entries = keys(tree, allowed, what, self._report)
        self._version(entries.get("version"), tree.mark)
        return FlowFile(
            path=path,
            mark=tree.mark,
            name=self._name(entries.get("name"), path, tree.mark),
            listeners=self._listeners(entries.get("listeners")),
            operations=self._operations(entries.get("operations"), tree.mark),
            outputs=self._outputs(entries.get("outputs"), tree.mark),
            inputs=self._inputs(entries.get("inputs"), tree.mark),
            backlog=entries.get("backlog"),
            storage=entries.get("storage"),
            roles=entries.get("roles"),
            order=entries.get("order"),
            commands=entries.get("commands"),
            learning=entries.get("learning"),
        )

    def _check_kind(self, tree: Node) -> None:
        entries = tree.value if isinstance(tree.value, dict) else {}
        if not self._subflow and "inputs" in entries:
            self._report.add(
                entries["inputs"].key,
                "this file is a subflow: it declares inputs",
                "name it under `flow:` in the flow that uses it",
            )

    def _version(self, node: Node | None, mark: Mark) -> None:
        if node is None:
            self._report.add(mark, "the version is missing", f"begin with `version: {VERSION}`")
        elif node.value is True or node.value != VERSION:
            self._report.add(
                node.mark, "this version is not supported", f"this program reads version {VERSION}"
            )

    def _name(self, node: Node | None, path: Path, mark: Mark) -> str:
        name = path.stem if node is None else node.value
        where = mark if node is None else node.mark
        if isinstance(name, str) and (_NAME.fullmatch(name) or (self._subflow and node is None)):
            return name
        if node is None:
            self._report.add(where, "the file's name cannot name a flow", "give it a `name:`")
        else:
            self._report.add(where, "this cannot name a flow", _NAME_HINT)
        return "flow"

    def _listeners(self, node: Node | None) -> dict[str, Node]:
        if node is None:
            return {}
        entries = mapping(node, "`listeners`", self._report)
        return named(entries, "a network", self._report)

    def _operations(self, node: Node | None, mark: Mark) -> dict[str, Section]:
        before = len(self._report)
        entries = {} if node is None else mapping(node, "`operations`", self._report)
        if not entries and len(self._report) == before:
            self._report.add(node.key if node else mark, "there are no operations")
        named(entries, "an operation", self._report)
        for name in [name for name in entries if name in _RESERVED]:
            self._report.add(entries.pop(name).key, f"`{name}` is reserved: take another name")
        return {name: self._operation(name, entry) for name, entry in entries.items()}

    def _operation(self, name: str, node: Node) -> Section:
        given = mapping(node, f"`{name}`", self._report)
        entries = self._operation_keys(given, node, name)
        flow = entries.get("flow")
        run = entries.get("run")
        if flow is not None and not self._is_text(flow, "`flow`"):
            flow = None
        if run is not None and not self._is_text(run, "`run`"):
            run = None
        return Section(
            name=name,
            mark=node.key,
            run="" if "flow" in entries else str(run.value) if run else name,
            run_mark=run.mark if run else node.key,
            flow=flow,
            inputs=self._wires(entries.get("inputs")),
            when=self._conditions(entries.get("when")),
            config=entries.get("config"),
            on=self._placement(entries.get("on")),
            on_mark=entries["on"].mark if "on" in entries else None,
            retry=self._whole(entries.get("retry"), "`retry`", range(1001), 0),
            batch=self._whole(entries.get("batch"), "`batch`", range(1, 100_001), 32),
            concurrency=self._whole(entries.get("concurrency"), "`concurrency`", range(1, 1025), 1),
            timeout=self._seconds(entries.get("timeout"), "`timeout`", TIMEOUT),
        )

    def _operation_keys(self, given: dict[str, Node], node: Node, name: str) -> dict[str, Node]:
        if "flow" not in given:
            return keys(node, (*_OPERATION_KEYS, "flow"), f"`{name}`", self._report)
        for key in [key for key in given if key in _OPERATION_KEYS]:
            if key not in _SUBFLOW_INSTANCE_KEYS:
                hint = "take one of them" if key == "run" else "set it inside the subflow"
                why = ": a subflow itself runs on the primary" if key == "on" else ""
                message = f"`{key}` does not go with `flow`{why}"
                self._report.add(given.pop(key).key, message, hint)
        return keys(
            Node(node.mark, given, node.key), _SUBFLOW_INSTANCE_KEYS, f"`{name}`", self._report
        )

    def _placement(self, node: Node | None) -> Placement | None:
        if node is None or node.value is None:
            return None
        listed = node.value if isinstance(node.value, list) else None
        single = isinstance(node.value, str)
        words = [self._word(each, single=single) for each in ([node] if listed is None else listed)]
        if not all(words):
            return None  # was reported
        try:
            return labels.placement([str(word) for word in words])
        except UsageError as error:
            self._report.add(node.mark, f"`on`: {error.message}", error.hint)
            return None

    def _word(self, node: Node, *, single: bool) -> str:
        """Return a label, or where it stands alone a place; "" for what was reported."""
        if not isinstance(node.value, str):
            hint = "primary, nodes, or labels of nodes: gpu, host=db1, [gpu, size=large]"
            self._report.add(node.mark, f"`on` takes a label, not {node.kind}", hint)
            return ""
        if single and node.value in (labels.PRIMARY, labels.NODES):
            return node.value
        try:
            return labels.checked(node.value)
        except UsageError as error:
            self._report.add(node.mark, f"`on`: {error.message}", error.hint)
            return ""

    def _whole(self, node: Node | None, what: str, allowed: range, default: int) -> int:
        if node is None:
            return default
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            self._report.add(node.mark, f"{what} must be a whole number from {allowed[0]}")
        elif node.value not in allowed:
            message = f"{what} must be a whole number from {allowed[0]} to {allowed[-1]}"
            self._report.add(node.mark, message)
        else:
            return node.value
        return default

    def _seconds(self, node: Node | None, what: str, default: float) -> float:
        if node is None:
            return default
        found = None if isinstance(node.value, bool) else _DURATION.fullmatch(str(node.value))
        seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
        if 0.0 < seconds <= LONGEST:
            return seconds
        hint = "such as 500ms, 30s, 5m or 1h; without a unit it is seconds"
        self._report.add(node.mark, f"{what} must be a time of more than 0 and at most 24h", hint)
        return default

    def _is_text(self, node: Node, what: str) -> bool:
        if isinstance(node.value, str) and node.value:
            return True
        found = "an empty one" if node.value == "" else node.kind
        self._report.add(node.mark, f"{what} must be a text, not {found}")
        return False

    def _wires(self, node: Node | None) -> dict[str, Wire]:
        if node is None:
            return {}
        entries = mapping(node, "`inputs`", self._report)
        return {name: Wire(entry.key, self._any_of(entry)) for name, entry in entries.items()}

    def _any_of(self, node: Node) -> tuple[Source | Literal, ...]:
        if node.value == []:
            self._report.add(node.mark, "the list of sources is empty")
        nodes = node.value if isinstance(node.value, list) else [node]
        found = (self._literal(n) if isinstance(n.value, dict) else self._source(n) for n in nodes)
        return tuple(source for source in found if source is not None)

    def _literal(self, node: Node) -> Literal | None:
        entries = keys(node, ("value",), "a given input", self._report)
        if "value" in entries:
            return Literal(entries["value"].plain(), entries["value"].mark)
        self._report.add(node.mark, "a given input is written {value: ...}")
        return None

    def _source(self, node: Node) -> Source | None:
        if not isinstance(node.value, str) or not node.value:
            hint = "a value that is given here is written {value: ...}"
            found = "an empty text" if node.value == "" else node.kind
            self._report.add(node.mark, f"a source must be a name, not {found}", hint)
            return None
        origin, dot, key = node.value.partition(".")
        if dot and origin and key:
            return Source(origin, key, node.mark)
        if self._subflow and not dot:
            return Source(INPUT, origin, node.mark)
        self._report.add(
            node.mark,
            f"`{node.value}` is not a source",
            "write message.<field> or <operation>.<output>; {value: ...} for a given one",
        )
        return None

    def _conditions(self, node: Node | None) -> tuple[Source, ...]:
        if node is None or node.value is None:
            return ()
        nodes = node.value if isinstance(node.value, list) else [node]
        found = (self._source(n) for n in nodes)
        return tuple(source for source in found if source is not None)

    def _outputs(self, node: Node | None, mark: Mark) -> dict[str, Source]:
        entries = {} if node is None else mapping(node, "`outputs`", self._report)
        if self._subflow and (node is None or node.value in (None, {})):
            where = node.key if node else mark
            self._report.add(where, "a subflow must have outputs", "outputs: {name: source}")
        found = {name: self._source(n) for name, n in self._identifiers(entries).items()}
        return {name: source for name, source in found.items() if source is not None}

    def _inputs(self, node: Node | None, mark: Mark) -> dict[str, str]:
        if not self._subflow:
            return {}
        if node is None:
            self._report.add(mark, "a subflow must declare its inputs", "inputs: {text: string}")
            return {}
        entries = self._identifiers(mapping(node, "`inputs`", self._report))
        types = {name: self._type(entry) for name, entry in entries.items()}
        if isinstance(node.value, dict) and "string" not in types.values():
            hint = "DFFML names a subflow's context by its first string"
            self._report.add(node.key, "a subflow needs an input of type string", hint)
        return types

    def _identifiers(self, entries: dict[str, Node]) -> dict[str, Node]:
        for name in [name for name in entries if not name.isidentifier()]:
            self._report.add(
                entries.pop(name).key, f"`{name}` cannot be a name here", "letters, digits and _"
            )
        return entries

    def _type(self, node: Node) -> str:
        if isinstance(node.value, str) and node.value in PRIMITIVES:
            return node.value
        hint = suggest(str(node.value), PRIMITIVES, what="types")
        self._report.add(node.mark, "this is not a type", hint)
        return "any"
