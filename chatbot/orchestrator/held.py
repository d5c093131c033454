"""A message that a primary holds until it is settled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from chatbot.broker import Taken
from chatbot.broker.subjects import Lane
from chatbot.messages import ChatMessage
from chatbot.orchestrator.context import Context


@dataclass(slots=True)
class Running:
    """A message that we hold, and the context that runs for it."""

    taken: Taken
    message: ChatMessage
    lane: Lane
    started: float
    context: Context | None = None
    task: asyncio.Task[None] | None = None
    """What is done for it, where that is no context."""
    skipped: str = ""
    """Why it is not to be answered."""
