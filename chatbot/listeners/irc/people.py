"""Who is who on a network: hosts, services accounts, and who said which message.

The rule that it guards: an account is the network's own word about whoever speaks now. It is
known by a tag that the server puts on each message (account-tag), or by having been told of
each change since the person came in sight (extended-join or WHOX, then account-notify); else
it is empty. A nick proves nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from irc.client import Event

MOST = 10_000
"""People, and messages, that are remembered; the oldest are forgotten first."""

LENGTH = 512
"""Characters of a name that is remembered: more than a line of any real server has."""

CHANNELS = 256
"""Channels of a person that are remembered."""

FIELDS = "%tcuhna"
TOKEN = "417"  # noqa: S105 - it marks our own question, WHO #chan %tcuhna,417
FOLLOWED = frozenset({"account-notify", "extended-join"})


@dataclass(slots=True, eq=False)
class Person:
    """Somebody on this connection, through all changes of nick.

    `userhost` is what the server shows after the `!`; `channels` are ours in which they are;
    `here` turns false for good when they leave the network.
    """

    nick: str
    userhost: str = ""
    account: str = ""
    channels: set[str] = field(default_factory=set)
    here: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """Who said a message, and the `msgid` that the server gave it (or empty)."""

    person: Person
    msgid: str


class People:
    """The people of a network, over all its connections; `begin` with each of them."""

    def __init__(self) -> None:
        self._fold: Callable[[str], str] = str.lower
        self._enabled: Set[str] = frozenset()
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._said: OrderedDict[str, Said] = OrderedDict()
        self._own: OrderedDict[str, None] = OrderedDict()

    def begin(self, fold: Callable[[str], str], enabled: Set[str]) -> None:
        """Forget who was there: nothing was seen while no connection was.

        `enabled` are the capabilities that the server has granted, as they are at any time.
        """
        self._fold = fold
        self._enabled = enabled
        self._people.clear()

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event, of people other than the bot, too."""
        found = {
            "join": self._on_join,
            "part": self._on_part,
            "kick": self._on_kick,
            "quit": self._on_quit,
            "nick": self._on_nick,
            "account": self._on_account,
            "chghost": self._on_new_host,
            "whospcrpl": self._on_who,
        }
        return {kind: _of_somebody(handler) for kind, handler in found.items()}

    @property
    def must_ask(self) -> bool:
        """Whether the accounts of those who are in a channel already must be asked for (WHOX)."""
        return "account-tag" not in self._enabled and self._enabled >= FOLLOWED

    def find(self, nick: str) -> Person | None:
        """Return who is called `nick` now, as far as we have seen."""
        return self._people.get(self._fold(nick))

    def author(self, message_id: str) -> Said | None:
        """Return who said the message, if we still know."""
        return self._said.get(message_id)

    def is_followed(self, person: Person) -> bool:
        """Whether `person` would not change nick or leave without our knowing."""
        return person.here and bool(person.channels) and self.find(person.nick) is person

    def seen(self, source: object) -> Person:
        """Return who `source` (`nick!user@host`) is; the host is as it is now."""
        nick, _, userhost = str(source).partition("!")
        key = self._fold(nick)
        person = self._people.get(key)
        if person is None:
            person = Person(nick)
            if len(str(source)) > LENGTH:
                return person
            self._people[key] = person
            _trim(self._people)
        else:
            self._people.move_to_end(key)
        person.nick, person.userhost = nick, userhost[:LENGTH] or person.userhost
        return person

    def account_of(self, person: Person, tags: Mapping[str, str | None]) -> str:
        """Return the account of `person`, who sends a line with `tags` now; empty if unknown.

        A server that has not granted account-tag may pass on what anybody claims.
        """
        if "account-tag" in self._enabled:
            return _account(tags.get("account"))
        followed = self._enabled >= FOLLOWED and self.is_followed(person)
        return person.account if followed else ""

    def spoke(self, message_id: str, person: Person, msgid: str | None) -> None:
        """Remember who said a message."""
        self._said[message_id] = Said(person, (msgid or "")[:LENGTH])
        _trim(self._said)

    def own(self, msgid: str) -> None:
        """Remember a message of the bot's own."""
        self._own[msgid[:LENGTH]] = None
        _trim(self._own)

    def is_own(self, msgid: str) -> bool:
        """Whether the message was the bot's own."""
        return msgid[:LENGTH] in self._own

    def left(self, channel: str) -> None:
        """Note that we do not see any more what happens in `channel`."""
        for person in self._people.values():
            self._out(person, channel)

    def _into(self, person: Person, channel: str) -> None:
        if len(person.channels) < CHANNELS and len(channel) <= LENGTH:
            person.channels.add(self._fold(channel))

    def _out(self, person: Person, channel: str) -> None:
        person.channels.discard(self._fold(channel))
        if not person.channels:
            person.account = ""  # nobody tells us of changes now

    def _on_join(self, event: Event) -> None:
        person = self.seen(event.source)
        self._into(person, event.target)
        if len(event.arguments) > 1:
            person.account = _account(event.arguments[0])

    def _on_part(self, event: Event) -> None:
        if (person := self.find(event.source.nick)) is not None:
            self._out(person, event.target)

    def _on_kick(self, event: Event) -> None:
        person = self.find(event.arguments[0]) if event.arguments else None
        if person is not None:
            self._out(person, event.target)

    def _on_quit(self, event: Event) -> None:
        person = self._people.pop(self._fold(event.source.nick), None)
        if person is not None:
            person.here = False
            person.account = ""

    def _on_nick(self, event: Event) -> None:
        person = self._people.pop(self._fold(event.source.nick), None)
        if person is not None:
            person.nick = str(event.target)[:LENGTH]
            self._people[self._fold(person.nick)] = person

    def _on_account(self, event: Event) -> None:
        self.seen(event.source).account = _account(event.target)

    def _on_new_host(self, event: Event) -> None:
        if event.arguments:
            self.seen(event.source).userhost = f"{event.target}@{event.arguments[0]}"[:LENGTH]

    def _on_who(self, event: Event) -> None:
        if len(event.arguments) != 6 or event.arguments[0] != TOKEN:
            return
        _, channel, user, host, nick, account = event.arguments
        person = self.seen(f"{nick}!{user}@{host}")
        self._into(person, channel)
        person.account = "" if account == "0" else _account(account)


def _of_somebody(handler: Callable[[Event], None]) -> Callable[[Event], None]:
    return lambda event: handler(event) if event.source else None


def _account(given: object) -> str:
    return "" if given in ("*", None) or len(str(given)) > LENGTH else str(given)


def _trim(table: OrderedDict[str, Any]) -> None:
    if len(table) > MOST:
        table.popitem(last=False)
