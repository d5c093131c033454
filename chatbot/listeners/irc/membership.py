"""Being in the channels: joining, and joining again after a kick, with limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice

from irc.client import Event

from chatbot.listeners.irc.channels import Channels, Standing
from chatbot.listeners.irc.commands import Commands
from chatbot.listeners.irc.people import FIELDS, TOKEN, People
from chatbot.listeners.irc.settings import Timing
from chatbot.listeners.irc.text import is_channel, is_target
from chatbot.listeners.irc.wire import Wire

log = logging.getLogger(__name__)

ACCOUNT = "account:"
"""What a mask begins with that stands for a services account."""

_AT_ONCE = 8
"""Channels in one JOIN; some servers take no more of a list (TARGMAX)."""

_CANNOT_JOIN = (
    "nosuchchannel",
    "toomanychannels",
    "channelisfull",
    "inviteonlychan",
    "bannedfromchan",
    "badchannelkey",
    "badchanmask",
    "nochanmodes",  # 477, which is "register first" on today's servers
)


class Membership:
    """The channels of one connection. `changed` is called when a channel's standing has,
    `undelivered` with a channel that did not take what was said there.

    `prefix` is our `nick!user@host` as the others see it, once a JOIN has shown it.
    """

    def __init__(
        self,
        network: str,
        channels: Iterable[str],
        timing: Timing,
        *,
        invites: bool | tuple[str, ...],
        wire: Wire,
        commands: Commands,
        people: People,
        changed: Callable[[], None],
        undelivered: Callable[[str], None],
    ) -> None:
        self.prefix: str | None = None
        self._network = network
        self._wire = wire
        self._commands = commands
        self._people = people
        self._invites = invites
        self._has_whox = False
        self._changed = changed
        self._undelivered = undelivered
        self._channels = Channels(channels, timing, wire.fold)
        self._loop = asyncio.get_running_loop()
        self._left = asyncio.Event()

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event."""
        return {
            "join": self._on_join,
            "part": self._on_part,
            "kick": self._on_kick,
            "invite": self._on_invite,
            "cannotsendtochan": self._on_cannot_speak,
            "chghost": self._on_own_host,
            "featurelist": self._on_features,
            "396": self._on_new_host,
            **dict.fromkeys(_CANNOT_JOIN, self._on_cannot_join),
        }

    def is_channel(self, name: str) -> bool:
        """Whether `name` is a channel, by what channels begin with on this server."""
        return is_channel(name, self._wire.channel_prefixes)

    def spelling(self, name: str) -> str:
        """Return the channel `name` as the settings spell it."""
        channel = self._channels.find(name)
        return channel.name if channel else name

    def standing(self, room: str) -> Standing:
        """Return whether something can be said in `room`, a channel or a person."""
        if not is_target(room):
            return Standing.CLOSED
        return self._channels.standing(room) if self.is_channel(room) else Standing.OPEN

    async def run(self) -> None:
        """Join what there is to join, for ever."""
        while True:
            self._left.clear()
            for names in _chunks(self._due()):
                self._commands.put(f"JOIN {names}")
            try:
                async with asyncio.timeout_at(self._channels.next_due()):
                    await self._left.wait()
            except TimeoutError:
                continue

    def _due(self) -> Iterator[str]:
        for channel in self._channels.due(self._loop.time()):
            if self._channels.given_up(channel):
                log.warning("gave up on %s on %s", channel.name, self._network)
                self._changed()
            else:
                yield channel.name

    def _on_join(self, event: Event) -> None:
        if not event.source or not self._wire.is_me(event.source.nick):
            return
        if event.source.userhost:
            self.prefix = str(event.source)
        self._channels.joined(event.target, self._loop.time())
        log.info("joined %s on %s", event.target, self._network)
        if self._has_whox and self._people.must_ask:
            self._commands.put(f"WHO {event.target} {FIELDS},{TOKEN}")
        self._changed()

    def _on_part(self, event: Event) -> None:
        if event.source and self._wire.is_me(event.source.nick):
            self._leave(event.target, "left")

    def _on_kick(self, event: Event) -> None:
        if event.arguments and self._wire.is_me(event.arguments[0]):
            self._leave(event.target, "kicked from")

    def _on_invite(self, event: Event) -> None:
        # With invite-notify or to channel operators, others' invitations are told as well.
        if not event.arguments or not event.source or not self._wire.is_me(str(event.target)):
            return
        name = str(event.arguments[0])
        if self._channels.invited(name):
            self._left.set()
        elif self._is_new(name) and self._may(event):
            log.info("invited to %s on %s", name, self._network)
            self._commands.put(f"JOIN {name}")

    def _is_new(self, name: str) -> bool:
        is_strange = self.is_channel(name) and self._channels.find(name) is None
        return is_strange and self._channels.has_room

    def _may(self, event: Event) -> bool:
        """Whether who invites us may; by mask, or by what the network knows them as."""
        if isinstance(self._invites, bool):
            return self._invites
        tags = {tag["key"]: tag["value"] for tag in event.tags or ()}
        account = self._people.account_of(self._people.seen(event.source), tags)
        source = self._wire.fold(str(event.source))
        return any(
            bool(account) and account == mask.removeprefix(ACCOUNT)
            if mask.startswith(ACCOUNT)
            else fnmatchcase(source, self._wire.fold(mask).replace("[", "[[]"))
            for mask in self._invites
        )

    def _on_cannot_join(self, event: Event) -> None:
        name = str(event.arguments[0]) if event.arguments else ""
        channel = self._channels.find(name)
        if channel is not None and not channel.joined:
            log.warning("refused at %s on %s: %s", name, self._network, event.type)

    def _on_cannot_speak(self, event: Event) -> None:
        name = str(event.arguments[0]) if event.arguments else ""
        log.warning("refused a line in %s on %s", name, self._network)
        self._undelivered(self.spelling(name))

    def _on_new_host(self, _: Event) -> None:
        self.prefix = None

    def _on_own_host(self, event: Event) -> None:
        if event.source and self._wire.is_me(event.source.nick) and event.arguments:
            self.prefix = f"{event.source.nick}!{event.target}@{event.arguments[0]}"

    def _on_features(self, event: Event) -> None:
        # The library drops features that have no value.
        if any(each.partition("=")[0] == "WHOX" for each in event.arguments):
            self._has_whox = True

    def _leave(self, name: str, how: str) -> None:
        channel = self._channels.left(name, self._loop.time())
        if channel is not None:
            self._people.left(name)
            log.info("%s %s on %s", how, name, self._network)
            self._left.set()


def _chunks(names: Iterable[str]) -> Iterator[str]:
    rest = iter(names)
    while some := list(islice(rest, _AT_ONCE)):
        joined = ",".join(some)
        if len(joined.encode(errors="replace")) <= 400:
            yield joined
        else:
            yield from some
