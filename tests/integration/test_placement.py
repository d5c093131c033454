"""Where operations run: on the primary, on nodes, on nodes with labels; and what is said of it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chatbot_test_operations import Gate, shout
from dffml import DataFlow, Definition, GetSingle, Input, MemoryOrchestrator, op
from dffml.df.types import InputFlow

from chatbot.broker import Broker, EmbeddedServer
from chatbot.errors import OperationError, UsageError
from chatbot.flowfile.load import load
from chatbot.nodes import shortage, worker
from chatbot.nodes.node import Node
from chatbot.nodes.roster import Roster
from chatbot.orchestrator import placement as placing
from chatbot.orchestrator.configuration import NatsOrchestratorConfig
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.orchestrator.primary import primary
from chatbot.settings import NATS_URL
from tests.integration.test_intake import hear, message, outcomes, settled
from tests.integration.test_nodes import gate_flow, running, started, texts
from tests.servers.processes import Program, until

configured: Any = NatsOrchestratorConfig
GATED, LOUD = "gate.passed", "shout.loud"


def gate_then_shout(folder: Path) -> DataFlow:
    """Text through the gate, and then in capitals."""
    flow = DataFlow(
        operations={"gate": Gate.op, "shout": shout.op, "get_single": GetSingle.op},
        configs={"gate": {"folder": str(folder)}},
        flow={
            "gate": InputFlow(inputs={"text": ["seed"]}),
            "shout": InputFlow(inputs={"text": [{"gate": "text"}]}),
            "get_single": InputFlow(inputs={"spec": ["seed"]}),
        },
    )
    flow.seed.append(Input(value=[LOUD], definition=GetSingle.op.inputs["spec"]))
    return flow


@asynccontextmanager
async def labelled(
    broker: Broker, names: Sequence[str], labels: Sequence[str] = (), told: list[str] | None = None
) -> AsyncIterator[Node]:
    """Run a node in this process."""
    said = [] if told is None else told
    node = Node(broker, names, labels=labels, progress=said.append)
    task = asyncio.ensure_future(node.run())
    try:
        yield node
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def done(node: Node) -> Counter[str]:
    """Return how many calls of each operation the node has done."""
    counts: Counter[str] = Counter()
    for each in node.record().operations.values():
        counts[each.name] += each.done
    return +counts


async def results(broker: Broker, flow: DataFlow, inputs: Any, **kwargs: Any) -> list[Any]:
    async with asyncio.timeout(20), NatsOrchestrator.over(broker, "test", **kwargs) as orchestrator:
        async with orchestrator(flow) as octx:
            return [result async for _, result in octx.run(inputs)]


async def test_each_operation_runs_on_the_nodes_that_its_labels_name(
    broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "open").touch()
    both = ["test_gate", "test_shout"]
    placement = {"gate": ["gpu", "size=large"], "shout": "host=db1"}
    async with (
        labelled(broker, both) as plain,
        labelled(broker, both, ["gpu"]) as small,
        labelled(broker, both, ["gpu=a100", "size=large"]) as large,
        labelled(broker, both, ["host=db1"]) as host,
    ):
        given = texts(Gate.op, "a", "b")
        over = NatsOrchestrator.over(broker, "test", placement=placement)
        async with asyncio.timeout(20), over as orchestrator:
            async with orchestrator(gate_then_shout(tmp_path)) as octx:
                found = [result async for _, result in octx.run(given)]
                assert sorted(each[LOUD] for each in found) == ["A", "B"]
                # Nodes forget it with the flow: look while that is there.
                assert done(large) == {"test_gate": 2}
                assert done(host) == {"test_shout": 2}
                assert not done(plain) | done(small)


FLOW = """\
version: 1
name: test
operations:
  gate:
    run: test_gate
    inputs: {{text: message.text}}
    config: {{folder: {folder}}}
    on: gpu
  shout: {{run: test_shout, inputs: {{text: gate.text}}, on: [host=db1]}}
  say: {{run: test_say, inputs: {{text: shout.text}}}}
