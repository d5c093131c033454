"""Nodes: late ones, killed ones, draining ones, and what they refuse."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from chatbot_test_operations import Gate, fail, shout
from dffml import DataFlow, Definition, GetSingle, Input

from chatbot.broker import Broker, EmbeddedServer
from chatbot.broker.gauge import queues
from chatbot.errors import OperationError
from chatbot.nodes.node import Node
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.settings import NATS_URL
from tests.servers.processes import Program, until

TEXT = Definition(name="text", primitive="string")


def gate_flow(folder: Path) -> DataFlow:
    """Text through the gate: a node says that it has begun, and waits for leave to go on."""
    return _flow(Gate.op, "gate.passed", config={"folder": str(folder)})


def _flow(operation: Any, gives: str, config: dict[str, Any] | None = None) -> DataFlow:
    flow = DataFlow(
        operations={"it": operation, "get_single": GetSingle.op},
        configs={"it": config} if config else {},
    )
    flow.seed.append(Input(value=[gives], definition=GetSingle.op.inputs["spec"]))
    return flow


def texts(operation: Any, *values: str) -> dict[str, list[Input]]:
    return {value: [Input(value=value, definition=operation.inputs["text"])] for value in values}


@asynccontextmanager
async def running(
    broker: Broker, flow: DataFlow, inputs: dict[str, list[Input]]
) -> AsyncIterator[asyncio.Task[Counter[str]]]:
    """Run `inputs` through `flow`; the task gives how often each context was finished."""

    async def run() -> Counter[str]:
        async with NatsOrchestrator.over(broker, "test") as orchestrator:
            async with orchestrator(flow) as octx:
                return Counter([str(ctx) async for ctx, _ in octx.run(inputs)])

    task = asyncio.ensure_future(run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def started(folder: Path, pid: int | None = None) -> bool:
    return any(folder.glob(f"started-{pid or '*'}"))


async def test_work_of_a_killed_node_is_done_by_another(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    inputs = texts(Gate.op, *(f"text {n}" for n in range(20)))
    url = {NATS_URL: nats_server.url}
    async with running(broker, gate_flow(tmp_path), inputs) as results:
        async with program.start("node", "run", "test_gate", **url) as first:
            await until(lambda: started(tmp_path, first.pid))
            await first.kill()
        killed = asyncio.get_running_loop().time()
        async with program.start("node", "run", "test_gate", **url) as second:
            (tmp_path / "open").touch()
            async with asyncio.timeout(20):
                assert await results == Counter(inputs.keys())
            assert started(tmp_path, second.pid)
        assert asyncio.get_running_loop().time() - killed < 10.0


async def test_a_node_that_drains_finishes_what_runs_and_hands_back_the_rest(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    inputs = texts(Gate.op, *(f"text {n}" for n in range(6)))
    url = {NATS_URL: nats_server.url}
    async with running(broker, gate_flow(tmp_path), inputs) as results:
        async with program.start("node", "run", "test_gate", **url) as first:
            await until(lambda: started(tmp_path, first.pid))
            first.signal(signal.SIGTERM)
            (tmp_path / "open").touch()
            assert await first.ended(10.0) == 0
        done = (tmp_path / f"started-{first.pid}").read_text().splitlines()
        async with program.start("node", "run", "test_gate", **url) as second:
            async with asyncio.timeout(20):
                assert await results == Counter(inputs.keys())
        again = (tmp_path / f"started-{second.pid}").read_text().splitlines()
        assert not set(done) & set(again), "what it finished is not run again"


async def test_many_nodes_share_the_work(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    inputs = texts(Gate.op, *(f"text {n}" for n in range(200)))
    url = {NATS_URL: nats_server.url}
    async with (
        program.start("node", "run", "test_gate", **url) as one,
        program.start("node", "run", "test_gate", **url) as two,
        running(broker, gate_flow(tmp_path), inputs) as results,
    ):
        # While the first of them waits at the gate, the second has taken its share.
        await until(lambda: started(tmp_path, one.pid) and started(tmp_path, two.pid))
        (tmp_path / "open").touch()
        async with asyncio.timeout(20):
            assert await results == Counter(inputs.keys())
        shares = [
            len((tmp_path / f"started-{node.pid}").read_text().splitlines()) for node in (one, two)
        ]
    assert sum(shares) == 200, "each was run once"
    assert min(shares) > 1, shares


async def test_a_node_may_come_late(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    inputs = texts(Gate.op, "a", "b")
    async with running(broker, gate_flow(tmp_path), inputs) as results:
        await waiting(broker, 2)
        async with serving(broker, "test_gate"), asyncio.timeout(10):
            assert await results == Counter("ab")


async def test_a_node_may_come_first(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    async with serving(broker, "test_gate"):
        inputs = texts(Gate.op, "a")
        async with running(broker, gate_flow(tmp_path), inputs) as results, asyncio.timeout(10):
            assert await results == Counter("a")


async def test_a_node_runs_only_what_its_command_line_names(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    async with serving(broker, "test_shout"), Roster.follow(broker) as roster:
        async with running(broker, gate_flow(tmp_path), texts(Gate.op, "a")) as results:
            await until(lambda: roster.nodes)
            async with running(broker, _flow(shout.op, "shout.loud"), texts(shout.op, "b")) as more:
                async with asyncio.timeout(10):
                    assert await more == Counter("b")
            assert not results.done()
    assert not started(tmp_path)


async def test_an_exception_is_the_result_of_its_own_call(broker: Broker) -> None:
    inputs = texts(fail.op, "fine", "fail", "fine too")
    flow = _flow(fail.op, "fail.passed")
    async with serving(broker, "test_fail"), NatsOrchestrator.over(broker, "t") as orchestrator:
        async with orchestrator(flow) as octx, asyncio.timeout(10):
            found = {str(ctx): r async for ctx, r in octx.run(inputs, strict=False)}
    assert found["fine"] == {"fail.passed": "fine"}
    assert found["fine too"] == {"fail.passed": "fine too"}
    assert "fail.passed" not in found.get("fail", {})


async def test_an_operation_that_is_not_installed_is_refused_with_a_near_name(
    broker: Broker,
) -> None:
    with pytest.raises(OperationError) as raised:
        Node(broker, ["test_shot"])
    assert "test_shout" in raised.value.hint


async def test_two_flows_on_one_server_do_not_touch_each_other(
    broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "open").touch()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        (folder / "open").touch()
    async with serving(broker, "test_gate"):
        async with (
            running(broker, gate_flow(folders[0]), texts(Gate.op, "a")) as one,
            running(broker, gate_flow(folders[1]), texts(Gate.op, "b")) as two,
        ):
            async with asyncio.timeout(10):
                assert (await one, await two) == (Counter("a"), Counter("b"))
    (first,) = folders[0].glob("started-*")
    (second,) = folders[1].glob("started-*")
    assert (first.read_text(), second.read_text()) == ("a\n", "b\n")


async def waiting(broker: Broker, messages: int) -> None:
    """Wait until so much work waits for a node."""
    async with asyncio.timeout(10):
        while True:
            queued = [q for q in await queues(broker) if q.queue == "WORK"]
            if queued and queued[0].stored >= messages:
                return


@asynccontextmanager
async def serving(broker: Broker, *names: str) -> AsyncIterator[Node]:
    """Run a node in this process."""
    node = Node(broker, names)
    task = asyncio.ensure_future(node.run())
    try:
        yield node
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
