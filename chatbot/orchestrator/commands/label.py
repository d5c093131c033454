"""`!label` and `!undo`: people whom the flow trusts say what a message is, and take it back.

A reaction that the flow maps to a label is `!label` to the message that it is on; when it is
removed, that is `!undo`. The rule that it guards: run again, by another primary, for the same
command, it changes nothing; and nothing is learned of a message of another room.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

import msgspec

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
    Wording,
    folded,
    worded,
)
from chatbot.messages import ChatMessage
from chatbot.orchestrator.commands.command import Answer, Asked, Command
from chatbot.orchestrator.commands.why import decided_soon

_TERMINAL = re.compile(r"(.+)-[0-9a-f]{8}")
"""The network of a terminal, or of a pipe: the listener's name, and what is its own each time."""

_LONGEST_NAME = 64
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class _Said:
    """A message as the operation that learns was given it, and who said it."""

    text: str
    sender: str


def commands(learning: Learning) -> Mapping[str, Command]:
    """Return the commands by their names, for who has the role that the flow wants."""
    return {
        LABEL: dataclasses.replace(
            COMMAND, role=learning.role, arguments=SEVERAL if learning.several else ONE
        ),
        UNDO: dataclasses.replace(UNDO_COMMAND, role=learning.role),
    }


async def _label(asked: Asked) -> Answer:
    message, learning = asked.message, _learning(asked)
    wording = worded(message.arguments, learning.labels, several=learning.several)
    if not wording.given and not wording.denied:
        unknown = wording.unknown[:_LONGEST_NAME]
        raise UsageError(
            f"there is no label {unknown}" if unknown else "which label?",
            hint=_known_labels(unknown, learning),
        )
    scope = _scope(asked, learning, wording)
    said = await _said(asked, wording.nick)
    vote = Vote(
        label="",
        by=message.account,
        number=0,
        at=message.time.astimezone(UTC),
        network=_who(message)[0],
        room=message.room,
        message=message.about,
        sender=said.sender,
        cause=message.id,
    )
    votes = [msgspec.structs.replace(vote, label=label) for label in wording.given]
    votes += [msgspec.structs.replace(vote, label=label, denied=True) for label in wording.denied]
    several = learning.several
    whole = not several or (wording.whole and message.kind != "reaction")
    corrections = await Corrections.open(asked.broker, asked.flow, learning.operation)
    example = await corrections.vote(said.text, scope, *votes, whole=whole, several=several)
    if example.is_contested:
        return Answer(_disagreement(example, message))
    if message.kind == "reaction":
        return Answer()
    where = " in this room" if scope else ""
    beside = " (I try it beside what I know first)" if learning.shadow else ""
    return Answer(
        f"noted{where}: what {_name(said.sender)} said is {_together(votes)}{beside}; "
        f"{asked.rules.prefix}{UNDO} takes it back"
    )


async def _undo(asked: Asked) -> Answer:
    message, learning = asked.message, _learning(asked)
    corrections = await Corrections.open(asked.broker, asked.flow, learning.operation)
    examples = await corrections.all()
    found = _undone_before(examples, message.id) or _to_undo(asked, examples)
    if found is None:
        return _nothing(asked, examples)
    example, votes = found
    by = Vote("", message.account, 0, message.time.astimezone(UTC), cause=message.id)
    left = await corrections.take_back(example, lambda each: each in votes, by) or example
    if message.kind == "unreaction":
        return Answer()
    return Answer(f"taken back: {_now(left, votes)}")


def _now(left: Example, undone: list[Vote]) -> str:
    """Return what a text is, now that some of it is taken back."""
    said = f"what {_name(undone[0].sender)} said is"
    rest = "" if left.is_contested else _together([v for v in left.live if v not in undone])
    if left.several:
        return f"{said} {rest} now" if rest else f"{said} nothing that I was taught, now"
    now = f"; it is {rest} now, as others said" if rest else ""
    return f"{said} not {undone[0].label}{now}"


def _learning(asked: Asked) -> Learning:
    learning = asked.rules.learning
    assert learning is not None  # else nobody knows the command
    return learning


