"""What `chatbot train` makes, on nodes that run: taken over without a restart, and rolled back."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chatbot.broker import Broker
from chatbot.broker.models import every
from chatbot.broker.trained import Chosen, Training
from chatbot.cli import cli
from chatbot.commands import rollout
from chatbot.commands.screen import Screen
from chatbot.errors import ConnectError
from chatbot.inference.revisions import key
from chatbot.nodes import trained
from tests.servers.lessons import BEN, becomes, bot, flow_file, label, revision_of
from tests.servers.processes import until
from tests.servers.rooms import Room

SAID, TAUGHT = "flux warp flux", "install"
WITHIN = 30.0
"""Seconds, as node and test share a process; tests/acceptance/test_learning.py is strict."""

Seen = Callable[[Room], Awaitable[str]]
MORE = """\
greeting: [hi, hello, hey hello, hi you, hey you, hello hello]
thanks: [thanks, thank you, thanks thanks, thank you thanks, thanks you]
bug: [crash, broken, crash error, it is broken, error error, this is broken]
install: [how do i install this, how do i install it, install it, install this how]
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CHATBOT_DATA", str(tmp_path / "data"))


def write_flow(folder: Path, learning: str = "") -> Path:
    path = flow_file(folder, learning=learning)
    (folder / "labels.yaml").write_text(MORE)
    return path


async def train(path: Path, capsys: Any, *arguments: str) -> Any:
    """Run the command; return what it prints of what it keeps, and says."""
    capsys.readouterr()
    words = ["train", str(path), *arguments, "--json"]
    await asyncio.to_thread(cli.main, words, standalone_mode=False)
    out, err = capsys.readouterr()
    return json.loads(out), err


async def revision(room: Room) -> str:
    """Return the revision by which a flow understands that learns."""
    return (await room.outcome(await room.hear("hello"))).revision.partition("+")[2]


async def shown(room: Room) -> str:
    """Return the revision that a flow shows which does not learn."""
    said = await room.hear("hello", id=secrets.token_hex(8))  # of no former room either
    return str((await room.outcome(said)).understood["revision"])


async def changes(room: Room, before: str, seen: Seen = revision) -> str:
    """Wait until another revision runs; return it."""
    async with asyncio.timeout(WITHIN):
        while (now := await seen(room)) == before:
            await asyncio.sleep(0.02)
    return now


@pytest.mark.crash
async def test_nodes_take_over_what_was_trained_and_what_people_taught_stays(
    broker: Broker, nats_address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_flow(tmp_path)
    async with bot(broker, path, nodes=2) as (room, _, _):
        quick = await revision(room)
        said = await room.hear(SAID)
        await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        await becomes(room, SAID, TAUGHT)
        taught = await revision(room)
        [kept], err = await train(path, capsys)
        assert "with 1 correction" in err
        assert "exported for ONNX Runtime in" in err
        assert "nodes take over" in err
        assert (kept["corrections"], kept["current"]) == (1, True)
        tuned = await changes(room, taught)
        assert await label(room, SAID) == TAUGHT
        assert [model.name.rpartition(".")[2] for model in await every(broker)] == [
            kept["revision"]
        ]
        await room.ask("!undo", **BEN)
        await changes(room, tuned)
        await room.ask(f"!label {TAUGHT}", reply_to=said, **BEN)
        await becomes(room, SAID, TAUGHT)
        await train(path, capsys, "--rollback", "quick")
        await changes(room, tuned)
        assert await label(room, SAID) == TAUGHT, "what people taught is not rolled back"
        await room.ask("!undo", **BEN)
        async with asyncio.timeout(WITHIN):
            while await revision(room) != quick:
                await asyncio.sleep(0.02)


async def test_a_revision_is_fetched_by_nodes_that_run_and_by_those_that_come(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_flow(tmp_path)
    plain = re.sub("(learning|roles): .*\\n", "", path.read_text())
    path.write_text(plain.replace("outputs: {", "outputs: {revision: classify.revision, "))
    place, kept = await asyncio.to_thread(revision_of, path)
    training = await Training.open(broker, place)
    async with bot(broker, path) as (room, _, _):
        quick = await shown(room)
        await training.choose(Chosen(kept.about.revision, datetime.now(UTC)), kept.folder)
        assert await changes(room, quick, shown) == kept.about.revision
    monkeypatch.setenv("CHATBOT_DATA", str(tmp_path / "another machine's"))
    async with bot(broker, path) as (room, _, _):
        assert await shown(room) == kept.about.revision, "from the first message on"
        await training.choose(Chosen("", datetime.now(UTC)), None)
        assert await changes(room, kept.about.revision, shown) == quick


async def test_what_cannot_be_had_changes_nothing(
    broker: Broker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trained, "LOOK", 0.05)
    caplog.set_level("DEBUG", trained.__name__)
    path = write_flow(tmp_path)
    place = key(str(tmp_path / "tiny"), ["greeting", "thanks", "bug", "install"])
    training = await Training.open(broker, place)
    async with bot(broker, path) as (room, _, _):
        before = await revision(room)
        await training.choose(Chosen("0" * 32, datetime.now(UTC)), None)
        await until(lambda: caplog.text.count("cannot run with what was trained") > 2)
        assert [each.levelname for each in caplog.records if each.name == trained.__name__][:3] == [
            *("ERROR", "DEBUG", "DEBUG")
        ], "it is said once"
        assert "is not in the object store" in caplog.text
        assert await revision(room) == before


async def test_what_was_chosen_here_later_without_the_server_stays(
    broker: Broker, tmp_path: Path
) -> None:
    path = write_flow(tmp_path)
    place, kept = await asyncio.to_thread(revision_of, path)
    training = await Training.open(broker, place)
    await training.choose(Chosen("", datetime.now(UTC) - timedelta(hours=1)), None)
    kept.folder.parent.parent.rename(tmp_path / "data" / "models")
    async with bot(broker, path) as (room, _, _):
        assert await revision(room) == kept.about.revision


@pytest.mark.crash
async def test_a_server_that_went_away_meanwhile_costs_no_training(tmp_path: Path) -> None:
    place, kept = await asyncio.to_thread(revision_of, write_flow(tmp_path))
    gone = "nats://127.0.0.1:9"
    with pytest.raises(ConnectError, match="nodes were not told of abababababab") as caught:
        await asyncio.to_thread(rollout.choose, gone, place, kept, Screen(quiet=True))
    assert "chatbot train FLOW --rollback abababababab" in caught.value.hint
