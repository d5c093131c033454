"""What the server says, as records; pure.

The rule that it guards: whatever the JSON holds becomes a record with safe values, or nothing;
no other module reads a field by its name.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LONGEST_TEXT = 16_384
LONGEST_NAME = 128
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class User:
    """A person, or a bot: nothing says which."""

    id: str
    username: str
    name: str


@dataclass(frozen=True, slots=True)
class Room:
    """A room; `name` is its address (org/room), of a one-to-one room the other's username."""

    id: str
    name: str
    private: bool
    repository: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message. Ids are in the order of time, to the second."""

    id: str
    sender: User
    text: str
    sent: datetime
    edited: bool
    is_action: bool
    thread: str
    mentioned: frozenset[str]
    """The ids and the names, in small letters, of the people in it."""


@dataclass(frozen=True, slots=True)
class Page:
    """Messages in their order; `keys` are the ids of those, too, that are not understood.

    `count` is how many there were, whatever they are.
    """

    messages: list[Message]
    keys: list[str]
    count: int


@dataclass(frozen=True, slots=True)
class Event:
    """What a stream says: `operation` is create, update or remove."""

    operation: str
    id: str
    message: Message | None


def load(content: bytes) -> Any:
    """Return the JSON in `content`; raises `ValueError`."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None


def user(value: Any) -> User | None:
    """Return the user that `value` is, if it is one."""
    found = _map(value)
    name = _word(found.get("username"))
    if not name or not (key := _id(found.get("id"))):
        return None
    return User(key, name, _word(found.get("displayName")) or name)


def room(value: Any) -> Room | None:
    """Return the room that `value` is, if it is one."""
    found = _map(value)
    private = found.get("oneToOne") is True
    other = user(found.get("user"))
    name = (other.username if other else "") if private else _word(found.get("uri"))
    if not name or not (key := _id(found.get("id"))):
        return None
    kind = found.get("githubType")
    of_repository = isinstance(kind, str) and kind.startswith("REPO")
    return Room(key, name, private, "/".join(name.split("/")[:2]) if of_repository else "")


def page(value: list[Any]) -> Page:
    """Return the messages in a list, without what is none."""
    keys = [key for each in value if (key := _id(_map(each).get("id")))]
    found = [known for each in value if (known := message(each)) is not None]
    return Page(found, keys, len(value))


def message(value: Any) -> Message | None:
    """Return the message that `value` is, if it is one. Those of deleted people are none."""
    found = _map(value)
    sender = user(found.get("fromUser"))
    text = found.get("text")
    sent = found.get("sent")
    if sender is None or not isinstance(text, str) or not (key := _id(found.get("id"))):
        return None
    return Message(
        id=key,
        sender=sender,
        text=clean(text),
        sent=_instant(sent, key),
        edited=bool(found.get("editedAt")),
        is_action=found.get("status") is True,
        thread=_id(found.get("parentId")),
        mentioned=frozenset(_mentioned(found.get("mentions"))),
    )


def event(value: Any) -> Event | None:
    """Return what an object of a stream says: a message as such, or with its operation."""
    found = _map(value)
    operation = found.get("operation")
    model = found.get("model") if isinstance(operation, str) else found
    key = _id(_map(model).get("id"))
    if not key:
        return None
    if not isinstance(operation, str):
        said = message(model)
        operation = "update" if said is not None and said.edited else "create"
        return Event(operation, key, said)
    return Event(operation, key, message(model))


def clean(text: str) -> str:
    """Return what somebody wrote: its lines as they are, without other control characters."""
    lines = text[:LONGEST_TEXT].replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(" ", lines).encode("utf-8", "replace").decode().strip()


def floor(object_id: str, seconds: float) -> str:
    """Return the least id of `seconds` before `object_id`, where that tells its time."""
    if not _OBJECT_ID.fullmatch(object_id):
        return object_id
    return id_at(max(0.0, int(object_id[:8], 16) - seconds))


def id_at(instant: float) -> str:
    """Return the least id of an instant, in seconds since 1970."""
    return f"{int(instant) & 0xFFFFFFFF:08x}{'0' * 16}"


def instant_of(object_id: str) -> float | None:
    """Return when something got its id, in seconds since 1970, where the id tells."""
    return float(int(object_id[:8], 16)) if _OBJECT_ID.fullmatch(object_id) else None


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _id(value: Any) -> str:
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _word(value: Any) -> str:
    """Return a name as one line without control or invisible characters."""
    if not isinstance(value, str):
        return ""
    kept = (" " if c.isspace() else c for c in value[: 4 * LONGEST_NAME])
    shown = "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
    return " ".join(shown.split())[:LONGEST_NAME]


def _instant(value: Any, key: str) -> datetime:
    try:
        sent = datetime.fromisoformat(value)
        return sent.astimezone(UTC) if sent.tzinfo else sent.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        created = instant_of(key)
        return datetime.now(UTC) if created is None else datetime.fromtimestamp(created, UTC)


def _mentioned(value: Any) -> Iterable[str]:
    for each in map(_map, value if isinstance(value, list) else ()):
        if each.get("group") is not True:
            yield from (
                v.casefold()
                for v in (each.get("userId"), each.get("screenName"))
                if isinstance(v, str) and v
            )
