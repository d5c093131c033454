"""What people do to correct the bot: a reaction that stands for a label, and whom they name.

The rule that it guards: a reaction corrects only where who reacts may; anybody else's is a
reaction like any other.
"""

from __future__ import annotations

from chatbot.learning import LABEL, UNDO, Learning, worded
from chatbot.listeners.gate.recent import Recent
from chatbot.messages import ChatMessage

MOST = 4096

_COMMANDS = {"reaction": LABEL, "unreaction": UNDO}


def command_of(message: ChatMessage, learning: Learning, roles: tuple[str, ...]) -> str:
    """Return the command that a reaction is, or that it was taken back; empty for none."""
    if learning.role not in roles or not learning.reaction(message.text):
        return ""
    return _COMMANDS.get(message.kind, "")


class Spoken:
    """The last message of each person in each room, to find whom a command names."""

    def __init__(self) -> None:
        self._last: Recent[tuple[str, str], str] = Recent(MOST)

    def note(self, message: ChatMessage) -> None:
        """Note what was said last."""
        for name in {message.sender.casefold(), message.name.casefold()}:
            self._last.set((message.room, name), message.id)

    def about(self, message: ChatMessage, learning: Learning) -> str | None:
        """Return the id of the message that is meant, empty where that person said nothing here.

        `None` where the command names nobody.
        """
        if message.command != LABEL:
            return None
        nick = worded(message.arguments, learning.labels, several=learning.several).nick
        return (self._last.get((message.room, nick.casefold())) or "") if nick else None
