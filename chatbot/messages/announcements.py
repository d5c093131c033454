"""What processes say of themselves and of flows, so that others know whom to work with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chatbot.messages.record import PROTOCOL, Address, Count, R, Record


class LearnerRecord(Record, frozen=True):
    """An operation that learns from corrections: under which name, and how.

    With `shadow` what is newly learned runs beside the old one until it is promoted, or until it
    has seen `after` messages (0: it waits).
    """

    name: Address
    shadow: bool = False
    after: Count = 0


class OperationRecord(Record, frozen=True):
    """An operation as nodes need it: its name, its configuration and the files it names.

    `key` is derived from the rest, so that it names a revision: a node that has an older
    configuration has another key and gets none of the work. `files` maps a configuration
    key to (file name, content hash); the content lies in the object store under its hash.
    """

    key: Address
    name: str
    instance: str
    config: dict[str, Any] = {}
    files: dict[str, tuple[str, Address]] = {}
    retry: Count = 0
    batch: Annotated[int, Meta(ge=1, le=2**31)] = 32
    concurrency: Annotated[int, Meta(ge=1, le=1024)] = 1
    private: bool = False
    """Only the process that says so has it: no other node takes its work."""

    labels: tuple[str, ...] = ()
    """Only nodes that have all of these take its work (see `chatbot.labels`)."""

    timeout: float = 0.0
    """Seconds that a call may take, or a batch that runs in one go; 0 for as long as it likes."""

    optional: bool = False
    """Messages are answered without it, where no node runs it."""

    learning: LearnerRecord | None = None


class FlowRecord(Record, frozen=True, omit_defaults=False):
    """A flow as all see it: its revision and the operations that nodes run.

    As the other announcements it says its protocol always: left out as a default, it would be
    read as the reader's own.
    """

    flow: str
    revision: str
    operations: list[OperationRecord] = []
    protocol: int = PROTOCOL
    primary: str = ""
    version: str = ""


class OperationStats(Record, frozen=True):
    """How one operation does on one node: calls done since the start, seconds a call, rate."""

    name: str
    flow: str
    done: int = 0
    seconds: float = 0.0
    rate: float = 0.0


class NodeRecord(Record, frozen=True, omit_defaults=False):
    """A node's announcement; it expires unless it is renewed.

    `time` is when it was made, by the clock there; `doing` what the node does until it is ready
    to run an operation that is not among its `operations` yet, or to run one with what it learns.
    """

    id: str
    host: str
    pid: int
    version: str
    started: datetime
    offers: list[str] = []
    operations: dict[str, OperationStats] = {}
    protocol: int = PROTOCOL
    labels: list[str] = []
    time: datetime | None = None
    doing: str = ""


class PrimaryRecord(Record, frozen=True, omit_defaults=False):
    """A primary's announcement; it expires unless it is renewed.

    `dropped` counts the results that came for no call of its own, `skipped` the messages (of
    those that are `done`) that were too old to be answered, or said where the bot is muted;
    `time` is when it was made, by the clock there. `revision` is the flow's.
    """

    id: str
    flow: str
    host: str
    pid: int
    version: str
    started: datetime
    contexts: int = 0
    done: int = 0
    rate: float = 0.0
    listeners: list[str] = []
    protocol: int = PROTOCOL
    dropped: int = 0
    skipped: int = 0
    time: datetime | None = None
    revision: str = ""


class Reloaded(Record, frozen=True):
    """What a primary says when it was asked to read its flow anew.

    `before` and `after` are the revisions that it ran and runs; where the flow is wrong, or
    cannot run, they are equal, and `error`, `hint` and `problems` (each with its place) say why.
    """

    host: str
    pid: int
    before: str
    after: str
    error: str = ""
    hint: str = ""
    problems: list[str] = []


class Stranger(Record, frozen=True):
    """A process that we do not talk with: it speaks another protocol, or nothing we understand.

    `kind` is what it announced (`node`, `primary`, `flow`) under `key`; the rest is what can be
    read of it. `protocol` is 0 where not even that can.
    """

    kind: str
    key: str
    protocol: int = 0
    version: str = ""
    host: str = ""
    pid: int = 0
    flow: str = ""


class _Header(Record, frozen=True):
    """What an announcement of any protocol is expected to have."""

    protocol: int = 0
    version: str = ""
    host: str = ""
    pid: int = 0
    flow: str = ""


def announced(kind: type[R], name: str, key: str, data: bytes) -> R | Stranger:
    """Return the announcement in `data`, or as much as can be read of a stranger's.

    `name` and `key` are what a stranger is called by: its `kind` and `key`.
    """
    try:
        header = _Header.decode(data)
    except msgspec.MsgspecError:
        return Stranger(name, key)
    if header.protocol == PROTOCOL:
        try:
            return kind.decode(data)
        except msgspec.MsgspecError:
            pass  # its protocol notwithstanding
    return Stranger(
        name, key, header.protocol, header.version, header.host, header.pid, header.flow
    )
