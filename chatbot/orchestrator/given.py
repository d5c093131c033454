"""What a flow is given of a message, or of a time that is due."""

from __future__ import annotations

from typing import Any

from dffml import DataFlow

from chatbot.flowfile.sections import SCHEDULE
from chatbot.messages import ChatMessage
from chatbot.orchestrator.decision import fields_of, inputs_of
from chatbot.orchestrator.timetable import inputs_of_due


class Given:
    """The inputs of contexts, as `dataflow` uses them; `fields` are those of messages."""

    def __init__(self, dataflow: DataFlow) -> None:
        self.fields = fields_of(dataflow)
        self._due = fields_of(dataflow, f"{SCHEDULE}.")

    def of(self, message: ChatMessage) -> list[Any]:
        """Return the inputs of the context of `message`."""
        if message.schedule:
            return inputs_of_due(message, self.fields, self._due)
        return inputs_of(message, self.fields)
