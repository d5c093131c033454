"""The terminal of `chatbot flow dev`: a console where anybody may speak, anywhere, and time comes.

A line such as `/room #dev` is said to the program, not to the bot; its words are those of a
flow's tests. The rule that it guards: what is said here is heard by the flow as its network would
have it heard: in a room the bot is meant only by its name, and a right is somebody's who has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
from rich.text import Text

from chatbot.commands.listening import terms
from chatbot.flowfile.flow import Flow, ListenerSection
from chatbot.flowfile.problems import suggest
from chatbot.listeners.bridge import Listener
from chatbot.listeners.console import ROOM, ConsoleListener, ConsoleSettings
from chatbot.listeners.irc.names import is_addressed
from chatbot.messages import ChatMessage
from chatbot.orchestrator.timetable import KIND
from chatbot.policy import OPERATOR
from chatbot.schedule import Schedule

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer

_ASIDE = re.compile(r"/([a-z]+)(?:\s+(.*))?", re.DOTALL)

ASIDES = {
    "help": ("", "say this"),
    "due": ("[SCHEDULE]", "have a schedule due now, in this room; alone: which there are"),
    "by": ("[NICK [TEXT]]", "be somebody else, or only for TEXT; alone: yourself again"),
    "room": ("[ROOM [TEXT]]", "be in a room, or only for TEXT, where the bot is meant by its name"),
    "roles": ("[ROLE...]", "have these roles, whatever you say; alone: as it was"),
    "me": ("TEXT", "do something (/me waves)"),
}
"""What the terminal can be told: arguments, and what they do."""

_ALSO = {"as": "by", "nick": "by", "in": "room", "join": "room", "schedule": "due", "role": "roles"}
"""What people guess, and what it is called."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks, and where; by default who sits here, with the bot alone."""

    by: str = ""
    room: str = ""
    roles: tuple[str, ...] = ()
    kind: str = "message"


class Rehearsal:
    """A flow that is tried out: which revision of it runs, and the terminal it is tried at."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def take_up(self, flow: Flow) -> None:
        """Know that another revision runs."""
        self.flow = flow

    def desk(self, section: ListenerSection) -> Listener:
        """Return the terminal that the flow's section of the console says."""
        network, own = terms(section, Desk)
        return Desk(network, own, lambda: self.flow)


class Desk(ConsoleListener):
    """The console of who writes a flow. `flow` returns what runs now."""

    hint = f"{ConsoleListener.hint} /help: who speaks and where, and what is due."
    one_by_one = True

    def __init__(self, network: str, own: ConsoleSettings, flow: Callable[[], Flow]) -> None:
        # Nobody else is there, and nothing of it reaches anybody: on a pipe, too.
        roles = OPERATOR if own.roles is None else own.roles
        super().__init__(network, replace(own, roles=roles))
        self._flow = flow
        self._voice = Voice()

    def message_of(self, text: str) -> ChatMessage | None:
        return self._said(text, self._voice)

    def prompt(self) -> str:
        where = f" in {self._voice.room}" if self._voice.room else ""
        return f"{self._voice.by or 'you'}{where}:"

    def completer(self) -> Completer:
        from chatbot.commands.completing import Asides

        return Asides(ASIDES, lambda: [each.name for each in self._flow().schedules])

    def _said(self, text: str, voice: Voice) -> ChatMessage | None:
        """Return the message that a line is, said by `voice`; `None` where it was for us."""
        aside = _ASIDE.fullmatch(text)
        if aside is None:
            return self._spoken(text.removeprefix("/") if text.startswith("//") else text, voice)
        name, rest = _ALSO.get(aside[1], aside[1]), (aside[2] or "").strip()
        if name == "help":
            self._tell(*_help())
        elif name == "due":
            return self._due(rest, voice)
        elif name == "me" and rest:
            return self._said(rest, replace(voice, kind="action"))
        elif name == "by":
            return self._as(rest, voice, lambda nick: replace(voice, by=nick))
        elif name == "room":
            return self._as(rest, voice, lambda room: replace(voice, room=room))
        elif name == "roles":
            self._change(replace(voice, roles=tuple(rest.replace(",", " ").split())))
        elif name in ASIDES:
            self._tell(f"/{name} {ASIDES[name][0]}: {ASIDES[name][1]}")
        else:
            near = suggest(f"/{name}", [f"/{each}" for each in ASIDES])
            hint = near if near.startswith("did") else "/help lists what there is"
            self._tell(f"there is no /{name}: {hint}; // says what begins with a /")
        return None

    def _as(self, rest: str, voice: Voice, changed: Callable[[str], Voice]) -> ChatMessage | None:
        """Change the voice, or say what stands behind the name in another."""
        name, _, text = rest.partition(" ")
        if text.strip():
            return self._said(text.strip(), changed(name))
        self._change(changed(name))
        return None

    def _change(self, voice: Voice) -> None:
        self._voice = voice
        where = f"in {voice.room}" if voice.room else "with the bot alone"
        roles = f", with the roles {', '.join(voice.roles)}" if voice.roles else ""
        self._tell(f"{voice.by or 'you'}, {where}{roles}")

    def _spoken(self, text: str, voice: Voice) -> ChatMessage | None:
        message = super().message_of(text)
        assert message is not None  # of a console, each line is said
        changes: dict[str, object] = {"kind": voice.kind}
        if voice.by:  # a nick is no account, and gives no rights
            changes |= {"sender": voice.by, "account": "", "roles": ()}
        if voice.roles:
            changes["roles"] = voice.roles
        if voice.room:
            addressed = is_addressed(text, message.nick, "ascii")
            changes |= {"room": voice.room, "private": False, "addressed": addressed}
        return msgspec.structs.replace(message, **changes)

    def _due(self, name: str, voice: Voice) -> ChatMessage | None:
        schedules = {each.name: each for each in self._flow().schedules}
        if name in schedules:
            return self._due_now(schedules[name], voice.room or ROOM)
        if not schedules:
            self._tell("the flow has no schedules")
        elif name:
            hint = suggest(name, schedules, what="there are")
            self._tell(f"there is no schedule {name}: {hint}")
        else:
            self._tell(*_listed(schedules.values()))
        return None

    def _due_now(self, schedule: Schedule, room: str) -> ChatMessage:
        """Return what stands for a due time that is now."""
        now = datetime.now(UTC)
        return ChatMessage(
            id=self.next_id(),
            network=self.network,
            room=room,
            sender="",
            text=now.astimezone(ZoneInfo(schedule.zone)).isoformat(timespec="minutes"),
            time=now,
            kind=KIND,
            schedule=schedule.name,
        )

    def _tell(self, *lines: str) -> None:
        for line in lines:
            self._console.print(Text(f"  {line}", style="dim"))


def _help() -> Iterator[str]:
    usages = {name: f"/{name} {arguments}".strip() for name, (arguments, _) in ASIDES.items()}
    width = max(map(len, usages.values()))
    for name, (_, what) in ASIDES.items():
        yield f"{usages[name].ljust(width)}  {what}"


def _listed(schedules: Iterable[Schedule]) -> Iterator[str]:
    for each in schedules:
        due = each.following(datetime.now(UTC))
        when = f"{due.astimezone(ZoneInfo(each.zone)):%a %Y-%m-%d %H:%M}" if due else "never"
        rooms = ", ".join(f"{network}/{room}" for network, room in each.rooms)
        yield f"/due {each.name}  (by itself: {when} {each.zone}, in {rooms or 'no room'})"
