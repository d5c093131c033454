"""What a flow keeps from message to message: read before a context, changed with its outcome.

The rule that it guards: what an outcome says of state is done once it is stored, and what another
outcome would have said, which was refused, never.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from dffml.df.types import DataFlow, Definition

from chatbot.broker import Broker
from chatbot.broker.decided import decided
from chatbot.broker.memory import Memory
from chatbot.flowfile.sections import STATE
from chatbot.kept import Kept, by_name, changed, owner
from chatbot.messages import Change, ChatMessage, Outcome
from chatbot.orchestrator.decision import fields_of
from chatbot.orchestrator.values import Value


class Keeping:
    """The state of one flow. Made by `open`."""

    def __init__(
        self, broker: Broker, memory: Memory, flow: str, dataflow: DataFlow, state: Sequence[Kept]
    ) -> None:
        self._broker = broker
        self._memory = memory
        self._flow = flow
        self._declared = {kept.name: kept for kept in state}
        self._fields = state_fields(dataflow)
        self._read = [self._declared[name] for name in self._fields if name in self._declared]

    @classmethod
    async def open(
        cls, broker: Broker, flow: str, dataflow: DataFlow, state: Sequence[Kept]
    ) -> Keeping:
        return cls(broker, await Memory.open(broker, flow), flow, dataflow, state)

    async def recall(self, message: ChatMessage) -> list[Any]:
        """Return what the flow uses of the state, as values for the message's context.

        Where it comes after another message, that one's changes are in it.
        """
        if not self._read:
            return []
        if message.after:
            await self._make(message, message.after)
        found = await self._memory.values(self._read, message)
        return values_of(found, self._fields)

    def signed(self, message: ChatMessage, outcome: Outcome) -> Outcome:
        """Return `outcome` with whose values it changes."""
        if not outcome.changes:
            return outcome
        changes = tuple(self._signed(message, each) for each in outcome.changes)
        return msgspec.structs.replace(outcome, changes=changes)

    async def keep(self, message: ChatMessage, outcome: Outcome | None) -> None:
        """Make the changes of a stored outcome; of the one that stands, where it is not ours."""
        if outcome is None:
            await self._make(message, message.id)
        elif outcome.changes:
            await self._memory.change(message, outcome.changes)

    async def _make(self, message: ChatMessage, message_id: str) -> None:
        """Make the changes of another's outcome: of a message of the same person and room."""
        found = await decided(self._broker, self._flow, message.network, message_id)
        if found is not None and found.outcome.changes:
            before = msgspec.structs.replace(message, id=message_id)
            await self._memory.change(before, found.outcome.changes)

    def _signed(self, message: ChatMessage, change: Change) -> Change:
        kept = self._declared[change.name]
        key = self._memory.key(kept, message)
        return msgspec.structs.replace(change, key=key, start=kept.start, keep=kept.keep)


class Imagined:
    """The state of one flow where nothing is stored: in a replay, or a test, of messages in order.

    What a message changes is there for those after it.
    """

    def __init__(self, dataflow: DataFlow, state: Sequence[Kept]) -> None:
        self._declared = {kept.name: kept for kept in state}
        self._fields = state_fields(dataflow)
        self._held: dict[tuple[str, ...], tuple[Any, datetime]] = {}

    def recall(self, message: ChatMessage) -> list[Any]:
        """Return what the flow uses of the state, as values for the message's context."""
        found = {name: self._value(self._declared[name], message) for name in self._fields}
        return values_of(found, self._fields)

    def keep(self, message: ChatMessage, outcome: Outcome) -> None:
        """Make the changes of what was decided for `message`."""
        for name, changes in by_name(outcome.changes).items():
            kept = self._declared[name]
            value = changed(self._value(kept, message), kept.start, changes)
            until = message.time + timedelta(seconds=kept.keep)
            self._held[(name, *owner(kept, message))] = value, until

    def _value(self, kept: Kept, message: ChatMessage) -> Any:
        found = self._held.get((kept.name, *owner(kept, message)))
        return found[0] if found is not None and found[1] > message.time else kept.start


def state_fields(dataflow: DataFlow) -> dict[str, Definition]:
    """Return the values of the state that `dataflow` uses, with their definitions."""
    return fields_of(dataflow, f"{STATE}.")


def values_of(found: dict[str, Any], fields: dict[str, Definition]) -> list[Any]:
    """Return values of the state for a context."""
    return [Value(found[name], definition) for name, definition in fields.items() if name in found]
