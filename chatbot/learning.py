"""Learning from corrections: what a flow says of it, who corrected what, and what counts. Pure.

The rule that it guards: a text that people label differently teaches nothing until they agree.
What was taken back is kept, so that every former state can be had again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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

MOST_VOTES = 200
"""Of one text: of those that were taken back, the oldest are forgotten then."""

LONGEST = 1000
"""Characters of a text that are kept: more than an encoder reads."""

HERE, EVERYWHERE = "here", "everywhere"
_PLACES = (HERE, EVERYWHERE)


@dataclass(frozen=True, slots=True)
class Learning:
    """What a flow's `learning` says: `operation` (a path) learns what those with `role` correct.

    With `several` a text may have more than one of the `labels`.
    `reactions` maps what people react with to a label. With `own_rooms` an example counts only in
    the room that it comes from, where nothing else is said; `by_room` says that the operation is
    told of the room, so that this can be. With `shadow` what is newly learned
    runs beside the old until it is promoted, or has seen `after` messages (0: never by itself).
    """

    operation: str
    role: str
    labels: tuple[str, ...]
    several: bool = False
    reactions: tuple[tuple[str, str], ...] = ()
    own_rooms: bool = False
    by_room: bool = False
    shadow: bool = False
    after: int = 0

    def reaction(self, text: str) -> str:
        """Return the label that a reaction stands for, empty for none."""
        return next((label for sign, label in self.reactions if sign == text), "")


class About(Record, frozen=True):
    """Which operation a learner is, and its labels, for people; with `several`, a text may have
    more than one."""

    flow: str
    operation: str
    labels: tuple[str, ...] = ()
    several: bool = False


class Vote(Record, frozen=True):
    """That `by` (an account of `network`) gave a text a label, by what was said in `cause`.

    With `denied` they said that it has not the label. The text is the message `message` of
    `sender`. `number` is that of the change, `until` that of the one that took it back (0: none
    did), by what `undone_by` said in `undone`.
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
    denied: bool = False
    until: int = 0
    undone: str = ""
    undone_by: str = ""
    undone_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        return not self.until

    @property
    def said(self) -> str:
        """What it says of the text, in words."""
        return f"not {self.label}" if self.denied else self.label


class Example(Record, frozen=True):
    """A text and what it was called; in the room `scope` alone where that is not empty.

    With `several` it may have more than one label, and people disagree only on what one says that
    it has and another that it has not.
    """

    text: str
    scope: str = ""
    votes: tuple[Vote, ...] = ()
    several: bool = False

    @property
    def key(self) -> str:
        return example_key(self.text, self.scope)

    @property
    def live(self) -> list[Vote]:
        """What people say of it now."""
        return [vote for vote in self.votes if vote.is_live]

    @property
    def labels(self) -> tuple[str, ...]:
        """What it is called now: one label, more where people disagree or it may have several."""
        return tuple(dict.fromkeys(vote.label for vote in self.live if not vote.denied))

    @property
    def is_contested(self) -> bool:
        if not self.several:
            return len(self.labels) > 1
        return any(vote.denied and vote.label in self.labels for vote in self.live)

    @property
    def taught(self) -> tuple[str, ...]:
        """The labels that it teaches; "" is that it has none of them."""
        return () if self.is_contested else self.labels or ("",) * bool(self.live)

    def with_vote(self, vote: Vote) -> Example:
        """Return it with a vote, in the place of the same person's; itself if nothing is new."""
        return self.with_votes([vote], whole=True)

    def with_votes(self, votes: Sequence[Vote], *, whole: bool) -> Example:
        """Return it with what one person says of it; itself if nothing is new.

        It takes the place of what they said: of all of that if it is the `whole`, else of what
        they said of the same labels.
        """
        first = votes[0]
        if first.cause and any(first.cause in (v.cause, v.undone) for v in self.votes):
            return self
        mine = [v for v in self.live if (v.network, v.by) == (first.network, first.by)]
        said = {(v.label, v.denied) for v in votes}
        labels = {v.label for v in votes}
        old = [v for v in mine if (v.label, v.denied) not in said and (whole or v.label in labels)]
        new = [v for v in votes if (v.label, v.denied) not in {(m.label, m.denied) for m in mine}]
        if not old and not new:
            return self
        closed = (_closed(each, first) if each in old else each for each in self.votes)
        return msgspec.structs.replace(self, votes=_bounded([*closed, *new]))

    def is_touched(self, number: int) -> bool:
        """Whether the change `number` was of this."""
        return any(number in (vote.number, vote.until) for vote in self.votes)

    def at(self, number: int) -> tuple[Vote, ...]:
        """Return the votes that held after the change `number`."""
        return tuple(v for v in self.votes if v.number <= number and not 0 < v.until <= number)


class Lesson(Record, frozen=True):
    """What an operation is to learn: a text and a label, in a room alone, where one is named.

    A text that may have several labels is so many lessons; one with the label "" has none.
    """

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
    found = [Lesson(each.text, label, each.scope) for each in examples for label in each.taught]
    return sorted(found, key=lambda each: (each.room, folded(each.text), each.label))


