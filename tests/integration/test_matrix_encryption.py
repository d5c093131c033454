"""Rooms that only those with the keys can read, with the extra `e2e` and a real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nio
import pytest
from nio.store import SqliteStore

from chatbot.messages import Outcome, Reply
from tests.servers.matrix import MatrixVenue, listening
from tests.servers.synapse import User

MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}


class EncryptingPerson:
    """Somebody whose client encrypts: matrix-nio's own, with its own sync."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self._client = client
        self.read: list[tuple[str, str, bool]] = []
        """Sender, text, and whether it came encrypted."""

    @classmethod
    @asynccontextmanager
    async def open(cls, address: str, user: User, folder: Path) -> AsyncIterator[EncryptingPerson]:
        config = nio.AsyncClientConfig(store=SqliteStore, encryption_enabled=True)
        client = nio.AsyncClient(address, user.id, user.device, str(folder), config)
        client.restore_login(user.id, user.device, user.token)
        person = cls(client)
        client.add_event_callback(person._take, nio.RoomMessage)
        await person.sync()
        try:
            yield person
        finally:
            await client.close()
            client.store.database.close()

    async def sync(self) -> None:
        """Take what is new, and send what others need."""
        await self._client.sync(timeout=500, full_state=True)
        if self._client.should_upload_keys:
            await self._client.keys_upload()
        if self._client.should_query_keys:
            await self._client.keys_query()
        await self._client.send_to_device_messages()

    async def say(self, room: str, text: str) -> str:
        await self.sync()
        content = {"msgtype": "m.text", "body": text}
        sent = await self._client.room_send(
            room, "m.room.message", content, ignore_unverified_devices=True
        )
        return str(sent.event_id)

    async def until_read(self, text: str) -> tuple[str, str, bool]:
        async with asyncio.timeout(20):
            while True:
                for each in self.read:
                    if each[1] == text:
                        return each
                await self.sync()

    async def _take(self, room: Any, event: Any) -> None:
        self.read.append((event.sender, event.body, event.decrypted))


async def test_what_is_encrypted_is_heard_and_answered_encrypted(
    venue: MatrixVenue, tmp_path: Path
) -> None:
    server, ann = venue.server, venue.people["ann"]
    user = server.user()
    (tmp_path / "person").mkdir()
    await ann.put_state(venue.room, "m.room.encryption", MEGOLM)
    async with (
        listening(venue) as bridge,
        EncryptingPerson.open(server.address, user, tmp_path / "person") as person,
    ):
        await asyncio.to_thread(
            server.ask, "POST", f"/_matrix/client/v3/join/{venue.room}", {}, token=user.token
        )
        said = await person.say(venue.room, "s3cret question")
        message = await bridge.next()
        assert (message.id, message.text) == (said, "s3cret question")
        bridge.decide(
            Outcome(said, "venue", venue.room, user.id, (Reply("s3cret answer"), Reply("more")))
        )
        await bridge.next_acknowledged()
        assert await person.until_read("s3cret answer") == (venue.bot.id, "s3cret answer", True)
        assert await person.until_read("more")
    events = await ann.events(venue.room, venue.bot.id)
    assert {each["type"] for each in events} == {"m.room.member", "m.room.encrypted"}
    relation = events[-1]["content"]["m.relates_to"]
    assert relation == {"m.in_reply_to": {"event_id": said}}


@pytest.mark.crash
async def test_keys_outlive_the_process_and_what_was_said_meanwhile_is_read(
    venue: MatrixVenue, tmp_path: Path
) -> None:
    server, ann = venue.server, venue.people["ann"]
    user = server.user()
    (tmp_path / "person").mkdir()
    await ann.put_state(venue.room, "m.room.encryption", MEGOLM)
    await asyncio.to_thread(
        server.ask, "POST", f"/_matrix/client/v3/join/{venue.room}", {}, token=user.token
    )
    async with EncryptingPerson.open(server.address, user, tmp_path / "person") as person:
        async with listening(venue) as bridge:
            await person.say(venue.room, "one")
            assert (await bridge.next()).text == "one"
        await person.say(venue.room, "two")
        async with listening(venue, bridge):
            message = await bridge.next()
            while message.text == "one":
                message = await bridge.next()
            assert message.text == "two"


@pytest.mark.crash
async def test_an_event_that_nobody_can_read_stops_nothing(
    venue: MatrixVenue, caplog: pytest.LogCaptureFixture
) -> None:
    ann = venue.people["ann"]
    await ann.put_state(venue.room, "m.room.encryption", MEGOLM)
    async with listening(venue) as bridge:
        for odd in ({"ciphertext": "x"}, {"ciphertext": {}, "session_id": 5}, {}):
            content = {**MEGOLM, "sender_key": "k", "device_id": "d", "session_id": "s", **odd}
            await ann.send(venue.room, "m.room.encrypted", content)
        await venue.say("ann", "in clear")
        assert (await bridge.next()).text == "in clear"
        assert "no key yet" in caplog.text
