"""What an event of a room means to us. Pure: it takes whatever JSON a server may send.

The rule that it guards: an edit is not a new message, and neither a notice nor anything that
is not understood is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from chatbot.listeners.matrix import text

KINDS = {"m.text": "message", "m.emote": "action"}
KEY = 200
"""Characters of a reaction that are kept; most are one emoji."""
_EVENT_ID = re.compile(r"\$[^\s\x00-\x1f\x7f]{1,254}")
_USER_ID = re.compile(r"@[^\s:\x00-\x1f\x7f]*:[^\s\x00-\x1f\x7f]+")
_PILL = re.compile(r"https://matrix\.to/#/(@[^\"'<>\s?]{1,400}|%40[^\"'<>\s?]{1,400})")


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody said something.

    `mentions` are the ids of those whom it calls; `declared` says that the sender's client
    makes them known, so that whom it does not name it does not call.
    """

    id: str
    sender: str
    time: datetime
    text: str
    kind: str = "message"
    reply_to: str = ""
    thread: str = ""
    mentions: frozenset[str] = frozenset()
    declared: bool = False


@dataclass(frozen=True, slots=True)
class Reacted:
    """Somebody put `key` on the event `about`."""

    id: str
    sender: str
    time: datetime
    key: str
    about: str


@dataclass(frozen=True, slots=True)
class Redacted:
    """The event `about` was taken back."""

    id: str
    sender: str
    time: datetime
    about: str


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Something that only those with the room's key can read."""

    id: str
    sender: str
    time: datetime


Event = Said | Reacted | Redacted | Encrypted


def decoded(given: object) -> Event | None:
    """Return what `given` (an event as JSON has it) means; `None` for all that is not for us."""
    event = mapping(given)
    id, sender = event.get("event_id"), event.get("sender")
    if not is_event_id(id) or not is_user(sender) or "state_key" in event:
        return None
    reader = _READERS.get(string(event.get("type")))
    return reader(event, str(id), str(sender), _time(event)) if reader else None


def mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is an object of JSON, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """Return `value` if it is an array of JSON, else an empty one."""
    return value if isinstance(value, list) else []


def string(value: object) -> str:
    """Return `value` if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def is_event_id(value: object) -> bool:
    """Whether `value` can be an event's id."""
    return isinstance(value, str) and _EVENT_ID.fullmatch(value) is not None and _is_clean(value)


def is_user(value: object) -> bool:
    """Whether `value` can be a Matrix id."""
    return (
        isinstance(value, str)
        and len(value) <= 255
        and _USER_ID.fullmatch(value) is not None
        and _is_clean(value)
    )


def _is_clean(value: str) -> bool:
    return text.spoken(value) == value


def _said(event: Mapping[str, Any], id: str, sender: str, time: datetime) -> Said | None:
    content = mapping(event.get("content"))
    kind = KINDS.get(string(content.get("msgtype")))
    relation = mapping(content.get("m.relates_to"))
    if kind is None or relation.get("rel_type") == "m.replace" or "m.new_content" in content:
        return None
    reply_to, thread = _place(relation)
    body = string(content.get("body"))[: text.LONGEST]
    said = text.heard(text.without_fallback(body) if "m.in_reply_to" in relation else body)
    if not said:
        return None
    declared = "m.mentions" in content
    return Said(id, sender, time, said, kind, reply_to, thread, _mentions(content), declared)


def _reacted(event: Mapping[str, Any], id: str, sender: str, time: datetime) -> Reacted | None:
    relation = mapping(mapping(event.get("content")).get("m.relates_to"))
    key = text.heard(string(relation.get("key"))[:KEY])
    about = relation.get("event_id")
    if relation.get("rel_type") != "m.annotation" or not key or not is_event_id(about):
        return None
    return Reacted(id, sender, time, key, str(about))


def _redacted(event: Mapping[str, Any], id: str, sender: str, time: datetime) -> Redacted | None:
    # Where it stands depends on the room's version.
    about = mapping(event.get("content")).get("redacts", event.get("redacts"))
    return Redacted(id, sender, time, str(about)) if is_event_id(about) else None


def _encrypted(event: Mapping[str, Any], id: str, sender: str, time: datetime) -> Encrypted | None:
    algorithm = mapping(event.get("content")).get("algorithm")
    return Encrypted(id, sender, time) if algorithm else None  # none is left by a redaction


def _place(relation: Mapping[str, Any]) -> tuple[str, str]:
    """Return the id of the event that is replied to, and of the thread's first."""
    reply_to = mapping(relation.get("m.in_reply_to")).get("event_id")
    thread = relation.get("event_id") if relation.get("rel_type") == "m.thread" else ""
    if thread and relation.get("is_falling_back") is True:
        reply_to = ""  # is there for clients that do not know threads
    return (
        str(reply_to) if is_event_id(reply_to) else "",
        str(thread) if is_event_id(thread) else "",
    )


def _mentions(content: Mapping[str, Any]) -> frozenset[str]:
    named = sequence(mapping(content.get("m.mentions")).get("user_ids"))[:100]
    found = {each for each in named if is_user(each)}
    for pill in _PILL.findall(string(content.get("formatted_body"))[: text.LONGEST])[:100]:
        found |= {user for user in [unquote(pill)] if is_user(user)}
    return frozenset(found)


def _time(event: Mapping[str, Any]) -> datetime:
    """Return when it was said, by the sender's server; a future time is a wrong one."""
    now = datetime.now(UTC)
    stamp = event.get("origin_server_ts")
    if not isinstance(stamp, int | float) or isinstance(stamp, bool):
        return now
    try:
        return min(now, datetime.fromtimestamp(stamp / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return now


_READERS = {
    "m.room.message": _said,
    "m.reaction": _reacted,
    "m.room.redaction": _redacted,
    "m.room.encrypted": _encrypted,
}