def identity(taught: Sequence[Lesson]) -> str:
    """Return what is equal for equal lessons, empty for none."""
    return digest(*(part for each in taught for part in (each.text, each.label, each.room))) * (
        len(taught) > 0
    )


def corpus(
    given: Mapping[str, Sequence[str]], taught: Sequence[Lesson], room: str = ""
) -> dict[str, list[str]]:
    """Return the examples `given` by a file with what people taught beside, as it is in `room`.

    What people say goes before the file, and what they say of the room before the rest. A label
    that the file has not is left out, and none loses its last example. Texts that have none of
    the labels are under "", if there are any.
    """
    own: dict[str, dict[str, str]] = {}
    for where in ("", room) if room else ("",):
        own |= _said_in([each for each in taught if each.room == where], given)
    merged = {
        label: [text for text in texts if label in own.get(folded(text), {label})]
        or list(texts[:1])
        for label, texts in given.items()
    }
    for each in own.values():
        for label, text in each.items():
            merged.setdefault(label, []).append(text)
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
    wanted = {_meant(v) for v in former}
    live = {_meant(v) for v in known.live}
    votes = [
        msgspec.structs.replace(v, until=now, undone=cause, undone_by=by, undone_at=instant)
        if v.is_live and _meant(v) not in wanted
        else v
        for v in known.votes
    ]
    again = (v for v in former if _meant(v) not in live)
    votes += [_again(v, now) for v in again]
    return msgspec.structs.replace(known, votes=_bounded(votes))


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


@dataclass(frozen=True, slots=True)
class Wording:
    """How a correction was worded: labels as they are spelled, and the words behind them.

    `given` are those that a text has, `denied` those that it has not. `whole`: it has no others;
    else no more is said. `unknown` is the first word where that is no label.
    """

    given: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    whole: bool = True
    rest: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def nick(self) -> str:
        """Whose message is meant; empty where nobody is named."""
        named = (word.strip("@:,") for word in self.rest if word.casefold() not in _PLACES)
        return next(named, "")

    def says(self, word: str) -> bool:
        """Whether a word (`here`) is among those behind the labels."""
        return word in (each.casefold() for each in self.rest)


def worded(arguments: str, labels: Iterable[str], *, several: bool = False) -> Wording:
    """Return what `!label ARGUMENTS` says: `bug`, or with `several` `bug help`, `+bug`, `-bug`."""
    words = arguments.split()
    ordered = sorted(labels, key=len, reverse=True)
    given: list[str] = []
    denied: list[str] = []
    whole = True
    while words and (several or not given):
        sign = words[0][0] if several and words[0][0] in "+-" and len(words[0]) > 1 else ""
        found = _beginning([words[0][len(sign) :].rstrip(","), *words[1:]], ordered)
        if found is None:
            break
        (denied if sign == "-" else given).append(found)
        whole = whole and not sign
        words = words[len(found.split()) :]
    unknown = words[0] if words and not given and not denied else ""
    return Wording(
        tuple(dict.fromkeys(label for label in given if label not in denied)),
        tuple(dict.fromkeys(denied)),
        whole,
        tuple(words[1:] if unknown else words),
        unknown,
    )


def _beginning(words: Sequence[str], labels: Iterable[str]) -> str | None:
    said = [word.casefold() for word in words]
    if said and len(words) > 1:
        said = [said[0], *(word.rstrip(",") for word in said[1:])]
    for label in labels:
        parts = label.casefold().split()
        if parts and said[: len(parts)] == parts:
            return label
    return None


def _bounded(votes: Sequence[Vote]) -> tuple[Vote, ...]:
    """Return the votes; of too many, not the oldest of those that were taken back."""
    spare = len(votes) - MOST_VOTES
    old = {id(vote) for vote in [v for v in votes if not v.is_live][: max(spare, 0)]}
    return tuple(vote for vote in votes if id(vote) not in old)


def _meant(vote: Vote) -> tuple[str, str, str, bool]:
    return vote.network, vote.by, vote.label, vote.denied


def _again(vote: Vote, number: int) -> Vote:
    return msgspec.structs.replace(
        vote, number=number, until=0, undone="", undone_by="", undone_at=None
    )


def _closed(vote: Vote, by: Vote) -> Vote:
    return msgspec.structs.replace(
        vote, until=by.number, undone=by.cause, undone_by=by.by, undone_at=by.at
    )


def _said_in(
    taught: Iterable[Lesson], labels: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str]]:
    """Return folded text → label → text, for labels that there are."""
    found: dict[str, dict[str, str]] = {}
    for each in taught:
        if not each.label or each.label in labels:
            found.setdefault(folded(each.text), {})[each.label] = each.text
    return found


def _distinct(texts: Iterable[str]) -> list[str]:
    return list({folded(text): text for text in reversed(list(texts))}.values())[::-1]
