"""A listener that files, in a test's body: what is ordered of it, and what came of that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chatbot.broker import Broker, streams, subjects
from chatbot.broker.decided import decided
from chatbot.errors import ListenerError
from chatbot.listeners.bridge import NatsBridge
from chatbot.listeners.filing import GithubListener, WebhookListener
from chatbot.listeners.filing.settings import GithubSettings, WebhookSettings
from chatbot.messages import Action, Outcome, answer_id
from tests.servers.tracker import REPOSITORY, TOKEN, TrackerServer

FLOW, ON = "test", "tracker"
BODY = "> it crashes"
REPLY = "anna: noted: {link} ({number})"


@pytest.fixture(autouse=True)
async def flow(broker: Broker) -> None:
    await streams.ensure(broker, streams.flow_streams(FLOW))


@pytest.fixture
async def server() -> AsyncIterator[TrackerServer]:
    async with TrackerServer.running() as server:
        yield server


def issue(title: str = "it crashes", **details: Any) -> Action:
    own = {"body": BODY, "labels": ["bug"], "reply": REPLY, **details}
    return Action("issue", text=title, on=ON, details=own)


def comment(to: str, text: str = "> with 2.1") -> Action:
    return Action("comment", to=to, text=text, on=ON)


def post(**body: Any) -> Action:
    return Action("post", on=ON, details={"body": body, "reply": "anna: sent: {link}"})


async def order(broker: Broker, key: str, *actions: Action, sender: str = "anna") -> None:
    """Put into OUT what a flow has decided for a message of `irc`."""
    wanted = Outcome(key, ON, "#room", sender, actions=actions, source="irc")
    await broker.publish(subjects.out_subject(FLOW, ON, key), wanted.encode())


async def answered(broker: Broker, key: str, number: int = 0) -> Outcome:
    """Return what was answered where it was said, as soon as it was."""
    async with asyncio.timeout(30):
        while True:
            found = await decided(broker, FLOW, "irc", answer_id(key, ON, number))
            if found is not None:
                return found.outcome
            await asyncio.sleep(0.01)


async def said(broker: Broker, key: str, number: int = 0) -> str:
    [reply] = (await answered(broker, key, number)).replies
    return reply.text


async def done(broker: Broker) -> None:
    """Wait until nothing waits to be done."""
    name = str(streams.out_consumer(FLOW, ON).durable_name)
    async with asyncio.timeout(30):
        while True:
            info = await broker.js.consumer_info(subjects.out_stream(FLOW), name)
            if not info.num_pending and not info.num_ack_pending:
                return
            await asyncio.sleep(0.01)


def github(server: TrackerServer, **more: Any) -> GithubListener:
    own = {"repository": REPOSITORY, "token": TOKEN, "api": server.api, "dry_run": False}
    return GithubListener(ON, GithubSettings(**{**own, **more}), backoff=0.05)


def webhook(server: TrackerServer, **more: Any) -> WebhookListener:
    own = {"url": server.hook, "dry_run": False}
    return WebhookListener(ON, WebhookSettings(**{**own, **more}), backoff=0.05)


@asynccontextmanager
async def running(broker: Broker, listener: Any) -> AsyncIterator[asyncio.Task[None]]:
    async with NatsBridge.open(broker, FLOW, ON) as bridge:
        task = asyncio.create_task(listener.run(bridge))
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ListenerError):
                await task
