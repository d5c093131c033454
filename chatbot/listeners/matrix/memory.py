"""What is remembered of events, as long as there is room."""

from __future__ import annotations

from typing import Generic, TypeVar

from chatbot.listeners.matrix import requests
from chatbot.listeners.matrix.events import Reacted, is_event_id, string
from chatbot.listeners.matrix.wire import RefusedError, Wire

MOST = 4096

V = TypeVar("V")


class Recent(Generic[V]):
    """The last things that were put, by name."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[str, V] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, name: str, value: V) -> None:
        """Keep `value` as the newest."""
        self._kept.pop(name, None)
        self._kept[name] = value
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def get(self, name: str) -> V | None:
        """Return what was put as `name`, if it is there still."""
        return self._kept.get(name)

    def pop(self, name: str) -> V | None:
        """Return it, and forget it."""
        return self._kept.pop(name, None)


class Own:
    """The ids of what we said."""

    def __init__(self) -> None:
        self._ids = Recent[bool]()

    def __contains__(self, event_id: str) -> bool:
        return self._ids.get(event_id) is True

    def add(self, event_id: str) -> None:
        """Remember that it is ours."""
        if is_event_id(event_id):
            self._ids.put(event_id, True)

    def known(self, event_id: str) -> bool | None:
        """Return whether it is ours; `None` where that is not known."""
        return self._ids.get(event_id)

    def note(self, event_id: str, ours: bool) -> None:
        """Remember whose it is."""
        self._ids.put(event_id, ours)


class Memory:
    """What was heard, whose it is that is replied to, which reactions there are; `user` is us."""

    def __init__(self, user: str) -> None:
        self.own = Own()
        self.heard = Recent[bool]()
        self._user = user
        self._reactions = Recent[Reacted]()

    async def is_ours(self, wire: Wire, room: str, event_id: str) -> bool:
        """Return whether we said it; asks the server where we do not know."""
        known = self.own.known(event_id)
        if known is None:
            try:
                event = await wire.request(*requests.event(room, event_id))
            except RefusedError:
                event = {}
            known = string(event.get("sender")) == self._user
            self.own.note(event_id, known)
        return known

    def reacted(self, reacted: Reacted) -> None:
        """Remember a reaction, to know it when it is taken back."""
        self._reactions.put(reacted.id, reacted)

    def taken_back(self, event_id: str) -> Reacted | None:
        """Return the reaction that this was, if it was one."""
        return self._reactions.pop(event_id)
