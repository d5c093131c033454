"""`!label` and `!undo`: people whom the flow trusts say what a message is, and take it back.

A reaction that the flow maps to a label is `!label` to the message that it is on; when it is
removed, that is `!undo`. The rule that it guards: run again, by another primary, for the same
command, it changes nothing; and nothing is learned of a message of another room.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

from chatbot.broker.corrections import Corrections
from chatbot.broker.decided import heard
from chatbot.errors import UsageError
from chatbot.flowfile.problems import suggest
from chatbot.learning import (
    EVERYWHERE,
    HERE,
    LABEL,
    LONGEST,
    UNDO,
    Example,
    Learning,
    Vote,
    folded,
    nick_in,
    split,
)
from chatbot.orchestrator.commands.command import Answer, Asked, Command
from chatbot.orchestrator.commands.why import decided_soon

_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class _Said:
    """A message as the operation that learns was given it, and who said it."""

    text: str
    sender: str


def commands(learning: Learning) -> Mapping[str, Command]:
    """Return the commands by their names, for who has the role that the flow wants."""
    return {
        LABEL: dataclasses.replace(COMMAND, role=learning.role),
        UNDO: dataclasses.replace(UNDO_COMMAND, role=learning.role),
    }


async def _label(asked: Asked) -> Answer:
    message, learning = asked.message, _learning(asked)
    label, rest = split(message.arguments, learning.labels)
    if label not in learning.labels:
        raise UsageError(
            f"there is no label {label}" if label else "which label?",
            hint=suggest(label, learning.labels, what="labels"),
        )
    scope = _scope(asked, learning, {word.casefold() for word in rest})
    said = await _said(asked, nick_in(rest))
    vote = Vote(
        label=label,
        by=message.account,
        number=0,
        at=message.time.astimezone(UTC),
        network=message.network,
        room=message.room,
        message=message.about,
        sender=said.sender,
        cause=message.id,
    )
    corrections = await Corrections.open(asked.broker, asked.flow, learning.operation)
    example = await corrections.vote(said.text, scope, vote)
    if example.is_contested:
        return Answer(_disagreement(example, message.account))
    if message.kind == "reaction":
        return Answer()
    where = " in this room" if scope else ""
    return Answer(
        f"noted{where}: what {_name(said.sender)} said is {label}; "
        f"{asked.rules.prefix}{UNDO} takes it back"
    )


async def _undo(asked: Asked) -> Answer:
    message, learning = asked.message, _learning(asked)
    corrections = await Corrections.open(asked.broker, asked.flow, learning.operation)
    examples = await corrections.all()
    found = _undone_before(examples, message.id) or _to_undo(asked, examples)
    if found is None:
        return _nothing(asked, examples)
    example, vote = found
    by = Vote("", message.account, 0, message.time.astimezone(UTC), cause=message.id)
    left = await corrections.take_back(example, lambda each: each == vote, by) or example
    if message.kind == "unreaction":
        return Answer()
    now = f"; it is {left.labels[0]} now, as others said" if len(left.labels) == 1 else ""
    return Answer(f"taken back: what {_name(vote.sender)} said is not {vote.label}{now}")


def _learning(asked: Asked) -> Learning:
    learning = asked.rules.learning
    assert learning is not None  # else nobody knows the command
    return learning


def _scope(asked: Asked, learning: Learning, words: set[str]) -> str:
    """Return the room in which an example is to count, empty for everywhere."""
    if asked.message.private or EVERYWHERE in words:
        return ""
    if not (learning.own_rooms or HERE in words):
        return ""
    if not learning.by_room:
        raise UsageError(
            "what I learn counts in all rooms",
            hint=f"in the flow file, give {learning.operation} the input room: message.room",
        )
    return asked.message.room


async def _said(asked: Asked, nick: str) -> _Said:
    """Return what a message said; raises `UsageError` where nothing is known of it."""
    message = asked.message
    if not message.about:
        about = f"of {nick[:_LONGEST_NAME]} " if nick else ""
        raise UsageError(f"I know no message {about}here", hint="reply to the one that you mean")
    found = await decided_soon(asked)
    if found is not None and found.outcome.room == message.room and found.outcome.text:
        return _Said(found.outcome.text[:LONGEST], found.outcome.sender)
    # The operation that learns was not given it: then it is as it was said.
    original = await heard(asked.broker, asked.flow, message.network, message.about)
    if original is None or original.room != message.room or not folded(original.text):
        raise UsageError(
            "I know nothing of that message", hint="I did not hear it here, or it is too long ago"
        )
    return _Said(original.text[:LONGEST], original.sender)


def _disagreement(example: Example, account: str) -> str:
    mine = next((v.label for v in example.votes if v.is_live and v.by == account), "")
    others = ", ".join(
        f"{_name(v.by) or 'somebody'} says {v.label}"
        for v in example.votes
        if v.is_live and v.label != mine
    )
    return f"noted, but {others}: I learn neither until you agree"


def _undone_before(examples: list[Example], cause: str) -> tuple[Example, Vote] | None:
    """Return what this very command has taken back already."""
    return next(((e, v) for e in examples for v in e.votes if v.undone == cause), None)


def _to_undo(asked: Asked, examples: list[Example]) -> tuple[Example, Vote] | None:
    """Return the last correction of who asks: here, or of the message that is replied to."""
    message = asked.message
    mine = [
        (example, vote)
        for example in examples
        for vote in example.votes
        if vote.is_live
        and (vote.network, vote.by) == (message.network, message.account)
        and (vote.message == message.reply_to if message.reply_to else vote.room == message.room)
        and (message.kind != "unreaction" or vote.label == message.arguments)
    ]
    return max(mine, key=lambda each: each[1].number, default=None)


def _nothing(asked: Asked, examples: list[Example]) -> Answer:
    message = asked.message
    if message.kind == "unreaction":
        return Answer()
    votes = (v for e in examples for v in e.votes if v.is_live and v.message == message.reply_to)
    other = next(votes, None) if message.reply_to else None
    if other is None:
        return Answer("there is nothing of yours to take back here")
    return Answer(f"that was {_name(other.by) or 'somebody else'}: only they take it back here")


def _name(name: str) -> str:
    return " ".join(name.split())[:_LONGEST_NAME]


COMMAND = Command(
    "teach me what a message is: as a reply to it, or of the last one here, or of who is named",
    _label,
    arguments="LABEL [NAME] [here|everywhere]",
)
UNDO_COMMAND = Command("take back what you taught me last, or what you reply to", _undo)
