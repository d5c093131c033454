"""What a flow keeps from message to message: its `state`. Pure.

The rule that it guards: a value belongs to whom it is kept for, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatbot.messages import Change, ChatMessage
from chatbot.units import DAY

CONVERSATION, PERSON, ROOM, NETWORK, FLOW = "conversation", "person", "room", "network", "flow"
SCOPES = (CONVERSATION, PERSON, ROOM, NETWORK, FLOW)
KEEP = 7 * DAY
LONGEST = 90 * DAY
MOST_ITEMS = 1000
_PLAIN = (str, int, float)


@dataclass(frozen=True, slots=True)
class Kept:
    """One value of a flow's `state`, as the file declares it; `keep` in seconds.

    It is kept `per` conversation (a person in a room), person (in all rooms of a network), room,
    network or flow, and is `start` at first.
    """

    name: str
    per: str = CONVERSATION
    start: Any = None
    keep: float = KEEP
    type: str = "any"


def owner(kept: Kept, message: ChatMessage) -> tuple[str, str, str]:
    """Return whose value `message` reads: network, room and person, each empty where all share."""
    person = message.account or message.sender
    return {
        CONVERSATION: (message.network, message.room, person),
        PERSON: (message.network, "", person),
        ROOM: (message.network, message.room, ""),
        NETWORK: (message.network, "", ""),
        FLOW: ("", "", ""),
    }[kept.per]


def changed(value: Any, start: Any, changes: list[Change]) -> Any:
    """Return what `value` becomes; whatever the changes are, it becomes something."""
    for change in changes:
        if change.how == "forget":
            value = start
        elif change.how == "add":
            value = _sum(value, change.value)
        elif change.how == "append":
            value = [*_items(value), change.value][-max(1, min(change.most, MOST_ITEMS)) :]
        elif change.how == "remove":
            value = _without(_items(value), change.value)
        else:
            value = change.value
    return value


def _without(items: list[Any], gone: Any) -> list[Any]:
    """Return the items that are not in the list `gone`; one that is a map is meant by its `id`."""
    plain = {each for each in _items(gone) if isinstance(each, _PLAIN)}
    others = [each for each in _items(gone) if not isinstance(each, _PLAIN)]
    return [each for each in items if not _is_in(each, plain, others)]


def _is_in(item: Any, plain: set[Any], others: list[Any]) -> bool:
    name = item.get("id") if isinstance(item, dict) else item
    return (isinstance(name, _PLAIN) and name in plain) or item in others


def by_name(changes: tuple[Change, ...]) -> Mapping[str, list[Change]]:
    """Return the changes of each value, in their order."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.name, []).append(change)
    return found


def _sum(value: Any, more: Any) -> Any:
    """Return the sum of numbers; what is none counts as nothing."""
    if not isinstance(more, int | float):
        return value
    return value + more if isinstance(value, int | float) else more


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
