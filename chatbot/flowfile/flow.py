"""A flow that was read and found right: what the rest of the program works with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatbot.backlog import Backlog
from chatbot.flowfile.problems import Problem
from chatbot.kept import Kept
from chatbot.labels import Placement
from chatbot.messages import LearnerRecord
from chatbot.policy import Policy, Rules
from chatbot.schedule import Schedule
from chatbot.storage import Storage


@dataclass(frozen=True, slots=True)
class ListenerSection:
    """One network that the flow listens on.

    `settings` has what the file sets, environment filled in and converted to the types of the
    listener's `settings_type`, and may hold secrets. While required settings are empty the
    listener is not `on`; `missing` names them. With the `priority` "bulk" only what addresses
    the bot overtakes the backlog; with "interactive" all that is heard does. `policy` says whom
    it answers there.
    """

    name: str
    kind: str
    settings: dict[str, Any] = field(repr=False)
    on: bool = True
    missing: tuple[str, ...] = ()
    priority: str = "interactive"
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class Instance:
    """One use of an operation in a flow or in one of its subflows.

    `name` is its path (`understand/classify`), `operation` the entry point's name, or the Python
    file and the name in it (`./shout.py:shout`), as the flow says, `on` where the flow wants it
    (`None`: the operation decides). `config` has what the file sets, as JSON knows it, with the
    paths of `files` absolute: configuration key → file that travels.
    """

    name: str
    operation: str
    on: Placement | None = None
    config: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    retry: int = 0
    batch: int = 32
    concurrency: int = 1
    timeout: float = 0.0
    """Seconds that a call may take; 0 for as long as it likes."""

    optional: float = 0.0
    """Seconds that a message waits for it before it goes on without; 0 where it needs it."""

    learning: LearnerRecord | None = None
    """Under which name it learns from corrections, where it does."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A checked flow.

    `dataflow` is DFFML's: it wants inputs with the definitions `message.<field>` and ends in
    `collect_outcome`, whose result is `{"replies": [...], "understood": {...}, "actions": [...]}`.
    A subflow's is
    `dataflow.configs[instance].dataflow`; there instances have their own names, while
    `instances` lists all by their paths. `outputs` maps what the flow shows of a message to
    where it comes from. `revision` is equal for equal behaviour: it covers the operations,
    their configuration and the content of their files, but no listener, `backlog`, `storage` or
    `rules`.
    `sources` are the files that it was made of: itself, its subflows, and the files that they name.
    `warnings` say what had better be otherwise: a secret in clear.
    """

    name: str
    path: Path
    revision: str
    listeners: dict[str, ListenerSection]
    dataflow: Any
    outputs: dict[str, str]
    instances: dict[str, Instance]
    backlog: Backlog = field(default_factory=Backlog)
    storage: Storage = field(default_factory=Storage)
    rules: Rules = field(default_factory=Rules)
    schedules: tuple[Schedule, ...] = ()
    state: tuple[Kept, ...] = ()
    sources: frozenset[Path] = frozenset()
    warnings: tuple[Problem, ...] = ()


def dataflows(flow: Flow) -> Iterator[tuple[str, Any]]:
    """Yield the flow's dataflow as `""` and those of its subflows by their instances' paths."""
    yield from _within("", flow.dataflow)


def _within(path: str, dataflow: Any) -> Iterator[tuple[str, Any]]:
    yield path, dataflow
    for name, config in dataflow.configs.items():
        inner = getattr(config, "dataflow", None)
        if inner is not None:
            yield from _within(f"{path}/{name}" if path else name, inner)
