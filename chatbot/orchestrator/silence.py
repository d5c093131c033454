"""What is not answered: what came too late, what is nothing said, what is said in a muted room."""

from __future__ import annotations

from collections.abc import Collection

from chatbot.backlog import ANSWER, Backlog
from chatbot.messages import ChatMessage, is_retry
from chatbot.orchestrator.mutes import Mutes

UNSAID = frozenset({"reaction", "unreaction"})
"""Kinds of message that are nothing said; a flow sees them if it looks at the kind."""


class Silence:
    """Says of a message whether the flow whose `fields` these are leaves it unanswered."""

    def __init__(self, backlog: Backlog, mutes: Mutes | None, fields: Collection[str]) -> None:
        self.backlog = backlog
        self.minds_age = backlog.policy != ANSWER
        self.muted = {} if mutes is None else mutes.rooms
        self.unsaid = frozenset() if "kind" in fields else UNSAID
        self.mutes = mutes

    def is_muted(self, message: ChatMessage) -> bool:
        room = message.network, message.room
        return room in self.muted and self.mutes is not None and bool(self.mutes.until(*room))

    def is_old(self, message: ChatMessage) -> bool:
        """Whether it is not to be answered any more; who has one tried again wants an answer."""
        return self.backlog.is_old(message.time) and not is_retry(message.id)
