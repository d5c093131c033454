"""What is known about the rooms that we are in, from their state as syncs tell it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chatbot.listeners.matrix import text
from chatbot.listeners.matrix.events import is_user, mapping, sequence, string

_PROJECT = re.compile(r"[\w.-]+(?:/[\w.-]+)+", re.ASCII)
NAMES = 4096
"""Display names that are remembered in a room."""
STATE = (
    "m.room.member",
    "m.room.encryption",
    "m.room.power_levels",
    "m.room.create",
    "im.gitter.project_association",
)


@dataclass(slots=True)
class Room:
    """One room. `members` counts those in it, and is 0 while that is not known."""

    id: str
    members: int = 0
    direct: bool = False
    encrypted: bool = False
    repository: str = ""
    names: dict[str, str] = field(default_factory=dict)

    @property
    def private(self) -> bool:
        """Whether nobody else is there but one person."""
        return self.direct or self.members == 2

    def name(self, user: str) -> str:
        """Return what people call somebody here: never empty, always one line."""
        return self.names.get(user) or text.name(text.localpart(user)) or "?"

    def take(self, event: Mapping[str, Any]) -> None:
        """Learn from an event of the room's state."""
        content, key = mapping(event.get("content")), event.get("state_key")
        match event.get("type"), key:
            case "m.room.member", str() if is_user(key):
                self._take_member(key, content)
            case "m.room.encryption", "":
                self.encrypted = True
            case "im.gitter.project_association", "":
                self.repository = _repository(content)

    def _take_member(self, user: str, content: Mapping[str, Any]) -> None:
        self.names.pop(user, None)
        shown = text.name(string(content.get("displayname")))
        if shown:
            self.names[user] = shown
        if len(self.names) > NAMES:
            del self.names[next(iter(self.names))]


class Rooms:
    """The rooms that `user` is in."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.own_name = ""
        self._rooms: dict[str, Room] = {}
        self._direct: frozenset[str] = frozenset()

    def __contains__(self, room_id: str) -> bool:
        return room_id in self._rooms

    def get(self, room_id: str) -> Room:
        """Return what is known of a room, which may be nothing."""
        return self._rooms.get(room_id) or Room(room_id, direct=room_id in self._direct)

    def nick(self, room: Room) -> str:
        """Return what the bot is called in `room`."""
        return room.names.get(self.user) or self.own_name or room.name(self.user)

    def names_of_ours(self, room: Room) -> frozenset[str]:
        """Return all that the bot may be called by in `room`."""
        local = text.localpart(self.user)
        return frozenset({self.nick(room), self.own_name, local, self.user, self.user[1:]} - {""})

    def take_joined(self, room_id: str, section: Mapping[str, Any]) -> Room:
        """Learn from a sync's section on a room that we are in."""
        room = self._rooms.setdefault(room_id, Room(room_id, direct=room_id in self._direct))
        count = mapping(section.get("summary")).get("m.joined_member_count")
        if isinstance(count, int) and not isinstance(count, bool):
            room.members = count
        for event in events_of(section, "state"):
            room.take(event)
        return room

    def leave(self, room_id: str) -> None:
        """Forget a room that we are not in any more."""
        self._rooms.pop(room_id, None)

    def take_account(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Learn which rooms the account's owner calls direct chats."""
        for event in events:
            if event.get("type") == "m.direct":
                lists = mapping(event.get("content")).values()
                named = [room for each in lists for room in sequence(each)[:1000]]
                self._direct = frozenset(room for room in named if isinstance(room, str))
        for room in self._rooms.values():
            room.direct = room.id in self._direct


def events_of(section: Mapping[str, Any], part: str) -> list[Mapping[str, Any]]:
    """Return the events in a part of a sync's section; what is none is left out."""
    found = sequence(mapping(section.get(part)).get("events"))
    return [each for each in found if isinstance(each, dict)]


def _repository(content: Mapping[str, Any]) -> str:
    """Return `org/name` of a Gitter room's project."""
    path = string(content.get("linkPath"))
    return path if len(path) <= 200 and _PROJECT.fullmatch(path) else ""
