"""What a flow says of whom it answers, where, when and how often. Pure.

The rule that it guards: rights come from what the network itself has made sure of (an account),
never from a nick, which anybody may choose. A nick can only take something away (`deny`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chatbot.errors import UsageError
from chatbot.learning import Learning
from chatbot.messages import ChatMessage
from chatbot.units import duration, shown_duration

PRIVATE = "private"
"""What every conversation with one person alone is called, where rooms are named."""

ADDRESSED = "addressed"
EVERYBODY = "everybody"
OFF = "off"
PREFIX = "!"
MODERATOR = "moderator"
"""The role that the bot's own commands know."""

OPERATOR = ("*",)
"""The roles of who sits at the terminal: every one, for what they command."""

MOST_IN = 100_000
_RATE = re.compile(r"(\d{1,6}) in (\S.*)")
_QUIET = re.compile(r"(\d{1,2}):(\d\d) ?- ?(\d{1,2}):(\d\d) (\S+)")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in so many `seconds`, at once or spread over them."""

    count: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `10 in 1m`; raises `UsageError` for anything else."""
        found = _RATE.fullmatch(text.strip())
        if found is None or not 0 < int(found[1]) <= MOST_IN:
            raise UsageError(
                f"{text!r} does not say how many in which time",
                hint=f"such as 10 in 1m, or {OFF} for no limit",
            )
        return cls(int(found[1]), duration(found[2]))

    def __str__(self) -> str:
        return f"{self.count} in {shown_duration(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of each day, by the clock of a `zone`, in which only who speaks to the bot is answered.

    Where `end` is before `start`, they go over midnight.
    """

    start: time
    end: time
    zone: str

    @classmethod
    def parse(cls, text: str) -> Quiet:
        """Read `22:00-07:00 Europe/Berlin`; raises `UsageError` for anything else."""
        found = _QUIET.fullmatch(text.strip())
        hint = f"such as 22:00-07:00 Europe/Berlin, or {OFF}"
        if found is None:
            raise UsageError(f"{text!r} does not say from when to when, and where", hint=hint)
        try:
            start, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
        except ValueError:
            raise UsageError(f"{text!r} names a time that no clock shows", hint=hint) from None
        if start == end:
            raise UsageError(f"{text!r} begins when it ends", hint=hint)
        try:
            ZoneInfo(found[5])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(
                f"there is no time zone {found[5]!r} on this machine",
                hint="such as Europe/Berlin or UTC; Debian has them in its package tzdata",
            ) from None
        return cls(start, end, found[5])

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M} {self.zone}"

    def holds(self, instant: datetime) -> bool:
        """Whether `instant` is in these hours."""
        try:
            there = instant.astimezone(ZoneInfo(self.zone)).time()
        except OverflowError:  # what a server says may be at the very beginning of time
            return False
        if self.start < self.end:
            return self.start <= there < self.end
        return there >= self.start or there < self.end


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds in one room. Limits and quiet hours are `None` where there are none.

    `allow` and `deny` are globs for people; where nobody is named in `allow`, everybody is.
    """

    only_addressed: bool = False
    listen: bool = True
    person: Rate | None = None
    room: Rate | None = None
    quiet: Quiet | None = None
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def admits(self, message: ChatMessage) -> bool:
        """Whether this person may be answered.

        Only an account lets anybody in; a name is enough to be kept out.
        """
        if self.deny and any(matches(self.deny, who) for who in (message.account, message.sender)):
            return False
        return not self.allow or matches(self.allow, message.account)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a flow says of one network: `terms`, and others for some `rooms` (globs, in order).

    `allow` and `deny` are globs for rooms; where none is named in `allow`, all are.
    """

    terms: Terms = field(default_factory=Terms)
    rooms: tuple[tuple[str, Terms], ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def terms_in(self, room: str) -> Terms:
        """Return what holds in `room`: of the patterns, its own name goes before all others."""
        for pattern, terms in self.rooms:
            if pattern.casefold() == room.casefold():
                return terms
        return next((t for pattern, t in self.rooms if matches((pattern,), room)), self.terms)

    def admits_room(self, room: str) -> bool:
        """Whether anybody may be answered there."""
        if matches(self.deny, room):
            return False
        return not self.allow or matches(self.allow, room)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a flow says for all its networks.

    `roles` maps a role to accounts as `network/account`, spelled as the network spells them.
    With `in_order`, a person's messages in one room are done one after the other. A command
    begins with `prefix`; where that is empty, there are none. `own` are the names of those that the
    flow itself deals with. `learning` says who may correct what the bot understood, and how.
    """

    roles: tuple[tuple[str, tuple[str, ...]], ...] = ()
    in_order: bool = False
    prefix: str = PREFIX
    learning: Learning | None = None
    own: tuple[str, ...] = ()

    def roles_of(self, network: str, account: str) -> tuple[str, ...]:
        """Return the roles of an authenticated account; none for the empty one."""
        if not account:
            return ()
        known = f"{network}/{account}"
        return tuple(role for role, accounts in self.roles if known in accounts)

    @property
    def every_role(self) -> tuple[str, ...]:
        """The roles that there are in this flow, whoever has them."""
        taught = () if self.learning is None else (self.learning.role,)
        return tuple(dict.fromkeys((MODERATOR, *(role for role, _ in self.roles), *taught)))


def room_of(message: ChatMessage) -> str:
    """Return what the room of `message` is called in a policy."""
    return PRIVATE if message.private else message.room


def nearest(patterns: Sequence[str], room: str) -> str | None:
    """Return the pattern that is meant by `room`: its own name goes before all others."""
    for pattern in patterns:
        if pattern.casefold() == room.casefold():
            return pattern
    return next((pattern for pattern in patterns if matches((pattern,), room)), None)


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether `name` is one of `patterns`, in which `*` and `?` stand for what they always do.

    An empty name is none of them. Case makes no difference, as to most networks.
    """
    return bool(name) and any(_compiled(each).fullmatch(name) for each in patterns)


@functools.lru_cache(1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    text = "".join(parts.get(c) or re.escape(c) for c in re.sub(r"\*+", "*", pattern))
    return re.compile(text, re.IGNORECASE | re.DOTALL)
