"""Calls of operations on their way to nodes, and what comes back."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chatbot.messages.record import Address, Record


class Call(Record, frozen=True, array_like=True):
    """One parameter set of an operation; the owner knows it by `context` and `number`.

    `inputs` are as `encoding.pack` leaves them, as are the outputs of a `Result`.
    """

    context: int
    number: int
    inputs: dict[str, Any]


class Work(Record, frozen=True):
    """Calls of one operation on their way to a node; results go back to `primary`.

    `packed` says that some of the inputs are to be unpacked.
    """

    primary: Address
    calls: Annotated[list[Call], Meta(min_length=1)]
    packed: bool = False


class Result(Record, frozen=True, array_like=True):
    """What one call gave: its output sets (one per yield), or what was raised."""

    context: int
    number: int
    outputs: list[dict[str, Any]]
    error: Raised | None = None


class Raised(Record, frozen=True):
    """An exception that an operation raised on a node; `nodes` (host:pid) have tried it."""

    kind: str
    message: str
    trace: str = ""
    nodes: list[str] = []


class AttemptRecord(Record, frozen=True):
    """How far the calls of a work message were tried, after it was delivered again.

    `nodes` (id, host:pid) have begun the call at `position`, and the last one may be at it.
    `pauses` were made before a further attempt.
    """

    position: int
    nodes: list[tuple[str, str]]
    pauses: int = 0


class Part(Record, frozen=True, array_like=True):
    """Some of the output sets of a call that yields many: those from the index `first` on.

    The `last` one ends the call, with what was raised if anything was.
    """

    context: int
    number: int
    first: Annotated[int, Meta(ge=0)]
    outputs: list[dict[str, Any]]
    last: bool = False
    error: Raised | None = None


class Partial(Record, frozen=True):
    """A preview of one output set, for who listens while a context runs; or that it has ended."""

    operation: str
    outputs: dict[str, Any] = {}
    ended: bool = False


class Results(Record, frozen=True):
    """Results on their way back; `seconds` is how long one call took, on the average.

    `packed` says that some of the outputs are to be unpacked. `parts` are of calls that yield;
    the others are in `results`.
    """

    node: str
    operation: str
    seconds: Annotated[float, Meta(ge=0, le=86400)]
    results: list[Result]
    packed: bool = False
    parts: list[Part] = []