def _known_labels(word: str, learning: Learning) -> str:
    """Return a hint at the labels: the near ones, or some of them."""
    found = suggest(word, learning.labels[:_MOST_NAMED], what="labels")
    near = suggest(word, learning.labels, what="labels")
    if near.startswith("did you mean") or len(learning.labels) <= _MOST_NAMED:
        return near
    return f"{found}, and {len(learning.labels) - _MOST_NAMED} more"


def _together(votes: Sequence[Vote]) -> str:
    return " and ".join(dict.fromkeys(vote.said for vote in votes))


def _scope(asked: Asked, learning: Learning, wording: Wording) -> str:
    """Return the room in which an example is to count, empty for everywhere."""
    if asked.message.private or wording.says(EVERYWHERE):
        return ""
    if not (learning.own_rooms or wording.says(HERE)):
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
        _check_no_label(nick, _learning(asked))
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


def _check_no_label(nick: str, learning: Learning) -> None:
    """Raise `UsageError` where what was taken for a nick is, or was meant as, one more label."""
    label = nick.lstrip("+-")
    near = suggest(label, learning.labels, what="labels")
    if learning.several and near.startswith("did you mean"):
        raise UsageError(f"there is no label {nick[:_LONGEST_NAME]}", hint=near)
    if not learning.several and label.casefold() in map(str.casefold, learning.labels):
        raise UsageError(
            "a message has one label here", hint="with `several: true` it may have more"
        )


def _disagreement(example: Example, message: ChatMessage) -> str:
    own = {v.said for v in example.live if (v.network, v.by) == _who(message)}
    against = [
        f"{_name(v.by) or 'somebody'} says {v.said}"
        for v in example.live
        if v.said not in own and _is_against(v, example)
    ]
    found = ", ".join(dict.fromkeys(against[:_MOST_NAMED]))
    return f"noted, but {found}: I learn neither until you agree"


def _is_against(vote: Vote, example: Example) -> bool:
    """Whether somebody says the opposite."""
    if not example.several:
        return True
    return any(v.label == vote.label and v.denied != vote.denied for v in example.live)


def _who(message: ChatMessage) -> tuple[str, str]:
    """Return the network and the account: of a terminal, whichever it is, the same."""
    terminal = _TERMINAL.fullmatch(message.network)
    return terminal[1] if terminal else message.network, message.account


def _undone_before(examples: list[Example], cause: str) -> tuple[Example, list[Vote]] | None:
    """Return what this very command has taken back already."""
    found = ((e, [v for v in e.votes if v.undone == cause]) for e in examples)
    return next(((example, votes) for example, votes in found if votes), None)


def _to_undo(asked: Asked, examples: list[Example]) -> tuple[Example, list[Vote]] | None:
    """Return what who asks said last: here, or of the message that is replied to."""
    message = asked.message
    mine = [
        (example, vote)
        for example in examples
        for vote in example.live
        if (vote.network, vote.by) == _who(message)
        and (vote.message == message.reply_to if message.reply_to else vote.room == message.room)
        and (message.kind != "unreaction" or vote.label == message.arguments)
    ]
    if not mine:
        return None
    example, last = max(mine, key=lambda each: each[1].number)
    if message.kind == "unreaction":
        return example, [last]
    return example, [vote for each, vote in mine if each is example and vote.number == last.number]


def _nothing(asked: Asked, examples: list[Example]) -> Answer:
    message = asked.message
    if message.kind == "unreaction":
        return Answer()
    votes = (v for e in examples for v in e.live if v.message == message.reply_to)
    other = next(votes, None) if message.reply_to else None
    if other is None:
        return Answer("there is nothing of yours to take back here")
    return Answer(f"that was {_name(other.by) or 'somebody else'}: only they take it back here")


def _name(name: str) -> str:
    return " ".join(name.split())[:_LONGEST_NAME]


ONE = "LABEL [NAME] [here|everywhere]"
SEVERAL = "LABEL… [-LABEL] [+LABEL] [NAME] [here|everywhere]"

COMMAND = Command(
    "teach me what a message is: as a reply to it, or of the last one here, or of who is named",
    _label,
    arguments=ONE,
)
UNDO_COMMAND = Command("take back what you taught me last, or what you reply to", _undo)