"""


async def test_a_flow_file_places_and_a_labelled_node_may_come_late(
    broker: Broker,
    nats_server: EmbeddedServer,
    program: Program,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "open").touch()
    path = tmp_path / "test.yaml"
    path.write_text(FLOW.format(folder=tmp_path))
    url = {NATS_URL: nats_server.url}
    async with (
        Roster.follow(broker) as roster,
        primary(broker, load(path), roster) as intake,
        program.start("node", "run", "test_gate", "test_shout", **url) as plain,
        program.start("node", "run", "test_shout", "--label", "host=db1", **url) as db1,
    ):
        await hear(broker, message("hello"))
        await plain.wait_for("test_gate for test is for nodes with gpu; this one has host=")
        await db1.wait_for("running test_shout")
        await until(lambda: "no node runs gate (on gpu)" in caplog.text)
        assert "start one with: chatbot node run test_gate --label gpu\n" in caplog.text
        assert intake.missing == ["gate"]
        assert intake.record().contexts == 1
        async with program.start("node", "run", "test_gate", "--label", "gpu", **url) as gpu:
            (outcome,) = (await outcomes(broker, 1)).values()
            await settled(broker)
            assert started(tmp_path, gpu.pid)
            assert next(node.labels for node in roster.nodes if node.pid == gpu.pid)[0] == "gpu"
    assert [reply.text for reply in outcome.replies] == ["HELLO"]
    assert caplog.text.count("no node runs") == 1, "said once"


async def test_what_is_placed_on_the_primary_needs_no_node(broker: Broker) -> None:
    flow = DataFlow(operations={"it": shout.op, "get_single": GetSingle.op})
    flow.seed.append(Input(value=[LOUD], definition=GetSingle.op.inputs["spec"]))
    found = await results(broker, flow, texts(shout.op, "a"), placement={"it": "primary"})
    assert found == [{LOUD: "A"}]


async def test_labels_are_in_the_key_and_configurations_too(broker: Broker, tmp_path: Path) -> None:
    keys = set()
    for placement in (None, {"it": "nodes"}, {"it": "gpu"}, {"it": ["gpu", "size=large"]}):
        async with NatsOrchestrator.over(broker, "t", placement=placement) as orchestrator:
            async with orchestrator(gate_flow(tmp_path)):
                keys |= {record.key for record in orchestrator.records}
    assert len(keys) == 3, "unplaced, it is on nodes"


def test_processes_of_two_protocols_never_share_the_work_of_an_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a node would take the work of a newer primary of the same flow."""
    before = placing.record(shout.op, None).key
    assert placing.record(shout.op, None).key == before
    monkeypatch.setattr(placing, "PROTOCOL", 99)
    assert placing.record(shout.op, None).key != before


@pytest.mark.parametrize("where", ["node", [], "gpu size", ["gpu", "primary"]])
def test_a_wrong_placement_is_refused_with_its_name(where: Any) -> None:
    with pytest.raises(OperationError, match="the placement of it"):
        NatsOrchestrator(configured(placement={"it": where}))


async def test_a_wrong_label_of_a_node_is_refused(broker: Broker) -> None:
    with pytest.raises(UsageError):
        Node(broker, ["test_gate"], labels=["nodes"])


