"""What an operation yields goes on while the operation still runs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from chatbot_test_values import DROP, drip
from dffml import DataFlow, Definition, GetMulti, Input, op
from dffml.df.base import OperationException

from chatbot.broker import Broker, EmbeddedServer, connect
from chatbot.messages import Part
from chatbot.nodes.partial import partial_results
from chatbot.nodes.parts import MOST_SETS
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.orchestrator.parts import AHEAD, Parts
from chatbot.settings import NATS_URL
from tests.integration.test_values import emptied, stored_messages
from tests.servers.frozen import freeze
from tests.servers.processes import Program, until

SEEN = Definition(name="seen", primitive="generic")
ON_PRIMARY = {"test_drip": "primary"}
PLACES = pytest.mark.parametrize("place", ["node", "primary"])


class Seen:
    """An operation of this process that notes the drops as they come."""

    def __init__(self) -> None:
        self.drops: list[Any] = []

        @op(name="see", inputs={"drop": DROP}, outputs={"seen": SEEN})
        async def see(drop):  # type: ignore[no-untyped-def]
            self.drops.append(drop)
            return {"seen": drop}

        self.operation = see


def drip_flow(*operations: Any, get: str = "seen") -> DataFlow:
    made = DataFlow.auto(drip, *operations, GetMulti)
    made.seed.append(Input(value=[get], definition=GetMulti.op.inputs["spec"]))
    return made


def drops(folder: Path, count: int, held: int, size: int = 0) -> dict[str, list[Input]]:
    values = {"folder": str(folder), "count": count, "held": held, "size": size}
    return {"tap": [Input(value=v, definition=drip.op.inputs[key]) for key, v in values.items()]}


@asynccontextmanager
async def dripping(
    broker: Broker, flow: DataFlow, given: dict[str, list[Input]], place: str = "node"
) -> AsyncIterator[asyncio.Task[dict[str, Any]]]:
    """Run a context; the task gives its result."""

    async def run() -> dict[str, Any]:
        placed = ON_PRIMARY if place == "primary" else None
        async with NatsOrchestrator.over(broker, "drip", placement=placed) as orchestrator:
            async with orchestrator(flow) as octx:
                (result,) = [r async for _, r in octx.run(given)]
                assert orchestrator.dispatcher._yielding._parts == {}
                assert orchestrator.dispatcher._outstanding == {}
                return dict(result)

    task = asyncio.ensure_future(run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def node(nats_server: EmbeddedServer, program: Program) -> AsyncIterator[None]:
    """A node in another process."""
    async with program.start("node", "run", "test_drip", **{NATS_URL: nats_server.url}):
        yield


@PLACES
async def test_what_comes_after_starts_while_the_operation_still_runs(
    broker: Broker, node: None, tmp_path: Path, place: str
) -> None:
    seen = Seen()
    flow = drip_flow(seen.operation)
    async with dripping(broker, flow, drops(tmp_path, 5, held=2), place) as result:
        await until(lambda: len(seen.drops) == 2)
        assert not result.done()
        (tmp_path / "open").touch()
        async with asyncio.timeout(10):
            assert sorted((await result)["seen"]) == [0, 1, 2, 3, 4]
    assert sorted(seen.drops) == [0, 1, 2, 3, 4]


@PLACES
async def test_partial_results_are_seen_over_another_connection_while_it_runs(
    broker: Broker, nats_server: EmbeddedServer, node: None, tmp_path: Path, place: str
) -> None:
    flow = drip_flow(get="drip.drop")
    async with (
        connect(nats_server.url, name="spectator") as other,
        partial_results(other, "drip", "tap") as parts,
        partial_results(other, "drip", "another") as nothing,
        dripping(broker, flow, drops(tmp_path, 3, held=1), place) as result,
    ):
        async with asyncio.timeout(20):
            assert await anext(parts) == ("test_drip", {"drop": 0})
            assert not result.done()
            (tmp_path / "open").touch()
            assert [each async for each in parts] == [
                ("test_drip", {"drop": 1}),
                ("test_drip", {"drop": 2}),
            ]
            await result
        waiting = asyncio.ensure_future(anext(nothing))
        await other.nc.flush()
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_what_a_killed_node_had_sent_is_not_taken_twice(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    seen = Seen()
    url = {NATS_URL: nats_server.url}
    flow = drip_flow(seen.operation)
    async with dripping(broker, flow, drops(tmp_path, 6, held=3)) as result:
        async with program.start("node", "run", "test_drip", **url) as first:
            await until(lambda: len(seen.drops) == 3)
            await first.kill()
        async with program.start("node", "run", "test_drip", **url) as second:
            (tmp_path / "open").touch()
            async with asyncio.timeout(20):
                assert sorted((await result)["seen"]) == [0, 1, 2, 3, 4, 5]
            assert (tmp_path / f"started-{second.pid}").exists()
    assert sorted(seen.drops) == [0, 1, 2, 3, 4, 5], "each was taken once"


@PLACES
async def test_what_was_yielded_before_a_failure_counts(
    broker: Broker, node: None, tmp_path: Path, place: str
) -> None:
    seen = Seen()
    given = drops(tmp_path, 2000, held=-1)
    async with dripping(broker, drip_flow(seen.operation), given, place) as result:
        with pytest.raises(OperationException) as raised:
            async with asyncio.timeout(20):
                await result
    assert isinstance(raised.value.__cause__, ValueError)
    assert str(raised.value.__cause__) == "enough"
    assert seen.drops


async def test_many_parts_come_each_once_and_in_order(
    broker: Broker, node: None, tmp_path: Path
) -> None:
    given = drops(tmp_path, 1000, held=-1)
    async with dripping(broker, drip_flow(get="drip.drop"), given) as result:
        async with asyncio.timeout(20):
            assert (await result)["drip.drop"] == list(range(1000))


async def test_large_parts_are_freed_with_their_context(
    broker: Broker, node: None, tmp_path: Path
) -> None:
    given = drops(tmp_path, 4, held=2, size=1_000_000)
    async with dripping(broker, drip_flow(get="drip.drop"), given) as result:
        while not await stored_messages(broker):
            await asyncio.sleep(0.01)
        (tmp_path / "open").touch()
        async with asyncio.timeout(20):
            found = (await result)["drip.drop"]
        assert found == [bytes([number]) * 1_000_000 for number in range(4)]
        await emptied(broker)


async def test_an_operation_that_nobody_waits_for_is_stopped(
    broker: Broker, node: None, tmp_path: Path
) -> None:
    flow = drip_flow(get="drip.drop")
    async with NatsOrchestrator.over(broker, "drip") as orchestrator:
        async with orchestrator(flow) as octx:
            running = octx.run(drops(tmp_path, 5, held=1))
            task = asyncio.ensure_future(anext(running))
            await until(lambda: any(tmp_path.glob("started-*")))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await running.aclose()
            await until(lambda: any(tmp_path.glob("closed-*")))
    assert not (tmp_path / "open").exists()


async def test_what_yields_faster_than_can_be_sent_waits(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    yielded = 0
    begun = asyncio.Event()

    @op(name="pour", inputs={"start": DROP}, outputs={"seen": SEEN})
    async def pour(start):  # type: ignore[no-untyped-def]
        nonlocal yielded
        begun.set()
        while True:
            yielded += 1
            yield {"seen": yielded}

    made = DataFlow.auto(pour, GetMulti)
    made.seed.append(Input(value=["seen"], definition=GetMulti.op.inputs["spec"]))
    process = nats_server._process
    assert process is not None
    async with dripping(broker, made, {"x": [Input(value=0, definition=DROP)]}):
        async with asyncio.timeout(10):
            await begun.wait()
        freeze(process.pid)
        try:
            before = yielded
            for _ in range(20_000):
                await asyncio.sleep(0)
            # What gathers, what is on its way, and what was yielded meanwhile.
            assert yielded - before <= 4 * MOST_SETS
        finally:
            os.kill(process.pid, signal.SIGCONT)


async def test_what_yields_on_the_primary_waits_for_what_comes_after(broker: Broker) -> None:
    yielded = 0
    go_on = asyncio.Event()
    most = 4 * AHEAD

    @op(name="pour", inputs={"start": DROP}, outputs={"seen": SEEN})
    async def pour(start):  # type: ignore[no-untyped-def]
        nonlocal yielded
        for yielded in range(1, most + 1):
            yield {"seen": yielded}

    @op(name="take", inputs={"seen": SEEN}, outputs={})
    async def take(seen):  # type: ignore[no-untyped-def]
        await go_on.wait()

    pour.imp.cheap = True
    made = DataFlow.auto(pour, take, GetMulti)
    made.seed.append(Input(value=["seen"], definition=GetMulti.op.inputs["spec"]))
    async with dripping(broker, made, {"x": [Input(value=0, definition=DROP)]}) as result:
        await until(lambda: yielded > AHEAD)
        for _ in range(5000):
            await asyncio.sleep(0)
        assert yielded == AHEAD + 1
        go_on.set()
        async with asyncio.timeout(30):
            assert len((await result)["seen"]) == most


def part(first: int, *outputs: int, last: bool = False) -> Part:
    return Part(1, 1, first, [{"n": each} for each in outputs], last)


def taken(parts: Parts) -> list[int]:
    found: list[int] = []
    while (each := parts.ready()) is not None:
        found += [outputs["n"] for outputs in each.outputs] + ([-1] if each.last else [])
    return found


def test_parts_are_put_in_order_and_what_was_taken_is_dropped() -> None:
    parts = Parts()
    parts.put(part(0, 0, 1))
    assert taken(parts) == [0, 1]
    parts.put(part(3, 3, last=True))
    assert taken(parts) == [], "one is missing"
    parts.put(part(0, 0))  # a rerun, which parts them otherwise
    parts.put(part(1, 1, 2))
    assert taken(parts) == [2, 3, -1]


def test_a_last_part_ends_the_call_also_where_a_rerun_gave_less() -> None:
    parts = Parts()
    parts.put(part(0, 0, 1, 2))
    assert taken(parts) == [0, 1, 2]
    parts.put(part(0, 0, last=True))
    assert taken(parts) == [-1]
