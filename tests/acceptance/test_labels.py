"""`chatbot labels`: what people taught is listed, moved, rolled back; and it is forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from chatbot.broker import Broker, EmbeddedServer
from chatbot.broker.corrections import Corrections
from chatbot.broker.heads import Heads
from chatbot.cli import cli
from chatbot.errors import ChatbotError, UsageError
from chatbot.inference.examples import read_examples
from chatbot.learning import About, Vote
from chatbot.settings import NATS_URL
from tests.servers.lessons import BEN, CARL, becomes, bot, flow_file
from tests.servers.processes import Program
from tests.servers.rooms import Room

SAID, TAUGHT = "flux warp flux", "install"


async def labels(*arguments: str) -> str:
    """Run the command; return what it prints. What it raises is raised."""
    result = await asyncio.to_thread(
        CliRunner(env={"COLUMNS": "200"}).invoke,
        cli,
        ["labels", *arguments],
        standalone_mode=False,
    )
    if result.exception is not None:
        raise result.exception
    assert result.return_value == 0
    return result.stdout


async def as_json(*arguments: str) -> Any:
    return json.loads(await labels(*arguments, "--json"))


@asynccontextmanager
async def taught(broker: Broker, folder: Path) -> AsyncIterator[Room]:
    """A bot that was taught two things, one of which people disagree on."""
    async with bot(broker, flow_file(folder), nodes=1) as (room, _, _):
        said = await room.hear(SAID)
        other = await room.hear("zoom zoom", sender="dora")
        await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        await room.ask("!label bug", reply_to=other, **BEN)
        await room.ask("!label thanks", reply_to=other, **CARL)
        yield room


@pytest.mark.usefixtures("nats_address")
async def test_what_people_taught_is_listed(broker: Broker, tmp_path: Path) -> None:
    async with taught(broker, tmp_path):
        shown = await labels("list")
        assert "bug (ben) or thanks (carl)?" in shown
        assert "teach nothing until they agree" not in shown, "that is for people to read"
        both = await as_json("list")
        assert [each["text"] for each in both] == ["zoom zoom", SAID], "the last first"
        assert both[1]["label"] == TAUGHT
        [vote] = both[1]["votes"]
        assert (vote["by"], vote["network"], vote["in"]) == ("ben", "net", "#room")
        assert abs(datetime.now(UTC) - datetime.fromisoformat(vote["at"])) < timedelta(minutes=5)
        [contested] = await as_json("list", "--contested")
        assert (contested["label"], contested["labels"]) == (None, ["bug", "thanks"])
        assert await as_json("list", "--label", TAUGHT) == both[1:]
        assert await as_json("list", "--flow", "test") == both
        with pytest.raises(UsageError, match="nothing is known of the flow other that learns"):
            await labels("list", "--flow", "other")


@pytest.mark.usefixtures("nats_address")
async def test_a_disagreement_is_settled(broker: Broker, tmp_path: Path) -> None:
    async with taught(broker, tmp_path) as room:
        [contested] = await as_json("list", "--contested")
        with pytest.raises(UsageError, match="there is no label bgu"):
            await labels("settle", contested["id"], "bgu")
        with pytest.raises(UsageError, match="no text with the id xyz"):
            await labels("settle", "xyz", "bug")
        settled = await as_json("settle", contested["id"], "bug")
        assert settled["labels"] == ["bug"]
        await becomes(room, "zoom zoom", "bug")


@pytest.mark.usefixtures("nats_address")
async def test_all_that_somebody_taught_is_taken_back(broker: Broker, tmp_path: Path) -> None:
    async with taught(broker, tmp_path) as room:
        await becomes(room, SAID, TAUGHT)
        with pytest.raises(UsageError, match="bne taught nothing that holds now") as caught:
            await labels("undo", "bne", "--yes")
        assert caught.value.hint == "did you mean ben?"
        with pytest.raises(UsageError, match="ben taught nothing"):
            await labels("undo", "ben", "--network", "other", "--yes")
        with pytest.raises(Exception, match="say --yes"):
            await labels("undo", "ben")
        assert await as_json("undo", "ben", "--network", "net", "--yes") == {"changed": 2}
        [left] = await as_json("list")
        assert (left["labels"], left["contested"]) == (["thanks"], False)
        await becomes(room, "zoom zoom", "thanks")
        last = (await as_json("history"))[-1]["number"]
        await labels("rollback", "3", "--yes")
        assert last > 3
        assert len(await as_json("list", "--contested")) == 1, "it can be rolled back"


@pytest.mark.usefixtures("nats_address")
async def test_what_people_taught_is_exported_and_imported(broker: Broker, tmp_path: Path) -> None:
    file, rows = tmp_path / "learned.yaml", tmp_path / "learned.json"
    async with taught(broker, tmp_path) as room:
        assert await labels("export") == f"{TAUGHT}:\n  - {SAID}\n"
        await labels("export", "-o", str(file))
        await labels("export", "--json", "-o", str(rows))
        assert len(json.loads(rows.read_text())) == 2
        file.write_text(f"{file.read_text()}  - how is it\nthanks: [zoom]\n")
        assert list(read_examples(file)) == [TAUGHT, "thanks"], "it is a file of examples"
        assert await as_json("import", str(file), "--by", "ben") == {"read": 3, "changed": 2}
        assert await as_json("import", str(rows), "--by", "ben") == {"read": 1, "changed": 0}
        await becomes(room, "zoom", "thanks")
        file.write_text("thanks: [never kept]\nthnks: [x]\n")
        with pytest.raises(UsageError, match=r"no label thnks \(did you mean thanks\?\)"):
            await labels("import", str(file))
        assert "never kept" not in await labels("export")
        for wrong in ("- x\n", "a: b\n", "[1]", "[", "a: [[]]\n"):
            file.write_text(wrong)
            with pytest.raises(UsageError):
                await labels("import", str(file))


@pytest.mark.usefixtures("nats_address")
async def test_every_change_is_in_the_history_and_can_be_rolled_back(
    broker: Broker, tmp_path: Path
) -> None:
    async with taught(broker, tmp_path) as room:
        await becomes(room, SAID, TAUGHT)
        await room.ask("!undo", **BEN)
        found = await as_json("history")
        assert [(e["number"], e["change"], e["label"], e["by"]) for e in found] == [
            (1, "added", TAUGHT, "ben"),
            (2, "added", "bug", "ben"),
            (3, "added", "thanks", "carl"),
            (4, "taken back", "bug", "ben"),
        ]
        assert SAID in await labels("history")
        before = await as_json("list")
        assert await as_json("rollback", "0", "--yes") == {"changed": 2}
        assert await as_json("list") == []
        assert await as_json("rollback", "4", "--yes") == {"changed": 2}
        again = await as_json("list")
        assert sorted(e["labels"] for e in again) == sorted(e["labels"] for e in before)
        assert await as_json("rollback", "4", "--yes") == {"changed": 0}
        with pytest.raises(UsageError, match="there is no change 99: the last one is"):
            await labels("rollback", "99", "--yes")
        with pytest.raises(Exception, match="say --yes"):
            await labels("rollback", "1")


@pytest.mark.usefixtures("nats_address")
async def test_a_shadow_is_shown_and_promoted(broker: Broker, tmp_path: Path) -> None:
    path = flow_file(tmp_path, learning=", shadow: true")
    async with bot(broker, path) as (room, intake, _):
        assert "Nothing runs in the shadow." in await labels("shadow")
        with pytest.raises(UsageError, match="nothing runs in the shadow"):
            await labels("promote")
        said = await room.hear(SAID)
        first = await room.outcome(said)
        await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        async with asyncio.timeout(30):
            while not (found := await as_json("shadow")) or not found[0]["seen"]:
                await room.ask(SAID)
        assert found[0]["runs"] is None, "the file's examples alone"
        assert (found[0]["corrections"], found[0]["contested"]) == (1, 0)
        assert found[0]["shadow"] not in first.revision
        assert "messages differ" in await labels("shadow")
        [record] = intake.records
        assert record.learning is not None
        assert "runs, with 1 corrections" in await labels("promote")
        await becomes(room, SAID, TAUGHT)
        heads = await Heads.open(broker, record.learning.name, record.key)
        assert await heads.next() is None


async def test_the_forgotten_are_in_no_list(
    broker: Broker, nats_server: EmbeddedServer, program: Program
) -> None:
    url = {NATS_URL: nats_server.url}
    code, _, err = await program.run("labels", "list", **url)
    assert code == 2
    assert "write `learning:` in the flow file" in err
    corrections = await Corrections.open(broker, "test", "classify")
    await corrections.introduce(About("test", "classify", ("bug",)))
    code, out, _ = await program.run("labels", "list", **url)
    assert (code, out) == (0, "There are no corrections.\n")
    vote = Vote("bug", "ben", 0, datetime.now(UTC), network="net", sender="anna")
    await corrections.vote("said by anna", "", vote)
    code, _, err = await program.run("forget", "anna", "--yes", **url)
    assert code == 0, err
    code, out, _ = await program.run("labels", "history", **url)
    assert (code, out) == (0, "There are no corrections.\n")


async def test_several_flows_are_told_apart_and_completed(
    broker: Broker, nats_server: EmbeddedServer, nats_address: str
) -> None:
    for flow in ("one", "two"):
        corrections = await Corrections.open(broker, flow, "classify")
        await corrections.introduce(About(flow, "classify", ("bug",)))
    with pytest.raises(ChatbotError, match="several flows learn: which") as caught:
        await labels("list")
    assert isinstance(caught.value, UsageError)
    assert caught.value.hint == "--flow NAME, of one, two"
    assert await as_json("list", "--flow", "two") == []

    def completed() -> list[str]:
        words = ["labels", "list", "--flow"]
        complete = ShellComplete(cli, {}, "chatbot", "_CHATBOT_COMPLETE")
        return [item.value for item in complete.get_completions(words, "t")]

    assert await asyncio.to_thread(completed) == ["two"]


@pytest.mark.usefixtures("nats_address")
async def test_several_labels_and_none_are_listed_settled_and_moved(
    broker: Broker, tmp_path: Path
) -> None:
    corrections = await Corrections.open(broker, "test", "classify")
    await corrections.introduce(About("test", "classify", ("bug", "help"), several=True))
    now = datetime.now(UTC)

    async def say(text: str, by: str, *labels: str) -> None:
        votes = [Vote(name.lstrip("-"), by, 0, now, denied=name[0] == "-") for name in labels]
        await corrections.vote(text, "", *votes, whole=False, several=True)

    await say("both", "ben", "bug", "help")
    await say("none", "ben", "-bug")
    await say("contested", "ben", "bug")
    await say("contested", "carl", "-bug")
    shown = await labels("list")
    assert "bug, help" in shown
    assert "not bug " in shown
    assert "bug (ben) or not bug (carl)?" in shown
    assert "not bug" in await labels("history")
    file = tmp_path / "learned.json"
    await labels("export", "--json", "-o", str(file))
    assert await labels("export") == "bug:\n  - both\nhelp:\n  - both\n"
    before = await corrections.all()
    await labels("rollback", "0", "--yes")
    assert await as_json("import", str(file), "--by", "ben") == {"read": 2, "changed": 2}
    assert {e.text: e.taught for e in await corrections.all()} == {e.text: e.taught for e in before}
    await say("contested", "ben", "bug")
    await say("contested", "carl", "-bug")
    [contested] = await as_json("list", "--contested")
    assert (await as_json("settle", contested["id"], "bug", "help"))["labels"] == ["bug", "help"]
    one = await Corrections.open(broker, "one", "classify")
    await one.introduce(About("one", "classify", ("bug", "help")))
    with pytest.raises(UsageError, match="classify of one gives a text one label"):
        await labels("import", str(file), "--flow", "one")
