"""What is optional is waited for as long as the flow says, and no message is lost for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chatbot.broker import Broker
from chatbot.broker.subjects import Lane
from chatbot.flowfile.load import load
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.primary import orchestrator
from tests.integration.test_intake import dead_letters, hear, message, outcomes, settled, taking
from tests.integration.test_nodes import serving, started
from tests.servers.processes import until

FLOW = """\
version: 1
name: test
operations:
  gate:
    run: {run}
    inputs: {{text: message.text}}
    {config}
    optional: {optional}
  say: {{reply: "{{{{ message.text }}}}: {{{{ gate.text or 'without' }}}}"}}
  more: {{when: "{{{{ not gate.text }}}}", reply: "It is not there."}}
outputs: {{passed: gate.text}}
"""

WITHOUT = ("It is not there.", "{}: without")


def written(folder: Path, optional: str, run: str = "test_gate") -> Path:
    config = f"config: {{folder: {folder}}}" if run == "test_gate" else ""
    path = folder / "test.yaml"
    path.write_text(FLOW.format(run=run, config=config, optional=optional))
    return path


async def said(broker: Broker, count: int) -> dict[str, tuple[str, ...]]:
    """Return what was replied to each of `count` messages, by the messages' ids."""
    found = await outcomes(broker, count)
    return {key: tuple(sorted(each.text for each in o.replies)) for key, o in found.items()}


def without(text: str) -> tuple[str, ...]:
    return tuple(sorted(each.format(text) for each in WITHOUT))


async def test_what_comes_in_time_is_used(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    async with taking(broker, written(tmp_path, "20s")), serving(broker, "test_gate"):
        await hear(broker, message("a"))
        assert await said(broker, 1) == {"id of a": ("a: a",)}


async def test_what_is_late_is_done_without_and_dropped_when_it_comes(
    broker: Broker, tmp_path: Path
) -> None:
    async with taking(broker, written(tmp_path, "400ms")) as intake:
        async with serving(broker, "test_gate"):
            await hear(broker, message("a"))
            assert await said(broker, 1) == {"id of a": without("a")}
            assert started(tmp_path)
            (tmp_path / "open").touch()
            await until(lambda: intake.record().dropped == 1)
            await hear(broker, message("b"))
            assert (await said(broker, 2))["id of b"] == ("b: b",)
            await settled(broker)
    assert await dead_letters(broker) == []


async def test_where_no_node_runs_it_messages_wait_once(broker: Broker, tmp_path: Path) -> None:
    async with taking(broker, written(tmp_path, "1s")) as intake:
        assert intake.missing == [], "nothing that a message needs"
        assert [each.optional for each in intake.records] == [True]
        await hear(broker, message("a"))
        assert (await said(broker, 1))["id of a"] == without("a")
        began = asyncio.get_running_loop().time()
        for number in range(10):
            await hear(broker, message(f"b{number}"))
            await outcomes(broker, 2 + number)
        assert asyncio.get_running_loop().time() - began < 1.0, "the later ones wait for nothing"
        (tmp_path / "open").touch()
        async with serving(broker, "test_gate"):
            async with asyncio.timeout(5):
                count = 11
                while await answer_to(broker, count := count + 1) != ("c: c",):
                    pass


async def answer_to(broker: Broker, count: int) -> tuple[str, ...]:
    await hear(broker, message("c", f"c{count}"))
    return (await said(broker, count))[f"id of c{count}"]


@pytest.mark.parametrize("where", ["", "on: primary\n    "])
async def test_what_fails_fails_no_message(broker: Broker, tmp_path: Path, where: str) -> None:
    path = written(tmp_path, "20s", "test_refuse")
    path.write_text(path.read_text().replace("optional", f"{where}optional"))
    async with taking(broker, path), serving(broker, "test_refuse"):
        await hear(broker, message("a"))
        assert await said(broker, 1) == {"id of a": without("a")}
        await settled(broker)
    assert await dead_letters(broker) == []


async def test_bulk_work_waits_for_as_long_as_it_takes(broker: Broker, tmp_path: Path) -> None:
    flow = load(written(tmp_path, "100ms"))
    async with (
        Roster.follow(broker) as roster,
        orchestrator(broker, flow, Lane.BULK, roster) as running,
        running(flow.dataflow) as octx,
        serving(broker, "test_gate"),
    ):
        await until(lambda: any(node.operations for node in roster.nodes))
        definition = octx.definition("message.text")

        async def run() -> object:
            from dffml import Input

            async for _, results in octx.run({"a": [Input(value="a", definition=definition)]}):
                return results["understood"]
            return None

        result = asyncio.ensure_future(run())
        await until(lambda: started(tmp_path))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.shield(result)
        (tmp_path / "open").touch()
        assert await result == {"passed": "a"}
