"""Entries and comments in a tracker: each that is ordered is made once, and its link is said."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from chatbot.broker import Broker, questions
from chatbot.broker.forgetting import Said, forget
from chatbot.broker.questions import Question, Questions
from chatbot.broker.subjects import Lane
from chatbot.listeners.bridge import NatsBridge
from chatbot.messages import Action, ChatMessage, Outcome, Reply
from chatbot.orchestrator.outbox import Outbox
from tests.integration.test_bridge import take
from tests.servers.filing import (
    BODY,
    FLOW,
    answered,
    comment,
    done,
    flow,
    github,
    issue,
    order,
    running,
    said,
    server,
)
from tests.servers.processes import until
from tests.servers.tracker import REPOSITORY, TrackerServer

__all__ = ["flow", "server"]


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
