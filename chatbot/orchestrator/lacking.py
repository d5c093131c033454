"""Which operations of a flow no node offers."""

from __future__ import annotations

import time

from chatbot.nodes.roster import Roster
from chatbot.orchestrator.orchestrator import NatsOrchestrator

LOOK = 0.1
"""Seconds between looks for nodes while messages come."""


class Lacking:
    """Follows what the flow needs and no node offers."""

    def __init__(self, orchestrator: NatsOrchestrator, roster: Roster) -> None:
        self._orchestrator = orchestrator
        self._roster = roster
        self._looked, self._found = 0.0, False

    @property
    def missing(self) -> list[str]:
        """The operations that the flow needs and no node offers now, by their instances' names."""
        return [
            record.instance
            for record in self._orchestrator.needed
            if not self._roster.offers(record.key)
        ]

    def a_node(self) -> bool:
        """Whether an operation has no node; asked at each message, looked up now and then."""
        now = time.monotonic()
        if now > self._looked + LOOK:
            self._looked, self._found = now, bool(self.missing)
        return self._found