async def test_what_must_run_on_the_primary_does_and_that_is_said(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    flow = DataFlow(operations={"it": shout.op, "last": GetSingle.op})
    flow.seed.append(Input(value=[LOUD], definition=GetSingle.op.inputs["spec"]))
    placement = {"it": "primary", "last": "nodes", "itt": "gpu"}
    assert await results(broker, flow, texts(shout.op, "a"), placement=placement) == [{LOUD: "A"}]
    assert "last runs on the primary, as an operation of the stage OUTPUT does" in caplog.text
    assert (
        "a placement is for itt, which the dataflow does not have: did you mean it?" in caplog.text
    )


async def test_what_only_this_process_has_cannot_be_for_labelled_nodes(broker: Broker) -> None:
    @op(name="closure", inputs={"text": Definition("closure.text", "string")}, outputs={})
    async def closure(text):  # type: ignore[no-untyped-def]
        return None

    with pytest.raises(OperationError, match="only this process has it"):
        await results(broker, DataFlow(closure), {}, placement={"closure": "gpu"})


async def test_without_an_address_the_own_node_has_every_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(NATS_URL, raising=False)
    flow = DataFlow(operations={"it": shout.op, "get_single": GetSingle.op})
    flow.seed.append(Input(value=[LOUD], definition=GetSingle.op.inputs["spec"]))
    orchestrator = NatsOrchestrator(configured(placement={"it": "gpu"}))
    async with asyncio.timeout(20), orchestrator:
        async with orchestrator(flow) as octx:
            found = [result async for _, result in octx.run(texts(shout.op, "a"))]
    assert found == [{LOUD: "A"}]


async def test_two_revisions_at_a_time_have_each_their_own(broker: Broker, tmp_path: Path) -> None:
    """The same flow and operation under two configurations, as during an upgrade of the flow."""
    folders = [tmp_path / name for name in ("old", "new")]
    for folder in folders:
        folder.mkdir()
    async with labelled(broker, ["test_gate"]) as node:
        async with running(broker, gate_flow(folders[0]), texts(Gate.op, "a")) as old:
            await until(lambda: started(folders[0]))
            ours = set(node.record().operations)
            async with running(broker, gate_flow(folders[1]), texts(Gate.op, "b")) as new:
                await until(lambda: started(folders[1]))
                assert len(set(node.record().operations) - ours) == 1
                for folder in folders:
                    (folder / "open").touch()
                async with asyncio.timeout(10):
                    assert (await old, await new) == (Counter("a"), Counter("b"))
    assert [next(folder.glob("started-*")).read_text() for folder in folders] == ["a\n", "b\n"]


async def test_a_node_with_an_older_revision_takes_no_work_of_the_new_one(
    broker: Broker, tmp_path: Path
) -> None:
    """The new revision is for other nodes: the old one's node does not touch its work."""
    folders = [tmp_path / name for name in ("old", "new")]
    for folder in folders:
        folder.mkdir()
        (folder / "open").touch()
    flow, new_flow = (gate_flow(folder) for folder in folders)
    async with labelled(broker, ["test_gate"]) as older:
        async with NatsOrchestrator.over(broker, "test") as orchestrator:
            async with orchestrator(flow) as octx:
                assert [r async for _, r in octx.run(texts(Gate.op, "a"))] == [{GATED: "a"}]
                new = asyncio.ensure_future(
                    results(broker, new_flow, texts(Gate.op, "b"), placement={"it": "new"})
                )
                async with Roster.follow(broker) as roster:
                    await until(lambda: roster.nodes)
                    assert [r async for _, r in octx.run(texts(Gate.op, "c"))] == [{GATED: "c"}]
                    assert not new.done()
                    async with labelled(broker, ["test_gate"], ["new"]):
                        assert await new == [{GATED: "b"}]
                assert done(older) == {"test_gate": 2}
    assert next(folders[0].glob("started-*")).read_text() == "a\nc\n"


async def test_what_no_node_offers_is_said_once_and_again_when_it_changes(
    broker: Broker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shortage, "PATIENCE", 0.0)
    monkeypatch.setattr(worker, "DRAIN", 0.0)
    caplog.set_level(logging.INFO, "chatbot.nodes.shortage")

    def said(text: str) -> int:
        ours = [each for each in caplog.records if each.name == shortage.__name__]
        return sum(text in record.getMessage() for record in ours)

    async with running(broker, gate_flow(tmp_path), texts(Gate.op, "a")) as found:
        await until(lambda: said("no node runs it"))
        async with labelled(broker, ["test_gate"]):
            await until(lambda: said("nodes run all operations again"))
        await until(lambda: said("no node runs it") == 2)
        (tmp_path / "open").touch()
        async with labelled(broker, ["test_gate"]), asyncio.timeout(10):
            assert await found == Counter("a")
    assert said("start one with: chatbot node run test_gate") == 2
    assert said("") == 3, caplog.text


async def test_it_is_not_said_again_at_each_look(
    broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortage, "PATIENCE", 0.0)
    gate, loud = (placing.record(operation, None) for operation in (Gate.op, shout.op))
    async with Roster.follow(broker) as roster:
        looking = shortage.Shortage(roster)
        looking.look([gate], waits=False)
        assert not caplog.records, "nothing waits"
        for _ in range(5):
            looking.look([gate], waits=True)
            looking.look([gate], waits=False)
        assert len(caplog.records) == 1
        for _ in range(5):
            looking.look([gate, loud], waits=True)
        assert len(caplog.records) == 2, "that another is missing is new"


@dataclass
class Wanting:
    thing: str


async def test_nothing_is_said_of_what_only_this_process_has(
    nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own node runs it, or says itself why it cannot."""
    monkeypatch.setenv(NATS_URL, nats_server.url)
    monkeypatch.setattr(shortage, "PATIENCE", 0.0)
    text = Definition("closure.text", "string")

    @op(name="unable", inputs={"text": text}, outputs={}, config_cls=Wanting)
    async def unable(self, text):  # type: ignore[no-untyped-def]
        return None

    @op(name="patient", inputs={"text": text}, outputs={})
    async def patient(text):  # type: ignore[no-untyped-def]
        await asyncio.Event().wait()

    given = [Input(value="x", definition=each) for each in (text, shout.op.inputs["text"])]
    async with asyncio.timeout(20), NatsOrchestrator.withconfig({}) as orchestrator:
        flow = DataFlow(unable, patient, shout)
        flow.configs["unable"] = {"another": "thing"}
        async with orchestrator(flow) as octx:
            task = asyncio.ensure_future(_all(octx.run({"x": given})))
            await until(lambda: "no node runs test_shout:" in caplog.text)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert "cannot run unable" in caplog.text
    assert caplog.text.count("no node runs") == 1


async def _all(given: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in given]


async def test_a_dataflow_that_cannot_start_is_said_once_and_may_be_given_what_it_lacks(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    flow = DataFlow(
        operations={"it": shout.op, "get_single": GetSingle.op},
        flow={
            "it": InputFlow(inputs={"text": [{"ghost": "text"}, {"it": "text"}]}),
            "get_single": InputFlow(inputs={"spec": ["seed"]}),
        },
    )
    flow.seed.append(Input(value=[], definition=GetSingle.op.inputs["spec"]))
    for kind in (MemoryOrchestrator.withconfig({}), NatsOrchestrator.over(broker, "t")):
        async with asyncio.timeout(20), kind as orchestrator:
            for _ in range(2):
                async with orchestrator(flow) as octx:
                    assert [result async for _, result in octx.run({"x": []})] == [{}]
    assert caplog.text.count("`it` can never start: its input `text` comes only from itself") == 1
