"""Commands in a recorded log: those of the bot itself are no text for the flow.

The rule that it guards: a replay carries none of them out: it mutes no room and teaches nothing.
"""

from __future__ import annotations

import asyncio

from chatbot.commands.playing import Decided
from chatbot.listeners.gate.calling import with_command
from chatbot.messages import ChatMessage, Outcome
from chatbot.orchestrator.commands.known import Known, takes
from chatbot.policy import Rules

COMMAND = "a command to the bot"
"""Why the flow does not have a message."""


class Obeying:
    """Which messages are commands, by the rules of one flow."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._known = Known(rules.learning)

    def heard(self, message: ChatMessage) -> ChatMessage:
        """Return the message with the command that it is, as a bot that runs has it."""
        return with_command(message, self._rules)

    def outcome(self, message: ChatMessage) -> asyncio.Future[Decided] | None:
        """Return what becomes of a command that is for the bot itself; `None` for all else."""
        if not message.command or not takes(message, self._rules.own, self._known):
            return None
        done: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()
        outcome = Outcome(
            message.id, message.network, message.room, message.sender, skipped=COMMAND
        )
        done.set_result((message, outcome))
        return done
