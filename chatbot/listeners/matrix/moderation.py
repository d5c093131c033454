"""What a flow may do on the network beside talking: `Action` as requests."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from chatbot.listeners.matrix import requests, text
from chatbot.listeners.matrix.content import reaction
from chatbot.listeners.matrix.events import is_event_id, is_user, mapping, string
from chatbot.listeners.matrix.mutes import Call, Mutes
from chatbot.listeners.matrix.wire import RefusedError
from chatbot.messages import Action, Outcome, origin

log = logging.getLogger(__name__)

DUPLICATE = "M_DUPLICATE_ANNOTATION"
REASON = 500
"""Characters of a reason that are given."""
_MEMBERSHIPS = {"kick": ("leave", "ban"), "ban": ("ban",), "unban": ("leave", "join", "invite")}
_NEEDED = {"kick": "kick", "ban": "ban", "unban": "ban", "delete": "redact"}


class Moderation:
    """Performs actions; one that cannot be done is told in the log, and nothing more."""

    def __init__(self, network: str, user: str, mutes: Mutes) -> None:
        self._network = network
        self._user = user
        self._mutes = mutes

    async def perform(self, action: Action, outcome: Outcome, transaction: str, call: Call) -> str:
        """Do it; return why it cannot be done, empty if it was.

        `call` makes the requests, under the sender's guard.
        """
        kind, room = action.kind, outcome.room
        try:
            if kind in ("react", "delete"):
                about = action.to or origin(outcome.id)
                await self._on_event(action, about, room, transaction, call)
            else:
                await self._on_person(action, action.to or outcome.sender, room, call)
        except RefusedError as error:
            why = await self._explained(kind, room, error, call)
            log.warning("cannot %s in %s on %s: %s", kind, room, self._network, why)
            return why
        return ""

    async def _on_event(
        self, action: Action, about: str, room: str, transaction: str, call: Call
    ) -> None:
        if not is_event_id(about):
            log.warning("cannot %s on %s: no id of a message is given", action.kind, self._network)
        elif action.kind == "delete":
            await call(*requests.redact(room, about, _reason(action), transaction))
        else:
            content = reaction(about, action.text)
            try:
                await call(*requests.send(room, "m.reaction", content, transaction))
            except RefusedError as error:
                if error.code != DUPLICATE:
                    raise

    async def _on_person(self, action: Action, user: str, room: str, call: Call) -> None:
        if not is_user(user):
            log.warning("cannot %s on %s: no Matrix id is given", action.kind, self._network)
        elif user == self._user:
            log.warning("did not %s the bot itself on %s", action.kind, self._network)
        elif action.kind == "mute":
            await self._mutes.mute(call, room, user, action.seconds)
        elif action.kind == "unmute":
            await self._mutes.unmute(call, room, user)
        elif action.kind in _MEMBERSHIPS:
            await self._move(action, user, room, call)
        else:
            log.warning("cannot %s on %s: not known here", action.kind, self._network)

    async def _move(self, action: Action, user: str, room: str, call: Call) -> None:
        """Kick, ban or unban; that it is so already is success."""
        try:
            await call(*requests.move(room, action.kind, user, _reason(action)))
        except RefusedError:
            if await self._membership(user, room, call) not in _MEMBERSHIPS[action.kind]:
                raise

    async def _membership(self, user: str, room: str, call: Call) -> str:
        member = await call(*requests.state(room, requests.MEMBER, user))
        return string(member.get("membership"))

    async def _explained(self, kind: str, room: str, error: RefusedError, call: Call) -> str:
        """Return what to do about it, as far as can be found out."""
        if error.code != "M_FORBIDDEN":
            return str(error)
        try:
            levels = await call(*requests.state(room, requests.LEVELS))
        except RefusedError:
            return str(error)
        users = mapping(levels.get("users"))
        own = users.get(self._user, levels.get("users_default", 0))
        needed = levels.get(_NEEDED[kind], 50) if kind in _NEEDED else _to_send(levels, kind)
        return f"the bot's power level is {own}, and {needed} is needed (or more than the person's)"


def _to_send(levels: Mapping[str, Any], kind: str) -> object:
    """Return the level that sending a reaction, or changing levels, needs."""
    events = mapping(levels.get("events"))
    if kind == "react":
        return events.get("m.reaction", levels.get("events_default", 0))
    return events.get("m.room.power_levels", levels.get("state_default", 50))


def _reason(action: Action) -> str:
    return text.heard(action.text[:REASON])
