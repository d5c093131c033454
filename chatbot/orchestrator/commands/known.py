"""The commands there are, and who may give them.

The rule that it guards: a right comes from a role alone. What is no command of ours is for the flow
like anything else, unless it was said to the bot: other bots have commands, too.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Container, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

import msgspec

from chatbot.broker import Broker
from chatbot.errors import UsageError
from chatbot.flowfile.problems import suggest
from chatbot.learning import Learning
from chatbot.messages import ChatMessage
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.commands import help, label, mute, status, why
from chatbot.orchestrator.commands.command import Answer, Asked, Command
from chatbot.orchestrator.mutes import Mutes
from chatbot.policy import Rules

log = logging.getLogger(__name__)

GROUP = "chatbot.command"
OURS = {
    "help": help.COMMAND,
    "why": why.COMMAND,
    "status": status.COMMAND,
    "mute": mute.MUTE,
    "unmute": mute.UNMUTE,
}
_LONGEST_NAME = 64


class Known(Mapping[str, Command]):
    """All commands by their names: the program's own, and plug-ins', each loaded when asked for."""

    def __init__(self, learning: Learning | None = None) -> None:
        self._commands: dict[str, Command] = dict(OURS)
        if learning is not None:
            self._commands |= label.commands(learning)
        self._points = {each.name: each for each in entry_points(group=GROUP)}

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._commands, *self._points}))

    def __len__(self) -> int:
        return len({*self._commands, *self._points})

    def __getitem__(self, name: str) -> Command:
        if name not in self._commands:
            self._commands[name] = self._loaded(name)
        return self._commands[name]

    def _loaded(self, name: str) -> Command:
        try:
            found = self._points[name].load()
        except (ImportError, AttributeError) as error:
            log.error("cannot load the command %s: %r", name, error)
            del self._points[name]
            raise KeyError(name) from error
        if not isinstance(found, Command):
            log.error("what is installed as the command %s is none", name)
            del self._points[name]
            raise KeyError(name)
        return found


def takes(message: ChatMessage, own: Container[str], known: Container[str]) -> bool:
    """Whether the command that `message` is is for the bot: one of those that are `known`, or one
    that is said to it, but for the flow's `own`."""
    if message.command in own:
        return False
    return message.addressed or message.private or message.command in known


class Commands:
    """Runs the commands that a primary of a flow is given."""

    def __init__(
        self,
        broker: Broker,
        roster: Roster,
        mutes: Mutes,
        rules: Rules,
        *,
        flow: str,
        revision: str,
    ) -> None:
        self._known = Known(rules.learning)
        self._own = frozenset(rules.own)
        self._asked = functools.partial(
            Asked,
            flow=flow,
            revision=revision,
            rules=rules,
            broker=broker,
            roster=roster,
            mutes=mutes,
            known=self._known,
        )

    def takes(self, message: ChatMessage) -> bool:
        """Whether `message` is for us: a command that there is, or one that is said to the bot.

        What the flow says that it deals with itself is for the flow.
        """
        return takes(message, self._own, self._known)

    async def run(self, message: ChatMessage) -> dict[str, Any]:
        """Return what the command that `message` is decides, as a flow's results."""
        answer = await self._answer(self._asked(message))
        to = "" if message.private else f"{_name(message)}: "
        return {
            "replies": [{"text": to + answer.text}] if answer.text else [],
            "actions": [msgspec.structs.asdict(action) for action in answer.actions],
        }

    async def _answer(self, asked: Asked) -> Answer:
        command = asked.known.get(asked.message.command)
        if command is None:
            return self._unknown(asked)
        if command.role and command.role not in asked.message.roles:
            return _refused(asked, command.role)
        try:
            return await command.run(asked)
        except UsageError as error:
            return Answer(f"{error.message} ({error.hint})" if error.hint else error.message)

    @staticmethod
    def _unknown(asked: Asked) -> Answer:
        message, prefix = asked.message, asked.rules.prefix
        known = [prefix + name for name in (*asked.known, *asked.rules.own)]
        near = suggest(prefix + message.command, known)
        hint = near if near.startswith("did you mean") else f"{prefix}help lists what there is"
        return Answer(f"there is no {prefix}{message.command}: {hint}")


def _refused(asked: Asked, role: str) -> Answer:
    command = f"{asked.rules.prefix}{asked.message.command}"
    if asked.message.account:
        return Answer(f"sorry, {command} is for who has the role {role} here")
    return Answer(f"sorry, {command} is for who has the role {role}; are you logged in?")


def _name(message: ChatMessage) -> str:
    return " ".join((message.name or message.sender).split())[:_LONGEST_NAME]
