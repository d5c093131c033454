"""A flow file's tree to its sections."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection
from pathlib import Path

from chatbot.flowfile import keys as table
from chatbot.flowfile import slips
from chatbot.flowfile.document import Node
from chatbot.flowfile.entries import Entries
from chatbot.flowfile.keys import PRIMITIVES
from chatbot.flowfile.problems import Mark, Report, nearest
from chatbot.flowfile.remembering import is_of
from chatbot.flowfile.sections import (
    INPUT,
    NAME,
    NAME_HINT,
    RESERVED,
    VERSION,
    FlowFile,
    Name,
    Section,
    Seed,
    Source,
    keys,
    mapping,
    named,
    version_hint,
)

_OF_NAMES = ("listeners", "parameters", "roles", "schedules", "seeds", "state")
"""Sections whose keys are names that the file gives."""

LONGEST_NAME = 64
"""Characters of a flow's name: the names of its streams and buckets have it in them."""


def read_sections(tree: Node, path: Path, report: Report, *, subflow: bool) -> FlowFile:
    """Return the file's sections; those that are wrong are reported and left out."""
    return _Sections(report, subflow).file(tree, path)


class _Sections:
    def __init__(self, report: Report, subflow: bool) -> None:
        self._report = report
        self._subflow = subflow
        self._entries = Entries(report, subflow=subflow)
        self._includes = False

    def file(self, tree: Node, path: Path) -> FlowFile:
        what = "a subflow" if self._subflow else "a flow"
        self._check_kind(tree)
        tree = self._without_strays(tree)
        self._entries.instances = _names_in(tree)
        self._includes = isinstance(tree.value, dict) and "include" in tree.value
        allowed = table.names("subflow" if self._subflow else "flow")
        if not self._subflow:
            allowed = (*allowed, INPUT + "s")  # was reported, with a better hint
        self._refuse_outdented(tree, allowed)
        entries = keys(tree, allowed, what, self._report)
        self._version(entries.get("version"), tree.mark)
        operations = self._operations(entries.get("operations"), tree.mark)
        outputs = self._outputs(entries.get("outputs"), tree.mark)
        return FlowFile(
            path=path,
            mark=tree.mark,
            name=self._name(entries.get("name"), path, tree.mark),
            listeners=self._listeners(entries.get("listeners")),
            operations=operations | self._entries.implicit,
            outputs=outputs,
            inputs=self._inputs(entries.get("inputs"), tree.mark),
            backlog=entries.get("backlog"),
            storage=entries.get("storage"),
            roles=entries.get("roles"),
            order=entries.get("order"),
            commands=entries.get("commands"),
            schedules=entries.get("schedules"),
            state=entries.get("state"),
            learning=entries.get("learning"),
            seeds=self._seeds(entries.get("seeds")),
            validate=self._validate(entries.get("validate")),
        )

    def _without_strays(self, tree: Node) -> Node:
        """Return the file with those operations under `operations` that stand beside it."""
        given = dict(tree.value) if isinstance(tree.value, dict) else {}
        known = (*table.names("flow"), *table.names("subflow"))
        strays = {
            name: node
            for name, node in given.items()
            if name not in known
            and isinstance(node.value, dict)
            and {"run", "flow", "reply", "set", "action"} & node.value.keys()
            and not difflib.get_close_matches(name, set(known) - given.keys(), n=1, cutoff=0.85)
        }
        for name, node in strays.items():
            message = f"`{name}` is an operation, and stands beside `operations:`, not under it"
            self._report.add(node.key, message, "indent it by two spaces below `operations:`")
        operations = given.get("operations", tree)
        if not strays or not isinstance(operations.value, dict | None):
            return tree
        inside = operations.value if operations is not tree else None
        moved = Node(operations.mark, {**(inside or {}), **strays}, operations.key)
        rest = {name: node for name, node in given.items() if name not in strays}
        return Node(tree.mark, {**rest, "operations": moved}, tree.key)

    def _refuse_outdented(self, tree: Node, allowed: Collection[str]) -> None:
        """Report and take out what stands beside a section that is empty, and belongs into it."""
        entries = tree.value if isinstance(tree.value, dict) else {}
        outer = ""
        for name in list(entries):
            if name in allowed:
                outer = name if entries[name].value is None and name in _OF_NAMES else ""
            elif outer and not slips.meant(name, allowed):
                message = f"`{name}` stands beside `{outer}:`, not under it"
                self._report.add(entries.pop(name).key, message, "indent it by two spaces")

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
        elif type(node.value) is not int or node.value != VERSION:
            self._report.add(node.mark, "this version is not supported", version_hint(node))

    def _name(self, node: Node | None, path: Path, mark: Mark) -> str:
        name = path.stem if node is None else node.value
        where = mark if node is None else node.mark
        if isinstance(name, str) and (_is_name(name) or (self._subflow and node is None)):
            return name
        if node is None:
            self._report.add(where, "the file's name cannot name a flow", "give it a `name:`")
        else:
            odd = "" if isinstance(name, dict | list) else ": put it in quotes"
            hint = (
                NAME_HINT if isinstance(name, str | None) else f"it is {node.kind}, not a text{odd}"
            )
            if isinstance(name, str) and len(name) > LONGEST_NAME:
                hint = f"it is longer than {LONGEST_NAME} characters"
            self._report.add(where, "this cannot name a flow", hint)
        return "flow"

    def _listeners(self, node: Node | None) -> dict[str, Node]:
        if node is None:
            return {}
        entries = mapping(node, "`listeners`", self._report, "such as {console: }")
        return named(entries, "a network", self._report)

    def _operations(self, node: Node | None, mark: Mark) -> dict[str, Section]:
        before = len(self._report)
        if node is not None and isinstance(node.value, list):
            hint = "each has a name: `NAME: {run: OPERATION, inputs: {...}}`, without `- `"
            self._report.add(node.mark, "`operations` must be a map, not a list", hint)
            return {}
        entries = {} if node is None else mapping(node, "`operations`", self._report)
        self._refuse_beside(entries)
        if not entries and len(self._report) == (0 if self._includes else before):
            hint = "such as `operations: {hello: {reply: Hello}}`"
            self._report.add(node.key if node else mark, "there are no operations", hint)
        named(entries, "an operation", self._report)
        for name in [name for name in entries if name in RESERVED]:
            self._report.add(entries.pop(name).key, f"`{name}` is reserved: take another name")
        return {name: self._entries.operation(name, entry) for name, entry in entries.items()}

    def _refuse_beside(self, entries: dict[str, Node]) -> None:
        """Report and take out keys of an entry that stand beside its name, not under it."""
        names = list(entries)
        for before, name in itertools.pairwise(names):
            odd = name in table.names("operation") and not isinstance(entries[name].value, dict)
            if odd and (before not in entries or entries[before].value is None):
                message = f"`{name}` stands beside `{before}:`, not under it"
                self._report.add(entries.pop(name).key, message, "indent it by two more spaces")
                entries.pop(before, None)

    def _outputs(self, node: Node | None, mark: Mark) -> dict[str, Source]:
        hint = "write {NAME: SOURCE}, such as {label: classify.label}"
        entries = {} if node is None else mapping(node, "`outputs`", self._report, hint)
        if self._subflow and (node is None or node.value in (None, {})):
            where = node.key if node else mark
            self._report.add(where, "a subflow must have outputs", "outputs: {name: source}")
        found = {
            name: self._entries.source(n, "outputs")
            for name, n in self._identifiers(entries).items()
        }
        return {name: source for name, source in found.items() if source is not None}

    def _inputs(self, node: Node | None, mark: Mark) -> dict[str, str]:
        if not self._subflow:
            return {}
        if node is None:
            self._report.add(mark, "a subflow must declare its inputs", "inputs: {text: string}")
            return {}
        hint = "write {NAME: TYPE}, such as {text: string}"
        entries = self._identifiers(mapping(node, "`inputs`", self._report, hint))
        if isinstance(node.value, list):  # so that what uses them is not told, too
            return {str(each.value): "any" for each in node.value}
        types = {name: self._type(entry) for name, entry in entries.items()}
        if isinstance(node.value, dict) and "string" not in types.values():
            hint = "DFFML names a subflow's context by its first string"
            self._report.add(node.key, "a subflow needs an input of type string", hint)
        return types

    def _seeds(self, node: Node | None) -> dict[str, Seed]:
        entries = {} if node is None else mapping(node, "`seeds`", self._report)
        return {name: self._seed(n, name) for name, n in self._identifiers(entries).items()}

    def _seed(self, node: Node, name: str) -> Seed:
        given = node.value if isinstance(node.value, dict) else {}
        if "value" not in given and any(nearest(key, ("value",)) for key in given):
            given = keys(node, table.names("seed"), f"`{name}`", self._report)
            return Seed(None, "any", False, node.mark)
        if "value" not in given:
            return Seed(node.plain(), "any", False, node.mark)
        given = keys(node, table.names("seed"), f"`{name}`", self._report)
        lock = given.get("lock")
        if lock is not None and not isinstance(lock.value, bool):
            self._report.add(lock.mark, f"`lock` must be true or false, not {lock.kind}")
        kind = self._type(given["type"]) if "type" in given else "any"
        if not is_of(kind, value := given["value"].plain()):
            message = f"`{name}` must be of type {kind}, not {given['value'].kind}"
            self._report.add(given["value"].mark, message)
        return Seed(
            value=value,
            type=kind,
            lock=lock is not None and lock.value is True,
            mark=given["value"].mark,
        )

    def _validate(self, node: Node | None) -> dict[str, Name]:
        entries = {} if node is None else mapping(node, "`validate`", self._report)
        found = {}
        for name, entry in entries.items():
            if isinstance(entry.value, str) and entry.value:
                found[name] = Name(entry.value, entry.mark)
            else:
                message = f"`{name}` needs the name of an operation, not {entry.kind}"
                self._report.add(entry.mark, message)
        return found

    def _identifiers(self, entries: dict[str, Node]) -> dict[str, Node]:
        for name in [name for name in entries if not name.isidentifier()]:
            self._report.add(
                entries.pop(name).key, f"`{name}` cannot be a name here", "letters, digits and _"
            )
        return entries

    def _type(self, node: Node) -> str:
        if isinstance(node.value, str) and node.value in PRIMITIVES:
            return node.value
        meant = slips.meant_type(str(node.value), PRIMITIVES)
        hint = f"did you mean {meant}?" if meant else f"types: {', '.join(PRIMITIVES)}"
        self._report.add(node.mark, "this is not a type", hint)
        return meant or "string"


def _is_name(name: str) -> bool:
    return len(name) <= LONGEST_NAME and NAME.fullmatch(name) is not None


def _names_in(tree: Node) -> tuple[str, ...]:
    entries = tree.value if isinstance(tree.value, dict) else {}
    operations = entries["operations"].value if "operations" in entries else None
    return tuple(operations) if isinstance(operations, dict) else ()
