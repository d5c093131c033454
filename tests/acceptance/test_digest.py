"""flows/digest.yaml as it runs: told once, whoever is killed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chatbot.broker import Broker, subjects
from chatbot.broker.memory import Memory
from chatbot.flowfile.load import load
from chatbot.messages import ChatMessage, Outcome
from tests.servers.crashing import FLOW, Site, killed_itself
from tests.servers.processes import ROOT, until

pytestmark = pytest.mark.crash

OWN = """\
version: 1
name: crash
include: [{{file: {digest}, with: {{room: "#room"}}}}]
listeners: {{platform: {{kind: test_platform, folder: {folder}}}}}
schedules: {{day: {{in: ["platform/#room", "platform/#silent"]}}}}
"""
SAID = ["how do I build it on windows?", "is there a mirror in Asia?", "good morning"]


def write(folder: Path) -> Path:
    path = folder / "data" / "crash.yaml"
    path.write_text(OWN.format(digest=ROOT / "flows" / "digest.yaml", folder=folder))
    return path


async def kept(broker: Broker, path: Path) -> dict[str, Any]:
    """Return what the flow keeps for the room."""
    memory = await Memory.open(broker, FLOW)
    asking = ChatMessage("?", "platform", "#room", "anna", "", datetime.now(UTC), account="anna")
    return await memory.values(load(path).state, asking)


@pytest.mark.parametrize("point", ["stored IN", "sent OUT", "stored OUT", "kept", "said"])
async def test_a_digest_is_told_once_by_two_primaries_of_which_one_is_killed(
    nats_server: Any, broker: Broker, tmp_path: Path, point: str
) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    site = Site(tmp_path, nats_server, broker)
    path = write(tmp_path)
    memory = await Memory.open(broker, FLOW)
    await memory.note("day", datetime.now(UTC) + timedelta(days=1))
    async with site.start("whole"):
        site.post(*SAID)
        await until_counted(broker, path, len(SAID))
    await memory.note("day", datetime.now(UTC) - timedelta(days=2))
    async with site.start("whole", point) as doomed:
        await killed_itself(doomed)
        async with site.start("whole") as one, site.start("whole") as other:
            await until(lambda: "listens" in one.out + one.err + other.out + other.err, 90.0)
            await until(lambda: len(site.said()) >= 2, 40.0)
            await site.settled()
            await until_counted(broker, path, 0)
    texts = [text for each in site.said().values() for text in each]
    assert sorted(text.partition(" ")[0] for text in texts) == ["Today:", "Unanswered:"]
    assert any("3 messages of 1 person, 2 questions, 2 unanswered" in text for text in texts)
    decided = await site.stored(subjects.out_stream(FLOW), Outcome)
    assert len([each for each in decided if each.id.startswith("schedule/")]) == 2
    assert await kept(broker, path) | {"met": 0} == {
        "messages": 0,
        "people": 0,
        "notes": [],
        "period": 1,
        "met": 0,
    }


async def until_counted(broker: Broker, path: Path, count: int) -> None:
    async with asyncio.timeout(90.0):
        while (await kept(broker, path))["messages"] != count:
            await asyncio.sleep(0.05)
