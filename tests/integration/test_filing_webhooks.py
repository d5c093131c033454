"""Webhooks: a post has one id, is signed, and is tried for as long as the receiver may take it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from chatbot.broker import Broker
from tests.servers.filing import (
    answered,
    done,
    flow,
    issue,
    order,
    post,
    running,
    said,
    server,
    webhook,
)
from tests.servers.tracker import TrackerServer

__all__ = ["flow", "server"]


async def test_a_post_has_the_same_id_however_often_it_is_tried(
    broker: Broker, server: TrackerServer
) -> None:
    server.unanswered = 2
    async with running(broker, webhook(server)):
        await order(broker, "1", post(text="it crashes", versions=["2.1"]))
        assert await said(broker, "1") == "anna: sent: https://example.org/report/1"
        await order(broker, "2", post(text="it crashes", versions=["2.1"]))
        await answered(broker, "2")
    names = [heads["idempotency-key"] for heads, _ in server.posts]
    assert len(names) == 4
    assert len(set(names[:3])) == 1
    assert names[3] != names[0]
    assert json.loads(server.posts[0][1]) == {"text": "it crashes", "versions": ["2.1"]}
    assert "webhook-signature" not in server.posts[0][0]


async def test_a_post_is_signed(broker: Broker, server: TrackerServer) -> None:
    key = b"k3y of the receiver"
    secret = f"whsec_{base64.b64encode(key).decode()}"
    async with running(broker, webhook(server, secret=secret)):
        await order(broker, "1", post(text="ünï"))
        await answered(broker, "1")
    [(heads, body)] = server.posts
    told = f"{heads['webhook-id']}.{heads['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
    assert heads["webhook-signature"] == f"v1,{wanted}"


@pytest.mark.parametrize("status", [409, 503, 408])
async def test_a_receiver_that_cannot_now_is_asked_again(
    broker: Broker, server: TrackerServer, status: int
) -> None:
    server.failing, server.fails = status, 2
    async with running(broker, webhook(server)):
        await order(broker, "1", post(text="x"))
        await answered(broker, "1")
    assert len(server.posts) == 1
    assert server.made() == 3


async def test_a_receiver_that_refuses_is_not_asked_again(
    broker: Broker, server: TrackerServer
) -> None:
    server.failing = 400
    async with running(broker, webhook(server)):
        await order(broker, "1", post(text="x"))
        assert "could not be posted: status 400" in await said(broker, "1")
        await done(broker)
    assert server.made() == 1


async def test_what_a_listener_cannot_do_is_left_out(
    broker: Broker, server: TrackerServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(broker, webhook(server)):
        await order(broker, "1", issue(), post(text="x"))
        await answered(broker, "1", 1)
        await done(broker)
    assert "tracker cannot do `issue`, only post" in caplog.text
    assert len(server.posts) == 1
