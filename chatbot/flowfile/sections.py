"""The sections of a flow file as records: their keys, types and places; knows no DFFML.

What needs more than the file itself (does the operation exist, does the source?) comes later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chatbot.flowfile import slips
from chatbot.flowfile.document import Node
from chatbot.flowfile.problems import Mark, Report, suggest
from chatbot.labels import Placement

VERSION = 1
TIMEOUT = 60.0
"""Seconds that a call of an operation may take where the file does not say."""

MESSAGE, INPUT, STATE, SCHEDULE, SEEDS = "message", "input", "state", "schedule", "seeds"
"""What sources may name beside instances: all that is there without an operation."""

RESERVED = (MESSAGE, INPUT, STATE, SCHEDULE, SEEDS, "outcome", "results", "seed", "loop", "range")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
NAME_HINT = "small letters, digits, - and _"


@dataclass(frozen=True, slots=True)
class Source:
    """Where an input comes from: a field of the message, an input, or an instance's output.

    It must have come by `via`, the nearest first, where that names anything.
    """

    origin: str
    key: str
    mark: Mark
    via: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Literal:
    """An input that is given in the file."""

    value: Any
    mark: Mark


@dataclass(frozen=True, slots=True)
class Wire:
    """What one input of an instance may come from: any of these; else it is the `default`."""

    mark: Mark
    sources: tuple[Source | Literal, ...]
    default: Literal | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A name that the file gives, and its place."""

    text: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Seed:
    """A value that is there in every context."""

    value: Any
    type: str
    lock: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of `operations`: an operation (`run`) or a subflow (`flow`).

    A `reply`, what is `set`, and an expression in a source's place are operations, too; the
    latter's names have a ~ in them.
    """

    name: str
    mark: Mark
    run: str
    run_mark: Mark
    flow: Node | None = None
    strays: dict[str, Node] = field(default_factory=dict)
    """Keys that an operation has not; they may have been meant as inputs or configuration."""
    complete: bool = True
    """Whether `inputs` has all that the file gives, and not less for what was reported."""
    inputs: dict[str, Wire] = field(default_factory=dict)
    when: tuple[Source, ...] = ()
    config: Node | None = None
    on: Placement | None = None
    on_mark: Mark | None = None
    retry: int = 0
    batch: int = 32
    concurrency: int = 1
    timeout: float = TIMEOUT
    optional: float = 0.0
    """Seconds that a message waits for it, to go on without; 0 where it needs it."""
    given: Node | None = None
    """The parameters of a subflow."""

    forward: dict[str, Source] = field(default_factory=dict)
    expand: tuple[Name, ...] = ()
    lock: tuple[Name, ...] = ()
    cleanup: bool = False
    base: str = ""
    """Of an instance for a room: the one that it stands for there."""


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
    schedules: Node | None = None
    state: Node | None = None
    learning: Node | None = None
    seeds: dict[str, Seed] = field(default_factory=dict)
    validate: dict[str, Name] = field(default_factory=dict)
    """Which instance checks a field of the message, or an input."""

    files: tuple[Path, ...] = ()
    """Those that it was made of: itself, and what it includes."""


def version_hint(node: Node) -> str:
    """Return what to do where a file's version is another one."""
    hint = f"this program reads version {VERSION}"
    if node.value == str(VERSION):
        return f"write it without quotes; {hint}"
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return hint
    if node.value > VERSION:
        return f"{hint}: the file is of a newer one, so update `chatbot`"
    return f"{hint}: `chatbot flow migrate FILE` brings an older file to it"


def keys(node: Node, allowed: Iterable[str], what: str, report: Report) -> dict[str, Node]:
    """Return the entries of the map `node`, reporting what is not one of `allowed`."""
    names = tuple(allowed)
    entries = mapping(node, what, report, f"write {{{names[0]}: ...}}")
    for name in [name for name in entries if name not in names]:
        unknown = entries.pop(name)
        meant = "" if slips.advice(name) else slips.meant(name, names)
        hint = f"did you mean {meant}?" if meant else slips.advice(name)
        hint = hint or suggest(name, names, what="keys")
        if unknown.value is None and (glued := slips.unglued(name, names)):
            meant, hint = glued[0], slips.parted(*glued)
            unknown = replace(unknown, value=glued[1])
        report.add(unknown.key, f"{what} has no key `{name}`", hint or f"keys: {', '.join(names)}")
        if meant and meant not in entries:
            entries[meant] = unknown  # so that what is in it is checked, and not missed
    return entries


def mapping(node: Node, what: str, report: Report, hint: str = "") -> dict[str, Node]:
    """Return the entries of `node`, which must be a map or nothing at all."""
    if isinstance(node.value, dict):
        return dict(node.value)
    if node.value is not None:
        report.add(node.mark, f"{what} must be a map, not {node.kind}", hint)
    return {}


def named(entries: dict[str, Node], what: str, report: Report) -> dict[str, Node]:
    """Return those entries whose keys may be names, reporting the others."""
    for name in [name for name in entries if not NAME.fullmatch(name)]:
        glued = re.match(r"[\w-]+:(?=[{\[\w])", name)
        hint = "there must be a space after the colon" if glued else NAME_HINT
        report.add(entries.pop(name).key, f"`{name}` cannot name {what}", hint)
    return entries
