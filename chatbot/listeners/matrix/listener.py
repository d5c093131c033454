"""The Matrix listener: one login after the other, for ever, with what waits between them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chatbot import settings as environment
from chatbot.errors import ListenerError
from chatbot.listeners.bridge import Bridge
from chatbot.listeners.matrix.settings import MatrixSettings, Timing


class MatrixListener:
    """Hears and speaks on one account of Matrix; see `Listener`.

    Each message is heard once and in its order, also what was said while nobody listened; each
    part of a reply is shown once.
    """

    settings_type = MatrixSettings

    def __init__(
        self,
        network: str,
        settings: MatrixSettings,
        timing: Timing | None = None,
        folder: Path | None = None,
    ) -> None:
        self.network = network
        self._settings = settings
        self._timing = timing or Timing()
        self._folder = folder

    def describe(self) -> str:
        """Return where this is, for a status line: `@helpbot:gitter.im #a:gitter.im`."""
        return f"{self._settings.user} {','.join(self._settings.rooms)}".strip()

    async def run(self, bridge: Bridge) -> None:
        """Hear and speak until cancelled; leaves within about a second then.

        Raises `ListenerError` when the server refuses the account, or its certificate cannot be
        verified.
        """
        if problems := self._settings.problems():
            key, wrong = problems[0]
            raise ListenerError(f"{self.network}: {key} {wrong}")
        # nio takes half a second to load, which a bot without Matrix need not pay.
        from chatbot.listeners.matrix.connection import Connection

        folder = (self._folder or environment.data_folder()) / "matrix"
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        await Connection(self.network, self._settings, self._timing, bridge, folder).run()
