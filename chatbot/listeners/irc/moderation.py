"""Acting on a channel: kicks, bans and mutes, and what the server answers to them.

The rule that it guards: an action is tried once, and what the server answers is said in the log
with its remedy; nothing is repeated because it was refused.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from irc.client import Event

from chatbot.listeners.irc.modes import Abilities, Mode, change
from chatbot.listeners.irc.people import People
from chatbot.listeners.irc.receipts import Receipts
from chatbot.listeners.irc.sentences import Sentence, Sentences
from chatbot.listeners.irc.text import heard, is_target, lines
from chatbot.listeners.irc.wire import Wire
from chatbot.messages import Action, Outcome

log = logging.getLogger(__name__)

REASON = 200
"""Bytes of a reason that every server shows."""

_REFUSALS = {
    "chanoprivsneeded": "the bot is no channel operator: give it +o there",
    "notonchannel": "the bot is not there",
    "nosuchchannel": "there is no such channel",
    "nosuchnick": "they have left the network",
    "usernotinchannel": "they are not in the channel",
    "banlistfull": "the channel's list of bans is full: take some off",
    "unknownmode": "the server does not know the mode",
    "noprivileges": "the server does not allow it",
    "cantkillserver": "the server protects them",
    "unknowncommand": "the server does not know the command",
    "uniqopprivsneeded": "the server allows it to the channel's owner alone",
    "toolong": "the names are longer than a line may be",
    "696": "the server does not accept the mask",
}
_GONE = ("nosuchnick", "usernotinchannel")
_USERHOST = re.compile(r"(?P<nick>[^\s=*]+)\*?=[+-](?P<userhost>\S+)")


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an action is about: `nick` is empty where they are not there now."""

    who: str
    nick: str
    userhost: str
    account: str


