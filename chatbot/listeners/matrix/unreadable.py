"""Rooms whose messages are encrypted, where we cannot read them: that is said, once."""

from __future__ import annotations

import logging

from chatbot.listeners.matrix import requests
from chatbot.listeners.matrix.events import sequence
from chatbot.listeners.matrix.notes import Notes
from chatbot.listeners.matrix.wire import RefusedError, Wire
from chatbot.messages import digest

log = logging.getLogger(__name__)

NAME = "chatbot.encrypted"
MOST = 5000
NOTICE = (
    "This room is end-to-end encrypted, and I am not set up for that: I cannot read what is said"
    " here."
)


class Unreadable:
    """Tells about encrypted rooms: the operator in the log, the room in a notice, once ever.

    With `crypto`, a message without its key is a matter of the log only.
    """

    def __init__(self, network: str, wire: Wire, notes: Notes, *, crypto: bool) -> None:
        self._network = network
        self._wire = wire
        self._notes = notes
        self._crypto = crypto
        self._met: set[str] = set()

    async def met(self, room: str) -> None:
        """Take note of a message that cannot be read."""
        if room in self._met:
            return
        self._met.add(room)
        if self._crypto:
            log.warning("cannot read a message in %s on %s: no key yet", room, self._network)
            return
        log.warning(
            "cannot read %s on %s: it is encrypted; install chatbot[e2e], or use another room",
            room,
            self._network,
        )
        noted = await self._notes.read(NAME)
        told = [each for each in sequence(noted.get("rooms")) if isinstance(each, str)]
        if room not in told:
            await self._tell(room)
            await self._notes.write(NAME, {"rooms": [*told, room][-MOST:]})

    async def _tell(self, room: str) -> None:
        content = {"msgtype": "m.notice", "body": NOTICE, "m.mentions": {}}
        transaction = digest(self._network, room, NAME, length=40)
        try:
            await self._wire.request(*requests.send(room, "m.room.message", content, transaction))
        except RefusedError as error:
            log.warning("cannot say so in %s: %s", room, error)
