"""End-to-end encryption, by matrix-nio's machinery on our own requests (extra `e2e`).

Devices are not verified: whoever is in an encrypted room gets its keys, as in most clients by
default. The keys lie in a SQLite file in the data folder; with another folder the bot is a new
device to all, and cannot read what was said before.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nio
from nio.crypto import ENCRYPTION_ENABLED
from nio.exceptions import EncryptionError, LocalProtocolError

from chatbot.listeners.matrix.events import mapping, sequence, string
from chatbot.listeners.matrix.requests import without_token
from chatbot.listeners.matrix.wire import RefusedError, Wire

log = logging.getLogger(__name__)
logging.getLogger("nio").setLevel(logging.CRITICAL)  # it tells what people wrote

UNREAD = 256
"""Messages that wait for their key; it may come a little later."""


class LockedError(Exception):
    """A message cannot be encrypted; the text says why."""


class Crypto:
    """The keys of one device. Made by `open`; always `close` it."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._unread: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=UNREAD)
        self._has_news = False

    @classmethod
    def open(cls, folder: Path, user: str, device: str, wire: Wire) -> Crypto | None:
        """Load or make the keys of the device; `None` where the extra is not installed."""
        if not ENCRYPTION_ENABLED or not device:
            return None
        from nio.store import SqliteStore

        config = nio.AsyncClientConfig(store=SqliteStore, encryption_enabled=True)
        client = _Client(wire, user, device, folder, config)
        client.restore_login(user, device, "in the header")
        return cls(client)

    async def close(self) -> None:
        """Close the file with the keys."""
        await self._client.close()
        if self._client.store is not None:
            self._client.store.database.close()

    async def take(self, answer: Mapping[str, Any]) -> None:
        """Learn from a sync: keys, devices, who is in which room."""
        self._has_news = bool(sequence(mapping(answer.get("to_device")).get("events")))
        try:
            response = nio.SyncResponse.from_dict(_without_talk(answer))
            if isinstance(response, nio.SyncError):
                log.warning("the keys in a sync are not understood")
                return
            await self._client.receive_response(response)
            await self._keep_up()
        except (EncryptionError, LocalProtocolError, KeyError, TypeError, ValueError) as error:
            # Whatever strangers' devices send must not end the listener.
            log.warning("could not take keys: %s", type(error).__name__)

    def decrypted(self, room: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the event in clear; as it is where there is no key (yet)."""
        clear = self._clear(room, event)
        if clear is None:
            self._unread.append((room, event))
            return event
        return clear

    def readable_now(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return what could not be read when it came, and can be now, with its room."""
        found: list[tuple[str, Mapping[str, Any]]] = []
        if self._has_news:
            waiting, self._has_news = list(self._unread), False
            self._unread.clear()
            for room, event in waiting:
                clear = self._clear(room, event)
                if clear is None:
                    self._unread.append((room, event))
                else:
                    found.append((room, clear))
        return found

    async def encrypted(
        self, room: str, kind: str, content: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, Any]]:
        """Return the type and the content to send; raises `LockedError`."""
        client = self._client
        try:
            there = client.rooms[room]
            if not there.members_synced:
                await client.joined_members(room)
            if client.should_query_keys:
                await client.keys_query()
            if client.olm.should_share_group_session(room):
                await client.share_group_session(room, ignore_unverified_devices=True)
            made: tuple[str, Mapping[str, Any]] = client.encrypt(room, kind, dict(content))
        except (EncryptionError, LocalProtocolError, KeyError) as error:
            raise LockedError(f"cannot encrypt: {type(error).__name__}") from error
        return made

    async def _keep_up(self) -> None:
        """Send what others need to talk to us."""
        client = self._client
        if client.should_upload_keys:
            await client.keys_upload()
        if client.should_query_keys:
            await client.keys_query()
        with contextlib.suppress(LocalProtocolError):  # as it says that there is none to claim
            await client.keys_claim(client.get_users_for_key_claiming())
        await client.send_to_device_messages()

    def _clear(self, room: str, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        try:
            locked = nio.Event.parse_event(dict(event))
            if not isinstance(locked, nio.MegolmEvent):
                return None
            locked.room_id = room
            source = self._client.decrypt_event(locked).source
        except (EncryptionError, LocalProtocolError, KeyError, TypeError, ValueError):
            return None
        clear = {"type": string(source.get("type")), "content": mapping(source.get("content"))}
        return {**event, **clear}


class _Client(nio.AsyncClient):  # type: ignore[misc]
    """nio's client, whose every request goes over our wire."""

    def __init__(self, wire: Wire, user: str, device: str, folder: Path, config: Any) -> None:
        super().__init__("", user, device, store_path=str(folder), config=config)
        self._wire = wire

    async def _send(
        self,
        response_class: Any,
        method: str,
        path: str,
        data: Any = None,
        response_data: tuple[Any, ...] | None = None,
        *_: Any,
        **__: Any,
    ) -> Any:
        body = json.loads(data) if data else None
        try:
            answer = await self._wire.request(method, without_token(path), body)
        except RefusedError as error:
            answer = {"errcode": error.code, "error": error.reason}
        response = response_class.from_dict(answer, *(response_data or ()))
        await self.receive_response(response)
        return response


def _without_talk(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sync without what was said: that is decrypted when its turn comes."""
    joined = mapping(mapping(answer.get("rooms")).get("join"))
    rooms = {room: _state_alone(mapping(section)) for room, section in joined.items()}
    kept = {key: value for key, value in answer.items() if key not in ("rooms", "account_data")}
    return {**kept, "rooms": {"join": rooms, "invite": {}, "leave": {}}}


def _state_alone(section: Mapping[str, Any]) -> dict[str, Any]:
    timeline = mapping(section.get("timeline"))
    events = [e for e in sequence(timeline.get("events")) if "state_key" in mapping(e)]
    return {
        **section,
        "timeline": {"limited": False, "prev_batch": "", **timeline, "events": events},
    }
