"""A command, as those that come with the program and those of plug-ins are written.

A plug-in's entry point is in the group `chatbot.command`; its name is the command's (small
letters, digits, - and _), its value a `Command`:

    from chatbot.orchestrator.commands import Answer, Asked, Command

    async def run(asked: Asked) -> Answer:
        return Answer(f"noted: {asked.message.arguments}")

    note = Command("note something", run, arguments="TEXT", role="moderator")

`run` may be called again for the same message (a primary that dies is followed by another), and
only the first answer is given: what it changes beside must bear that. It may take as long as a
context of the flow. Where what somebody wrote is wrong it raises `UsageError`: its message is the
answer. Whatever else it raises makes the message a dead letter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from chatbot.broker import Broker
from chatbot.messages import Action, ChatMessage
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.mutes import Mutes
from chatbot.policy import Rules


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command says, to who gave it, and what it has done on the network."""

    text: str = ""
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command may need.

    `message` has its `arguments`, the `roles` of who gave it, and in `about` the id of the
    message that it is about (the one replied to, or else the last one before it in the room;
    empty where none is known). `flow` and `revision` are what runs here, `known` all commands.
    """

    message: ChatMessage
    flow: str
    revision: str
    rules: Rules
    broker: Broker
    roster: Roster
    mutes: Mutes
    known: Mapping[str, Command]


@dataclass(frozen=True, slots=True)
class Command:
    """`summary` says in a line what it does, `arguments` how they are written (`[TIME]`).

    Where it has a `role`, only who has that may give it.
    """

    summary: str
    run: Callable[[Asked], Awaitable[Answer]]
    arguments: str = ""
    role: str = ""
