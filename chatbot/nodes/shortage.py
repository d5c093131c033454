"""Operations that no node offers: how a node for them is started, and when that is said.

The rule that it guards: it is said once, and again only when it has changed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable

from chatbot import labels
from chatbot.authoring.local import file_named
from chatbot.messages import NodeRecord, OperationRecord
from chatbot.nodes.roster import Roster

log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds that work waits for an operation before it is said: a node may just be starting."""


def start_commands(records: Iterable[OperationRecord]) -> list[str]:
    """Return the commands that start nodes for these operations, one for each set of labels."""
    names: dict[tuple[str, ...], set[str]] = {}
    for record in records:
        names.setdefault(record.labels, set()).add(record.name)
    return [_command(names[wanted], wanted) for wanted in sorted(names)]


def may_run(node: NodeRecord, record: OperationRecord) -> bool:
    """Whether the node will run the operation, or does so already."""
    return record.name in node.offers and labels.fits(record.labels, node.labels)


def named(record: OperationRecord) -> str:
    """Return an operation's name in its flow, with the labels that its nodes must have."""
    return record.instance + (f" (on {labels.shown(record.labels)})" if record.labels else "")


class Shortage:
    """Which operations no node offers, as `roster` knows; for the log."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._since: dict[str, float] = {}
        self._told: frozenset[str] = frozenset()

    def look(self, records: Collection[OperationRecord], *, waits: bool) -> None:
        """Log what no node offers, where that is new and work `waits`."""
        now = time.monotonic()
        offered = self._roster.offered
        lacking = {each.key: each for each in records if each.key not in offered}
        self._since = {key: self._since.get(key, now) for key in lacking} if waits else {}
        late = {key for key, since in self._since.items() if now - since >= PATIENCE}
        told = self._told & lacking.keys()
        if late - told:
            _warn([lacking[key] for key in sorted(late)])
        elif self._told and not lacking:
            log.info("nodes run all operations again")
        self._told = told | late


def _warn(records: list[OperationRecord]) -> None:
    log.warning(
        "no node runs %s: work for it waits; start one with: %s",
        ", ".join(sorted({named(record) for record in records})),
        "; ".join(start_commands(records)),
    )


def _command(names: Iterable[str], wanted: Iterable[str]) -> str:
    given, host = "", ""
    for label in wanted:
        name, equals, value = label.partition("=")
        if name == labels.HOST and equals:
            host = f" (on the host {value})"
        else:
            given += f" --label {label}"
    packaged = sorted(name for name in names if not file_named(name))
    files = sorted({file_named(name) for name in names} - {""})
    told = [*packaged, *(f"--operations {file}" for file in files)]
    return f"chatbot node run {' '.join(told)}{given}{host}"
