"""What the bot notes for itself on the homeserver, in the account's data.

It outlives processes and machines, and whoever takes the account over has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatbot.listeners.matrix import requests
from chatbot.listeners.matrix.wire import RefusedError, Wire


class Notes:
    """Named objects of JSON, each written as a whole."""

    def __init__(self, wire: Wire, user: str) -> None:
        self._wire = wire
        self._user = user

    async def read(self, name: str) -> Mapping[str, Any]:
        """Return what was written last; empty where nothing was."""
        try:
            return await self._wire.request(*requests.note(self._user, name))
        except RefusedError:
            return {}

    async def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Store `content` as `name`."""
        await self._wire.request(*requests.note(self._user, name, content))
