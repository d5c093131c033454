"""Labels: what a node says of itself, and what a flow may ask of the nodes of an operation. Pure.

    gpu          a name alone
    size=large   a name with a value
    host=db1     what every node has: its machine's name

A node fits that has all of what is asked for; a name that is asked for alone fits any value.
The rule: a mistyped `primary` or `nodes` is never taken for a label that no node will ever have.
"""

from __future__ import annotations

import difflib
import re
import socket
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from chatbot.errors import UsageError

PRIMARY, NODES = "primary", "nodes"
HOST = "host"

_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_LABEL = re.compile(rf"{_WORD}(={_WORD})?")
_HINT = "a label is NAME or NAME=VALUE: letters, digits, `.`, `_` and `-`"
_LIKE = 0.75
"""How like `primary` or `nodes` a word must be to be a mistyped one."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an operation runs: on the primary, or on the nodes that have all of `labels`."""

    primary: bool = False
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return PRIMARY if self.primary else shown(self.labels) or NODES


def placement(given: str | Sequence[str]) -> Placement:
    """Return what `primary`, `nodes`, a label or several of them stand for.

    Raises `UsageError` for what is none of these.
    """
    words = [given] if isinstance(given, str) else list(given)
    if words in ([PRIMARY], [NODES]):
        return Placement(primary=words == [PRIMARY])
    if not words:
        raise UsageError("there is no label", hint=f"write {NODES} for any node")
    return Placement(labels=together([checked(word) for word in words]))


def checked(label: str) -> str:
    """Return `label`; raises `UsageError` if it cannot be one."""
    if label in (PRIMARY, NODES):
        raise UsageError(f"`{label}` is a place of its own, and no label", hint="leave it out")
    if not _LABEL.fullmatch(label):
        several = "several are a list: [gpu, size=large]" if re.search(r"[,\s]", label) else _HINT
        raise UsageError(f"`{label}` is not a label", hint=several)
    meant = _meant(label)
    if meant:
        raise UsageError(
            f"`{label}` is too like `{meant}` to be a label", hint=f"did you mean {meant}?"
        )
    return label


def together(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels sorted, each once; raises `UsageError` where a name has two values."""
    kept = tuple(sorted(set(labels)))
    values: dict[str, str] = {}
    for name, equals, value in (label.partition("=") for label in kept):
        if equals and values.setdefault(name, value) != value:
            raise UsageError(
                f"`{name}` is given two values, {values[name]} and {value}",
                hint="a label has one value on a node",
            )
    return kept


def of_this_machine(given: Iterable[str]) -> tuple[str, ...]:
    """Return a node's labels: those that were `given`, and its host unless that is one of them.

    Raises `UsageError` for what cannot be a label.
    """
    labels = [checked(label) for label in given]
    if not any(label.partition("=")[0] == HOST for label in labels):
        labels.append(f"{HOST}={_host()}")
    return together(labels)


def fits(wanted: Iterable[str], has: Collection[str]) -> bool:
    """Whether a node that `has` these labels may run what is `wanted` on nodes with those."""
    return all(
        label in has or ("=" not in label and any(each.partition("=")[0] == label for each in has))
        for label in wanted
    )


def shown(labels: Iterable[str]) -> str:
    """Return the labels for people."""
    return ", ".join(labels)


def _meant(label: str) -> str:
    if "=" in label or any(c.isdigit() for c in label):  # node1 is nobody's mistyped `nodes`
        return ""
    near = difflib.get_close_matches(label.lower(), (PRIMARY, NODES), n=1, cutoff=_LIKE)
    return near[0] if near else ""


def _host() -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("._-")
    return name[:63] or "unknown"
