"""Entries in a tracker, and webhooks: each order is done once, whatever the server does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatbot.broker import Broker, questions, streams, subjects
from chatbot.broker.decided import decided
from chatbot.broker.forgetting import Said, forget
from chatbot.broker.questions import Question, Questions
from chatbot.broker.subjects import Lane
from chatbot.errors import ListenerError
from chatbot.listeners.bridge import NatsBridge
from chatbot.listeners.filing import GithubListener, WebhookListener
from chatbot.listeners.filing.settings import GithubSettings, WebhookSettings
from chatbot.messages import Action, ChatMessage, Outcome, Reply, answer_id
from chatbot.orchestrator.outbox import Outbox
from tests.integration.test_bridge import take
from tests.servers.processes import until
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
    async with asyncio.timeout(15):
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
    async with asyncio.timeout(15):
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


async def test_an_entry_is_opened_and_its_link_said_where_it_was_wanted(
    broker: Broker, server: TrackerServer
) -> None:
    async with running(broker, github(server)):
        await order(broker, "1", issue())
        link = f"https://tracker.example.org/{REPOSITORY}/issues/1"
        assert await said(broker, "1") == f"anna: noted: {link} (1)"
        found = await answered(broker, "1")
        assert (found.network, found.room, found.sender) == ("irc", "#room", "anna")
        assert found.understood == {"link": link, "number": 1}
    [entry] = server.issues
    assert entry["title"] == "it crashes"
    assert entry["labels"] == ["bug"]
    assert entry["body"].startswith(BODY)
    assert "<!-- chatbot:" in entry["body"]
    assert [path for method, path in server.requests if method == "GET"] == [
        f"/api/v3/repos/{REPOSITORY}"
    ], "where nothing went wrong, nothing is looked for"


async def test_what_came_of_it_is_told_in_the_room_that_is_named(
    broker: Broker, server: TrackerServer
) -> None:
    there = msgspec.structs.replace(issue(), room="#mods")
    async with running(broker, github(server)), NatsBridge.open(broker, FLOW, "irc") as irc:
        await order(broker, "1", there)
        link = f"https://tracker.example.org/{REPOSITORY}/issues/1"
        here, told = await take(irc, 2)
        assert (here.outcome.room, here.outcome.replies) == ("#room", ())
        assert told.outcome.room == "#mods"
        assert told.outcome.replies == (Reply(f"anna: noted: {link} (1)"),)
        await order(broker, "2", comment("1"))
        await until(lambda: server.comments)


async def test_one_whose_answer_is_lost_is_opened_once(
    broker: Broker, server: TrackerServer
) -> None:
    server.unanswered = 1
    server.page = 2
    async with running(broker, github(server)):
        await order(broker, "1", issue())
        assert (await said(broker, "1")).endswith("(1)")
        await order(broker, "2", issue("another"))
        assert (await said(broker, "2")).endswith("(2)")
    assert [each["title"] for each in server.issues] == ["it crashes", "another"]


async def test_who_dies_while_the_tracker_answers_leaves_one_entry(
    broker: Broker, server: TrackerServer
) -> None:
    server.answering.clear()
    async with running(broker, github(server)):
        await order(broker, "1", issue())
        await until(lambda: server.issues)
    server.answering.set()
    server.page = 1
    for number in range(3):  # it is on another page meanwhile
        server.issues.append({**server.issues[0], "number": number + 2, "body": "somebody's"})
    async with running(broker, github(server)):
        assert (await said(broker, "1")).endswith("issues/1 (1)")
        await done(broker)
    assert len(server.issues) == 4


async def test_who_dies_before_the_tracker_has_it_loses_nothing(
    broker: Broker, server: TrackerServer
) -> None:
    listener = github(server)
    server.failing = 500
    async with running(broker, listener):
        await until(lambda: server.made("GET") >= 2)
        await order(broker, "1", issue())
    server.failing = 0
    async with running(broker, github(server)):
        await answered(broker, "1")
    assert len(server.issues) == 1


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "1"}),
        (403, {"Retry-After": "1"}),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}),
    ],
)
async def test_a_limit_is_waited_for(
    broker: Broker, server: TrackerServer, status: int, headers: dict[str, str]
) -> None:
    async with running(broker, github(server)):
        await until(lambda: server.requests)
        server.failing, server.headers, server.fails = status, headers, 1
        start = asyncio.get_running_loop().time()
        await order(broker, "1", issue())
        await answered(broker, "1")
        assert asyncio.get_running_loop().time() - start > 0.9
    assert len(server.issues) == 1
    assert server.made() == 2, "one was refused, and the other was not a moment too early"


async def test_a_token_that_is_not_known_is_told_and_nothing_is_lost(
    broker: Broker, server: TrackerServer
) -> None:
    await order(broker, "1", issue())
    async with running(broker, github(server, token="old")) as task:
        with pytest.raises(ListenerError, match="does not know the token") as caught:
            await task
        assert "old" not in str(caught.value)
        assert "`token`" in caught.value.hint
    async with running(broker, github(server)):
        await answered(broker, "1")


async def test_a_token_that_is_not_known_any_more_may_be_renewed(
    broker: Broker,
    server: TrackerServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("chatbot.listeners.filing.github.LIMITED", 0.1)
    file = tmp_path / "token"
    file.write_text(TOKEN)
    async with running(broker, github(server, token="", token_file=file)) as task:
        await until(lambda: server.requests)
        server.token = "new"
        await order(broker, "1", issue())
        await until(lambda: "does not know the token any more: make one" in caplog.text)
        assert not task.done()
        file.write_text("new\n")
        assert (await said(broker, "1")).endswith("(1)")


async def test_a_repository_that_is_not_there_is_told(
    broker: Broker, server: TrackerServer
) -> None:
    async with running(broker, github(server, repository="org/other")) as task:
        with pytest.raises(ListenerError, match="org/other cannot be used: status 404"):
            await task


async def test_a_server_that_is_down_is_waited_for(broker: Broker, server: TrackerServer) -> None:
    await server.stop()
    async with running(broker, github(server)) as task:
        await order(broker, "1", issue())
        await asyncio.wait([task], timeout=0.3)
        assert not task.done()
        await server.start()
        await answered(broker, "1")
    assert len(server.issues) == 1


async def test_what_the_tracker_refuses_is_told_and_the_next_goes_on(
    broker: Broker, server: TrackerServer
) -> None:
    async with running(broker, github(server)):
        await until(lambda: server.requests)
        server.failing, server.fails = 410, 1
        await order(broker, "1", issue())
        assert "could not be posted: status 410: the repository has no issues" in await said(
            broker, "1"
        )
        await order(broker, "2", issue())
        assert (await said(broker, "2")).endswith("(1)")


async def test_a_dry_run_posts_nothing_and_says_so(broker: Broker, server: TrackerServer) -> None:
    async with running(broker, github(server, dry_run=True, token="", repository="")):
        await order(broker, "1", issue())
        assert await said(broker, "1") == "anna: noted: (dry run: nothing was posted) (0)"
    assert not server.requests


async def test_a_person_has_so_many_posted_and_no_more(
    broker: Broker, server: TrackerServer
) -> None:
    async with running(broker, github(server, limit="2 in 1h")):
        for number in range(3):
            await order(broker, str(number), issue())
        await order(broker, "3", issue(), sender="otto")
        assert "not posted: too many" in await said(broker, "2")
        assert (await said(broker, "3")).endswith("(3)")
    assert len(server.issues) == 3


async def test_a_comment_goes_to_the_entry_that_a_message_opened(
    broker: Broker, server: TrackerServer
) -> None:
    async with running(broker, github(server)):
        await order(broker, "1", issue())
        await order(broker, "2", issue("another"))
        await answered(broker, "2")
        server.unanswered = 1
        await order(broker, "3", comment("2"))
        await order(broker, "4", comment("nothing"))
        assert (await answered(broker, "3")).understood["number"] == 2
        assert (await answered(broker, "4")).understood["number"] == 0
    [made] = server.comments
    assert made["issue"] == 2
    assert made["body"].startswith("> with 2.1")


async def test_gitea_gets_its_labels_by_their_numbers(
    broker: Broker, server: TrackerServer
) -> None:
    async with running(broker, github(server, forge="gitea")):
        await order(broker, "1", issue(labels=["feature", "strange"]))
        await answered(broker, "1")
    assert server.issues[0]["labels"] == [8]


async def test_a_link_is_noted_beside_what_the_message_said(
    broker: Broker, server: TrackerServer
) -> None:
    index = await Questions.open(broker, "triage")
    now = datetime.now(UTC)
    await index.put(Question("triage", "1", "irc", "#room", "anna", "it crashes", now))
    async with running(broker, github(server)):
        await order(broker, "1", issue(index="triage"))
        await order(broker, "2", issue(index="triage"))
        await answered(broker, "2")
        await done(broker)
    [found] = await questions.every(broker, "triage")
    assert found.answer.endswith("/issues/1")


@pytest.mark.parametrize("lane", list(Lane))
async def test_what_stands_is_handed_over_and_not_what_came_second(
    broker: Broker, server: TrackerServer, lane: Lane
) -> None:
    outbox = Outbox(broker, FLOW)
    message = ChatMessage("1", "irc", "#room", "anna", "it crashes", datetime.now(UTC))
    first = Outcome("1", "irc", "#room", "anna", actions=(issue("first"), Action("kick")))
    second = Outcome("1", "irc", "#room", "anna", actions=(issue("second"),))
    assert await outbox.publish(first, lane)
    assert not await outbox.publish(second, lane)
    for _ in range(2):  # whoever finds that another's stands
        await outbox.hand_over(message, None)
    async with running(broker, github(server)):
        assert (await said(broker, "1")).endswith("(1)")
        await done(broker)
    assert [each["title"] for each in server.issues] == ["first"]
    async with NatsBridge.open(broker, FLOW, "irc") as bridge:
        async for delivery in bridge.outcomes():
            if delivery.outcome.id == "1":
                assert [each.kind for each in delivery.outcome.actions] == ["kick"]
                break


async def test_what_is_forgotten_is_not_posted(broker: Broker, server: TrackerServer) -> None:
    await order(broker, "1", issue())
    await order(broker, "2", issue("another"))
    await forget(broker, [Said(FLOW, "irc", "1")])
    async with running(broker, github(server)):
        await answered(broker, "2")
        await done(broker)
    assert [each["title"] for each in server.issues] == ["another"]


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
