"""A real NATS server, fresh for each test, and connections to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatbot.broker import Broker, EmbeddedServer, connect
from chatbot.settings import NATS_URL


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer.start(tmp_path / "data") as server:
        yield server


@pytest.fixture
async def broker(nats_server: EmbeddedServer) -> AsyncIterator[Broker]:
    async with connect(nats_server.url, name="test") as broker:
        yield broker


@pytest.fixture
def nats_address(nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have orchestrators use the server; its address."""
    monkeypatch.setenv(NATS_URL, nats_server.url)
    return nats_server.url
