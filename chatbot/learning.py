"""Learning from corrections: what a flow says of it, who corrected what, and what counts. Pure.

The rule that it guards: a text that people label differently teaches nothing until they agree.
What was taken back is kept, so that every former state can be had again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from chatbot.messages import Record, digest

LABEL, UNDO = "label", "undo"
"""The commands, which a reaction and its removal are turned into, too."""

SHOWN_TEXT, SHOWN_REVISION = "learned.text", "learned.revision"
"""The names under which a flow shows what the operation that learns was given, and the revision of
what it had learned: no name of a person's output has a dot in it."""

LONGEST = 1000
"""Characters of a text that are kept: more than an encoder reads."""

HERE, EVERYWHERE = "here", "everywhere"


@dataclass(frozen=True, slots=True)
class Learning:
    """What a flow's `learning` says: `operation` (a path) learns what those with `role` correct.

    `reactions` maps what people react with to a label. With `own_rooms` an example counts only in
    the room that it comes from, where nothing else is said; `by_room` says that the operation is
    told of the room, so that this can be. With `shadow` what is newly learned
    runs beside the old until it is promoted, or has seen `after` messages (0: never by itself).
    """

    operation: str
    role: str
    labels: tuple[str, ...]
    reactions: tuple[tuple[str, str], ...] = ()
    own_rooms: bool = False
    by_room: bool = False
    shadow: bool = False
    after: int = 0

    def reaction(self, text: str) -> str:
        """Return the label that a reaction stands for, empty for none."""
        return next((label for sign, label in self.reactions if sign == text), "")


class About(Record, frozen=True):
    """Which operation a learner is, and its labels, for people."""

    flow: str
    operation: str
    labels: tuple[str, ...] = ()


class Vote(Record, frozen=True):
    """That `by` (an account of `network`) gave a text a label, by what was said in `cause`.

    The text is the message `message` of `sender`. `number` is that of the change, `until` that of
    the one that took it back (0: none did), by what `undone_by` said in `undone`.
    """

    label: str
    by: str
    number: int
    at: Annotated[datetime, Meta(tz=True)]
    network: str = ""
    room: str = ""
    message: str = ""
    sender: str = ""
    cause: str = ""
    until: int = 0
    undone: str = ""
    undone_by: str = ""
    undone_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        return not self.until


class Example(Record, frozen=True):
    """A text and what it was called; in the room `scope` alone where that is not empty."""

    text: str
    scope: str = ""
    votes: tuple[Vote, ...] = ()

    @property
    def key(self) -> str:
        return example_key(self.text, self.scope)

    @property
    def labels(self) -> tuple[str, ...]:
        """What it is called now: one label, several where people disagree, none if taken back."""
        return tuple(dict.fromkeys(vote.label for vote in self.votes if vote.is_live))

    @property
    def is_contested(self) -> bool:
        return len(self.labels) > 1

    def vote_of(self, network: str, by: str) -> Vote | None:
        """Return what somebody calls it now."""
        mine = (v for v in self.votes if v.is_live and (v.network, v.by) == (network, by))
        return next(mine, None)

    def with_vote(self, vote: Vote) -> Example:
        """Return it with a vote, in the place of the same person's; itself if nothing is new."""
        former = self.vote_of(vote.network, vote.by)
        heard = any(vote.cause and each.cause == vote.cause for each in self.votes)
        if heard or (former is not None and former.label == vote.label):
            return self
        closed = (_closed(each, vote) if each is former else each for each in self.votes)
        return msgspec.structs.replace(self, votes=(*closed, vote))

    def is_touched(self, number: int) -> bool:
        """Whether the change `number` was of this."""
        return any(number in (vote.number, vote.until) for vote in self.votes)

    def at(self, number: int) -> tuple[Vote, ...]:
        """Return the votes that held after the change `number`."""
        return tuple(v for v in self.votes if v.number <= number and not 0 < v.until <= number)


class Lesson(Record, frozen=True):
    """What an operation is to learn: a text and its one label; in a room alone, where named."""

    text: str
    label: str
    room: str = ""


def learner_of(flow: str, operation: str) -> str:
    """Return the name of an operation (a path) of a flow as one that learns: one token."""
    return digest(flow, operation)


def example_key(text: str, scope: str) -> str:
    """Return a name for a text, whatever its case and spaces, and where it counts."""
    return digest(folded(text), scope)


def folded(text: str) -> str:
    """Return what two texts have in common that are the same example."""
    return " ".join(text.casefold().split())


def lessons(examples: Iterable[Example]) -> list[Lesson]:
    """Return what is agreed upon, in an order that depends on nothing else."""
    found = [
        Lesson(each.text, each.labels[0], each.scope) for each in examples if len(each.labels) == 1
    ]
    return sorted(found, key=lambda each: (each.room, folded(each.text)))


