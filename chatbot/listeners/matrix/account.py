"""Who we are on the homeserver: the token, and the device that transaction ids belong to.

The rule that it guards: the device stays the same, so the server knows again what it was sent;
and the token that a password gave lies where only its owner reads it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot.errors import ListenerError
from chatbot.listeners.matrix import requests
from chatbot.listeners.matrix.events import string
from chatbot.listeners.matrix.settings import MatrixSettings
from chatbot.listeners.matrix.wire import DeniedError, RefusedError, Wire
from chatbot.listeners.secret import secret_of
from chatbot.messages import digest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server takes us for."""

    user: str
    device: str


class Login:
    """Logs in on `wire`, and leaves the token there. `folder` is where one that is kept lies."""

    def __init__(self, network: str, settings: MatrixSettings, wire: Wire, folder: Path) -> None:
        self._settings = settings
        self._wire = wire
        name = digest(network, settings.user)
        self._device = f"CHATBOT{name[:10].upper()}"
        self._kept = folder / f"{name}.token"
        self._password = ""

    async def run(self) -> Account:
        """Log in; wait for a server that is away. Raises `ListenerError` when it refuses us."""
        settings = self._settings
        if token := secret_of(settings.token, settings.token_file, "token"):
            return await self._with_token(token)
        self._password = secret_of(settings.password, settings.password_file)
        if not self._password:
            raise ListenerError(f"{settings.user} has neither a token nor a password")
        if kept := self._read():
            try:
                return await self._identified(kept)
            except DeniedError:
                log.info("logging in again as %s: the token is not taken any more", settings.user)
        return await self._with_password()

    def is_renewable(self) -> bool:
        """Whether another token can be had when the server does not take this one any more."""
        return bool(self._password)

    async def _with_token(self, token: str) -> Account:
        try:
            return await self._identified(token)
        except (DeniedError, RefusedError) as error:
            raise ListenerError(
                f"the server of {self._settings.user} refuses the token: {error}",
                hint="give a token that was not logged out; see docs/matrix.md for how to get one",
            ) from error

    async def _with_password(self) -> Account:
        request = requests.login(self._settings.user, self._password, self._device)
        self._wire.token = ""
        try:
            answer = await self._wire.request(*request, has="access_token")
        except RefusedError as error:
            raise ListenerError(
                f"the server refuses the password of {self._settings.user}: {error}",
                hint="check `user` and `password`; where accounts are kept elsewhere (single"
                " sign-on, as on gitter.im), use a `token`",
            ) from error
        account = await self._identified(string(answer.get("access_token")))
        self._keep(self._wire.token)
        return account

    async def _identified(self, token: str) -> Account:
        """Use `token`, once the server has said whose it is."""
        self._wire.token = token
        answer = await self._wire.request(*requests.whoami(), has="user_id")
        user, device = string(answer.get("user_id")), string(answer.get("device_id"))
        if user != self._settings.user:
            raise ListenerError(
                f"the token is that of {user or 'nobody'}, not of {self._settings.user}",
                hint="set `user` to the account that the token belongs to",
            )
        return Account(user, device)

    def _read(self) -> str:
        try:
            found: object = json.loads(self._kept.read_text())
        except (OSError, ValueError):
            return ""
        kept: Mapping[str, Any] = found if isinstance(found, dict) else {}
        return string(kept.get("token")) if kept.get("server") == self._settings.homeserver else ""

    def _keep(self, token: str) -> None:
        kept = {"server": self._settings.homeserver, "token": token}
        written = self._kept.with_suffix(".new")
        try:
            written.unlink(missing_ok=True)
            with os.fdopen(os.open(written, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as f:
                json.dump(kept, f)
            written.replace(self._kept)
        except OSError as error:
            log.warning("cannot keep the token in %s: %s", self._kept, error.strerror)
