"""A flow's state while it is tested or replayed: in memory, and gone afterwards."""

from __future__ import annotations

import copy
from typing import Any

from chatbot.flowfile.flow import Flow
from chatbot.kept import by_name, changed, owner
from chatbot.messages import ChatMessage, Outcome
from chatbot.orchestrator.keeping import state_fields, values_of


class Remembered:
    """The state of one flow, as one after the other of its messages finds it."""

    def __init__(self, flow: Flow) -> None:
        self._declared = {kept.name: kept for kept in flow.state}
        self._fields = state_fields(flow.dataflow)
        self._values: dict[tuple[str, tuple[str, str, str]], Any] = {}

    def recall(self, message: ChatMessage) -> list[Any]:
        """Return what the flow uses of the state, as values for the message's context."""
        found = {
            name: copy.deepcopy(self._values.get((name, owner(kept, message)), kept.start))
            for name, kept in self._declared.items()
        }
        return values_of(found, self._fields)

    def keep(self, message: ChatMessage, outcome: Outcome) -> None:
        """Make the changes of an outcome."""
        for name, changes in by_name(outcome.changes).items():
            kept = self._declared[name]
            key = name, owner(kept, message)
            self._values[key] = changed(self._values.get(key, kept.start), kept.start, changes)

    def clear(self) -> None:
        """Forget all: everything is as at the start."""
        self._values.clear()
