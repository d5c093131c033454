"""A flow that changes while it runs: what has begun ends as it was begun."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatbot.broker import Broker, EmbeddedServer, connect
from chatbot.commands import apply as commands
from chatbot.commands import revisions as module
from chatbot.commands.nodes import make_ready
from chatbot.commands.revisions import Revisions
from chatbot.commands.screen import Screen
from chatbot.errors import FlowError, OperationError, UsageError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.messages import Reply
from chatbot.nodes.roster import Roster
from tests.integration.test_intake import (
    SAY,
    dead_letters,
    gated,
    hear,
    message,
    outcomes,
    settled,
    written,
)
from tests.integration.test_nodes import serving, started
from tests.servers.processes import until

SHOUT = """\
version: 1
name: test
operations:
  shout: {run: test_shout, on: primary, inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: shout.text}}
"""

ELSEWHERE = """\
version: 1
name: test
operations:
  shout: {run: test_shout, on: nodes, inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: shout.text}}
"""

BROKEN = """\
version: 1
name: test
operations:
  say: {run: test_sya, inputs: {text: mesage.text}}
"""


def nothing(_: Flow) -> Callable[[], None]:
    return lambda: None


@asynccontextmanager
async def running(
    broker: Broker, path: Path, prepare: Callable[[Flow], Callable[[], None]] = nothing
) -> AsyncIterator[Revisions]:
    """Run the flow in the file at `path`, and what it is reloaded as."""
    async with Roster.follow(broker) as roster:
        revisions = Revisions(
            broker,
            roster,
            load=lambda: load(path),
            prepare=prepare,
            ready=lambda records: make_ready(records, roster),
            listeners=list,
        )
        async with revisions.run(load(path)):
            yield revisions


async def test_what_has_begun_ends_with_the_old_revision_and_what_is_new_starts_with_the_new(
    broker: Broker, tmp_path: Path
) -> None:
    path = gated(tmp_path)
    async with serving(broker, "test_gate"), running(broker, path) as revisions:
        await hear(broker, message("old"))
        await until(lambda: started(tmp_path))
        path.write_text(SHOUT)
        before, after = await revisions.reload()
        assert before.revision != after.revision == revisions.flow.revision
        await hear(broker, message("new"))
        found = await outcomes(broker, 1)
        assert found["id of new"].replies == (Reply("NEW"),)
        (tmp_path / "open").touch()
        found = await outcomes(broker, 2)
        assert found["id of old"].replies == (Reply("old"),)
        await settled(broker)
        assert [file.read_text() for file in tmp_path.glob("started-*")] == ["old\n"]


async def test_what_is_said_as_soon_as_a_flow_is_reloaded_is_for_the_new_revision(
    broker: Broker, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    path = written(tmp_path, SAY)

    async def say(text: str) -> None:
        async with connect(nats_server.url, name="elsewhere") as elsewhere:
            await hear(elsewhere, message(text))

    async with running(broker, path) as revisions:
        for text, flow in [("one", SHOUT), ("Two", SAY), ("three", SHOUT)]:
            path.write_text(flow)
            await revisions.reload()
            saying = threading.Thread(target=asyncio.run, args=[say(text)])
            saying.start()
            saying.join()  # it is stored before anything else is done here
        found = await outcomes(broker, 3)
        await settled(broker)
    replies = {each.id: each.replies[0].text for each in found.values()}
    assert replies == {"id of one": "ONE", "id of Two": "Two", "id of three": "THREE"}


async def test_no_message_is_lost_or_answered_twice_while_a_flow_is_reloaded_again_and_again(
    broker: Broker, tmp_path: Path
) -> None:
    path = written(tmp_path, SAY)
    texts = [f"text {number}" for number in range(400)]
    async with running(broker, path) as revisions:

        async def speak() -> None:
            for first in range(0, len(texts), 10):
                await hear(broker, *(message(text) for text in texts[first : first + 10]))

        speaking = asyncio.ensure_future(speak())
        revision = 0
        while not speaking.done():
            path.write_text((SAY, SHOUT)[revision % 2])
            await revisions.reload()
            revision += 1
        await speaking
        found = await outcomes(broker, len(texts))
        await settled(broker)
    assert revision > 3
    replies = {found[f"id of {text}"].replies for text in texts}
    assert replies <= {(Reply(text),) for each in texts for text in (each, each.upper())}
    assert {reply.text.isupper() for (reply,) in replies} == {True, False}
    assert await dead_letters(broker) == []


async def test_a_file_with_errors_changes_nothing(broker: Broker, tmp_path: Path) -> None:
    path = written(tmp_path, SAY)
    async with running(broker, path) as revisions:
        revision = revisions.flow.revision
        path.write_text(BROKEN)
        with pytest.raises(FlowError) as failure:
            await revisions.reload()
        assert [problem.line for problem in failure.value.problems] == [4, 4]
        assert revisions.flow.revision == revision
        await hear(broker, message("still there"))
        found = await outcomes(broker, 1)
        assert found["id of still there"].replies == (Reply("still there"),)


async def test_a_file_of_another_flow_changes_nothing(broker: Broker, tmp_path: Path) -> None:
    path = written(tmp_path, SAY)
    async with running(broker, path) as revisions:
        path.write_text(SHOUT.replace("name: test", "name: other"))
        with pytest.raises(UsageError, match="the file is now of the flow other"):
            await revisions.reload()
        assert revisions.flow.name == "test"


async def test_a_revision_that_no_node_is_ready_for_does_not_start(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READY", 0.5)
    path = written(tmp_path, SAY)
    async with running(broker, path) as revisions:
        revision = revisions.flow.revision
        path.write_text(ELSEWHERE)
        with pytest.raises(OperationError, match="no node is ready for the new revision"):
            await revisions.reload()
        assert revisions.flow.revision == revision
        await hear(broker, message("still there"))
        found = await outcomes(broker, 1)
        assert found["id of still there"].replies == (Reply("still there"),)
        monkeypatch.setattr(module, "READY", 20.0)
        async with serving(broker, "test_shout"):
            _, after = await revisions.reload()
            assert after.revision == revisions.flow.revision != revision
            await hear(broker, message("at last"))
            assert (await outcomes(broker, 2))["id of at last"].replies == (Reply("AT LAST"),)


async def test_what_cannot_be_prepared_changes_nothing(broker: Broker, tmp_path: Path) -> None:
    def refuse(_: Flow) -> Callable[[], None]:
        raise UsageError("listeners.irc: no")

    path = written(tmp_path, SAY)
    async with running(broker, path, refuse) as revisions:
        path.write_text(SHOUT)
        with pytest.raises(UsageError, match=r"listeners\.irc: no"):
            await revisions.reload()
        assert revisions.flow.revision != load(path).revision


async def test_what_is_still_running_at_the_end_is_handed_back(
    broker: Broker, tmp_path: Path
) -> None:
    path = gated(tmp_path)
    async with serving(broker, "test_gate"):
        async with running(broker, path) as revisions:
            await hear(broker, message("old"))
            await until(lambda: started(tmp_path))
            path.write_text(SHOUT)
            await revisions.reload()
        async with asyncio.timeout(5.0), running(broker, path):
            found = await outcomes(broker, 1)
            assert found["id of old"].replies == (Reply("OLD"),)
        (tmp_path / "open").touch()


async def test_every_primary_that_is_asked_reads_its_file_anew(
    broker: Broker, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    path = written(tmp_path, SAY)
    screen = Screen(quiet=True)
    async with running(broker, path) as revisions:
        path.write_text(SHOUT)
        (applied,) = await commands.apply(str(path), (), nats_server.url, None, screen)
        assert applied.is_done
        assert applied.note == "from the next message"
        assert applied.revision == revisions.flow.revision
        (applied,) = await commands.apply(str(path), (), nats_server.url, None, screen)
        assert (applied.is_done, applied.note) == (True, "unchanged")


async def test_a_primary_whose_file_is_another_than_the_one_checked_is_told_of(
    broker: Broker, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    path = written(tmp_path, SAY)
    other = tmp_path / "other.yaml"
    other.write_text(SHOUT)
    async with running(broker, path):
        (applied,) = await commands.apply(str(other), (), nats_server.url, None, Screen(quiet=True))
        assert not applied.is_done
        assert "is not what was checked here" in applied.note
        path.write_text(BROKEN)
        (applied,) = await commands.apply(str(other), (), nats_server.url, None, Screen(quiet=True))
        assert applied.note == "refused: 2 problems in the flow"
        assert applied.answer is not None
        assert [f"{path}:4" in problem for problem in applied.answer.problems] == [True, True]


async def test_a_flow_that_no_primary_runs_cannot_be_applied(
    broker: Broker, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    path = written(tmp_path, SAY)
    with pytest.raises(UsageError, match="no primary runs the flow test"):
        await commands.apply(str(path), (), nats_server.url, None, Screen(quiet=True))