class Moderator:
    """Performs actions on one connection. `turn` waits until a line may leave."""

    def __init__(
        self,
        network: str,
        *,
        wire: Wire,
        people: People,
        receipts: Receipts,
        sentences: Sentences,
        turn: Callable[[], Awaitable[bool]],
        is_channel: Callable[[str], bool],
        own: Callable[[], str],
        retry: float,
    ) -> None:
        self._network = network
        self._wire = wire
        self._people = people
        self._receipts = receipts
        self._sentences = sentences
        self._turn = turn
        self._is_channel = is_channel
        self._own = own
        self._retry = retry
        self._busy = asyncio.Lock()
        self._refusals: list[str] = []
        self._answers: list[str] = []
        self._excuse = ""
        """Why the last action could not be done."""

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Return what to call for which event."""
        found = dict.fromkeys(_REFUSALS, self._on_refusal)
        answers = dict.fromkeys(("userhost", "channelmodeis", "namreply"), self._on_answer)
        return {**found, **answers}

    async def perform(self, outcome: Outcome, action: Action) -> str | None:
        """Do `action`; return why it cannot be done, empty if it was.

        `None` if the connection was lost before the server had dealt with it.
        """
        if action.kind in ("react", "delete"):
            log.warning("dropped `%s` on %s: IRC has no such thing", action.kind, self._network)
            return ""
        async with self._busy:
            self._excuse = ""
            return self._excuse if await self._done(outcome, action) else None

    async def _done(self, outcome: Outcome, action: Action) -> bool:
        """Do `action`; false if the connection was lost before the server had dealt with it."""
        if action.kind not in _ACTIONS or not self._is_channel(outcome.room):
            why = "only kicks, bans and mutes in a channel are"
            return self._cannot(action.kind, outcome.room, why)
        target = await self._target(outcome, action)
        if target is None or self._wire.lost.is_set():
            return target is None
        return await _ACTIONS[action.kind](self, outcome.room, target, action)

    async def end_sentences(self, is_open: Callable[[str], bool]) -> None:
        """Take back for ever what was set for a time, once that is over."""
        while True:
            self._sentences.changed.clear()
            for sentence in self._sentences.due():
                if is_open(sentence.room):
                    async with self._busy:
                        await self._end(sentence)
            try:
                async with asyncio.timeout(self._wait()):
                    await self._sentences.changed.wait()
            except TimeoutError:
                continue

    def _wait(self) -> float | None:
        seconds = self._sentences.next_due()
        # One that is due waits for the channel.
        return seconds or self._retry if seconds is not None else None

    async def _kick(self, room: str, target: Target, action: Action) -> bool:
        if not target.nick:
            log.info("did not kick in %s on %s: they have left", room, self._network)
            return True
        return await self._do(action.kind, room, f"KICK {room} {target.nick} :{_reason(action)}")

    async def _ban(self, room: str, target: Target, action: Action) -> bool:
        modes = self._abilities().bans(target.userhost, target.account)
        if not modes:
            return self._cannot(
                "ban", room, "their host is not known, or it is the bot's: ban them by hand"
            )
        kick = [f"KICK {room} {target.nick} :{_reason(action)}"] if target.nick else []
        return await self._sentence("ban", room, target, modes, action, *kick)

    async def _mute(self, room: str, target: Target, action: Action) -> bool:
        abilities = self._abilities()
        if not abilities.has_quiets():
            return await self._unvoice(room, target, action)
        modes = abilities.quiets(target.userhost, target.account)
        if not modes:
            return self._cannot(
                "mute", room, "their host is not known, or it is the bot's: mute them by hand"
            )
        return await self._sentence("mute", room, target, modes, action)

    async def _unvoice(self, room: str, target: Target, action: Action) -> bool:
        """Mute where there is nothing for it but a moderated channel."""
        words = " ".join(await self._ask(f"MODE {room}")).split()
        if "m" not in "".join(words[1:2]):
            reason = "the server has no mode for it: make the channel moderated (+m)"
            return self._cannot("mute", room, reason)
        names = " ".join(await self._ask(f"NAMES {room}")).split()
        if not any(self._is(name, target) and "+" in name[:-1] for name in names):
            log.info("muted nobody in %s on %s: they have no voice", room, self._network)
            return True
        return await self._sentence("mute", room, target, [Mode("-", "v", target.nick)], action)

    async def _lift(self, room: str, target: Target, action: Action) -> bool:
        """Take back a ban or a mute, that which we know of and that which we would set."""
        kind = action.kind.removeprefix("un")
        known = self._sentences.find(kind, self._wire.fold(room), target.who)
        if known is not None:
            modes = [Mode(*each) for each in known.undo]
        else:
            abilities = self._abilities()
            make = abilities.bans if kind == "ban" else abilities.quiets
            modes = [mode.undone for mode in make(target.userhost, target.account)]
        if not modes:
            return self._cannot(action.kind, room, "their host is not known: do it by hand")
        done = await self._do(action.kind, room, change(room, modes))
        if done and known is not None and not self._refusals:
            await self._sentences.remove(known)
        return done

    async def _sentence(
        self, kind: str, room: str, target: Target, modes: list[Mode], action: Action, *more: str
    ) -> bool:
        undone = [mode.undone for mode in modes]
        undo = [(mode.sign, mode.letter, mode.argument) for mode in undone]
        until = time.time() + action.seconds if action.seconds else 0.0
        sentence = Sentence(kind, self._wire.fold(room), target.who, undo, until)
        # Stored first: whoever dies now, it is taken back in time.
        await self._sentences.add(sentence)
        done = await self._do(kind, room, change(room, modes), *more)
        if done and "chanoprivsneeded" in self._refusals:
            await self._sentences.remove(sentence)
        return done

    async def _end(self, sentence: Sentence) -> None:
        modes = [Mode(*each) for each in sentence.undo]
        if not await self._send(change(sentence.room, modes)):
            return
        if not self._refusals or set(self._refusals) <= set(_GONE):
            log.info("ended a %s in %s on %s", sentence.kind, sentence.room, self._network)
            await self._sentences.remove(sentence)
            return
        self._cannot(f"end a {sentence.kind}", sentence.room, _REFUSALS[self._refusals[0]])
        if not self._sentences.failed(sentence, self._retry):
            self._cannot(f"end a {sentence.kind}", sentence.room, "gave up: do it by hand")
            await self._sentences.remove(sentence)

    async def _do(self, kind: str, room: str, *some: str) -> bool:
        """Send lines; return whether the server has dealt with them. Refusals are logged."""
        if not await self._send(*some):
            return False
        for refusal in dict.fromkeys(self._refusals):
            if refusal in _GONE:
                log.info("%s in %s on %s: %s", kind, room, self._network, _REFUSALS[refusal])
            else:
                self._cannot(kind, room, _REFUSALS[refusal])
        if not self._refusals:
            log.info("did a %s in %s on %s", kind, room, self._network)
        return True

    async def _send(self, *some: str) -> bool:
        self._refusals.clear()
        self._answers.clear()
        for line in some:
            if not await self._turn():
                return False
            try:
                self._wire.send_raw(line)
            except ValueError:  # names that the server made up
                self._refusals.append("toolong")
        self._receipts.forget_label()
        return await self._receipts.receipt()

    async def _ask(self, line: str) -> list[str]:
        return list(self._answers) if await self._send(line) else []

    async def _target(self, outcome: Outcome, action: Action) -> Target | None:
        to = action.to or outcome.sender
        if (
            not is_target(to)
            or self._is_channel(to)
            or self._wire.is_me(to)
            or set(to) & set("!@*?")
        ):
            self._cannot(action.kind, outcome.room, "it is about nobody there, or the bot itself")
            return None
        said = self._people.author(outcome.id) if to == outcome.sender else None
        person = said.person if said is not None else self._people.find(to)
        who = self._wire.fold(to)
        if person is not None and self._people.is_followed(person):
            return Target(who, person.nick, person.userhost, person.account)
        nick = person.nick if person is not None else to
        found = self._userhost(await self._ask(f"USERHOST {nick}"), nick)
        known = person.userhost if person is not None else ""
        if known and found != known:
            return Target(who, "", known, "")  # another has the nick now, or nobody
        return Target(who, nick if found else "", found, "")

    def _userhost(self, answers: list[str], nick: str) -> str:
        for match in _USERHOST.finditer(" ".join(answers)):
            if self._wire.same(match["nick"], nick):
                return match["userhost"]
        return ""

    def _is(self, shown: str, target: Target) -> bool:
        return bool(target.nick) and self._wire.same(shown.lstrip("~&@%+"), target.nick)

    def _abilities(self) -> Abilities:
        return Abilities.of(self._wire.features, self._own())

    def _cannot(self, what: str, room: str, why: str) -> bool:
        log.warning("cannot %s in %s on %s: %s", what, heard(room)[:100], self._network, why)
        self._excuse = self._excuse or why
        return True

    def _on_refusal(self, event: Event) -> None:
        if self._busy.locked():
            self._refusals = [*self._refusals, str(event.type)][-8:]

    def _on_answer(self, event: Event) -> None:
        if self._busy.locked() and len(self._answers) < 256:
            self._answers.append(" ".join(event.arguments))


def _reason(action: Action) -> str:
    return next(iter(lines(" ".join(action.text.split()), limit=REASON, most=1)), "")


_ACTIONS = {
    "kick": Moderator._kick,
    "ban": Moderator._ban,
    "unban": Moderator._lift,
    "mute": Moderator._mute,
    "unmute": Moderator._lift,
}
