"""A tracker that fails, limits, refuses or dies: each order is done once, or it is told why not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chatbot.broker import Broker
from chatbot.errors import ListenerError
from tests.servers.filing import (
    answered,
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
from tests.servers.tracker import TOKEN, TrackerServer

__all__ = ["flow", "server"]


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