def identity(taught: Sequence[Lesson]) -> str:
    """Return what is equal for equal lessons, empty for none."""
    return digest(*(part for each in taught for part in (each.text, each.label, each.room))) * (
        len(taught) > 0
    )


def corpus(
    given: Mapping[str, Sequence[str]], taught: Iterable[Lesson], room: str = ""
) -> dict[str, list[str]]:
    """Return the examples `given` by a file with what people taught beside, as it is in `room`.

    What people say goes before the file, and what they say of the room before the rest. A label
    that the file has not is left out, and none loses its last example.
    """
    own = {folded(each.text): each for each in _in_order(taught, room) if each.label in given}
    merged = {
        label: [text for text in texts if _stays(text, label, own)] or list(texts[:1])
        for label, texts in given.items()
    }
    for each in own.values():
        merged[each.label].append(each.text)
    return {label: _distinct(texts) for label, texts in merged.items()}


def restored(
    former: tuple[Vote, ...], number: int, by: str, known: Example | None, now: int
) -> Example | None:
    """Return an example with the votes that it had: later ones are taken back by the change `now`,
    others made again."""
    if known is None:
        return None
    instant = datetime.now(UTC)
    cause = f"rollback to {number}"
    wanted = {(v.network, v.by, v.label) for v in former}
    live = {(v.network, v.by, v.label) for v in known.votes if v.is_live}
    votes = [
        msgspec.structs.replace(v, until=now, undone=cause, undone_by=by, undone_at=instant)
        if v.is_live and (v.network, v.by, v.label) not in wanted
        else v
        for v in known.votes
    ]
    again = (v for v in former if (v.network, v.by, v.label) not in live)
    votes += [_again(v, now) for v in again]
    return msgspec.structs.replace(known, votes=tuple(votes))


def forgotten(
    example: Example, is_said: Callable[[Vote], bool], is_meant: Callable[[str, str], bool]
) -> Example:
    """Return the example without the votes on what `is_said`, and the names of those `is_meant`."""
    votes = tuple(
        msgspec.structs.replace(
            vote,
            by="" if is_meant(vote.network, vote.by) else vote.by,
            undone_by="" if is_meant(vote.network, vote.undone_by) else vote.undone_by,
        )
        for vote in example.votes
        if not is_said(vote)
    )
    return msgspec.structs.replace(example, votes=votes)


def changes(examples: Iterable[Example]) -> list[tuple[int, Vote, Example, bool]]:
    """Return (number, vote, example, whether it was added), the oldest change first."""
    found = []
    for example in examples:
        for vote in example.votes:
            found.append((vote.number, vote, example, True))
            if vote.until:
                found.append((vote.until, vote, example, False))
    return sorted(found, key=lambda each: (each[0], each[3]))


def rooms(taught: Iterable[Lesson]) -> list[str]:
    """Return the rooms that have lessons of their own."""
    return sorted({each.room for each in taught if each.room})


def split(arguments: str, labels: Iterable[str]) -> tuple[str, list[str]]:
    """Return the label that begins `arguments`, as it is spelled, and the words behind it.

    Where none of `labels` does, the first word is returned.
    """
    words = arguments.split()
    said = [word.casefold() for word in words]
    for label in sorted(labels, key=len, reverse=True):
        parts = label.casefold().split()
        if parts and said[: len(parts)] == parts:
            return label, words[len(parts) :]
    return (words[0], words[1:]) if words else ("", [])


def nick_in(rest: Sequence[str]) -> str:
    """Return whose message is meant, of the words behind a label; empty where nobody is named."""
    named = (word.strip("@:,") for word in rest if word.casefold() not in (HERE, EVERYWHERE))
    return next(named, "")


def _again(vote: Vote, number: int) -> Vote:
    return msgspec.structs.replace(
        vote, number=number, until=0, undone="", undone_by="", undone_at=None
    )


def _closed(vote: Vote, by: Vote) -> Vote:
    return msgspec.structs.replace(
        vote, until=by.number, undone=by.cause, undone_by=by.by, undone_at=by.at
    )


def _in_order(taught: Iterable[Lesson], room: str) -> Iterator[Lesson]:
    known = list(taught)
    yield from (each for each in known if not each.room)
    if room:
        yield from (each for each in known if each.room == room)


def _stays(text: str, label: str, own: Mapping[str, Lesson]) -> bool:
    said = own.get(folded(text))
    return said is None or said.label == label


def _distinct(texts: Iterable[str]) -> list[str]:
    return list({folded(text): text for text in reversed(list(texts))}.values())[::-1]
