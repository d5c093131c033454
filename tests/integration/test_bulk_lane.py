"""Bulk work comes back to an address of its own: values and streams are known there, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from chatbot_test_values import DROP, make, measure, widen
from dffml import DataFlow, Definition, GetMulti, Input
from dffml.operation.dataflow import RunDataFlowConfig, run_dataflow

from chatbot.broker import Broker, subjects
from chatbot.broker.subjects import Lane
from chatbot.nodes import parts
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.integration.test_nodes import serving
from tests.integration.test_streaming import drip_flow, drops
from tests.integration.test_values import emptied, flow, inputs, stored_messages
from tests.servers.processes import until

LANES = pytest.mark.parametrize("lane", Lane)


@asynccontextmanager
async def running(
    broker: Broker, dataflow: DataFlow, given: Any, lane: Lane
) -> AsyncIterator[tuple[NatsOrchestrator, asyncio.Task[list[Any]]]]:
    """Run contexts in `lane`; the task gives their results. The orchestrator outlives them."""
    async with NatsOrchestrator.over(broker, "bulk", lane=lane) as orchestrator:

        async def run() -> list[Any]:
            async with orchestrator(dataflow) as octx:
                return [results async for _, results in octx.run(given)]

        task = asyncio.ensure_future(run())
        try:
            async with asyncio.timeout(30):
                yield orchestrator, task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def within(inner: DataFlow, takes: dict[str, Definition], gives: dict[str, Definition]) -> DataFlow:
    """Return a flow that runs `inner` as its only operation."""
    made = DataFlow(run_dataflow, GetMulti)
    made.operations["inner"] = made.operations.pop(run_dataflow.op.name)._replace(
        inputs=takes, outputs=gives, expand=[]
    )
    made.configs["inner"] = RunDataFlowConfig(inner)
    made.seed.append(Input(value=[*gives], definition=GetMulti.op.inputs["spec"]))
    made.update(auto_flow=True)
    return made


@LANES
async def test_large_values_go_there_and_back_and_leave_nothing(broker: Broker, lane: Lane) -> None:
    value = b"x" * 5_000_000
    dataflow = flow(make, measure, get=["made", "measure.size"])
    async with (
        serving(broker, "test_make", "test_measure"),
        running(broker, dataflow, {"x": inputs(make, recipe="bytes")}, lane) as (_, results),
    ):
        assert await results == [{"made": value, "measure.size": len(value)}]
        await emptied(broker)


@LANES
async def test_large_values_of_a_subflow_leave_nothing(broker: Broker, lane: Lane) -> None:
    inner = flow(make, measure, get=["measure.size"])
    size = measure.op.outputs["size"]
    dataflow = within(inner, make.op.inputs, {size.name: size})
    async with (
        serving(broker, "test_make", "test_measure"),
        running(broker, dataflow, {"x": inputs(make, recipe="bytes")}, lane) as (_, results),
    ):
        assert await results == [{size.name: [5_000_000]}]
        await emptied(broker)


@LANES
async def test_values_that_are_too_large_only_together_leave_nothing(
    broker: Broker, lane: Lane
) -> None:
    values = {name: name * 200_000 for name in "abcdef"}
    dataflow = flow(widen, get=[f"widen.{name}_again" for name in values])
    async with (
        serving(broker, "test_widen"),
        running(broker, dataflow, {"x": inputs(widen, **values)}, lane) as (_, results),
    ):
        assert await results == [{f"widen.{n}_again": value for n, value in values.items()}]
        await emptied(broker)


@LANES
async def test_what_comes_too_late_leaves_nothing(
    broker: Broker, lane: Lane, tmp_path: Path
) -> None:
    """The node stores for a context that has ended meanwhile."""
    given = drops(tmp_path, 3, held=1, size=1_000_000)
    async with (
        serving(broker, "test_drip"),
        running(broker, drip_flow(get="drip.drop"), given, lane) as (orchestrator, results),
    ):
        while not await stored_messages(broker):
            await asyncio.sleep(0.01)
        results.cancel()
        await asyncio.gather(results, return_exceptions=True)
        (tmp_path / "open").touch()
        await until(lambda: orchestrator.dispatcher.dropped)
        await emptied(broker)


@LANES
async def test_large_parts_come_in_order_and_leave_nothing(
    broker: Broker, lane: Lane, tmp_path: Path
) -> None:
    given = drops(tmp_path, 4, held=-1, size=1_000_000)
    async with (
        serving(broker, "test_drip"),
        running(broker, drip_flow(get="drip.drop"), given, lane) as (_, results),
    ):
        expected = [bytes([number]) * 1_000_000 for number in range(4)]
        assert await results == [{DROP.name: expected}]
        await emptied(broker)


@LANES
async def test_what_yields_for_long_goes_on_while_it_is_waited_for_and_no_longer(
    broker: Broker, lane: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ASK", 0.02)
    long, endless = (tmp_path / name for name in ("long", "endless"))
    for folder in (long, endless):
        folder.mkdir()
    given = drops(long, 2, held=1)
    async with (
        serving(broker, "test_drip"),
        running(broker, drip_flow(get="drip.drop"), given, lane) as (orchestrator, results),
    ):
        asked: list[Any] = []

        async def note(message: Any) -> None:
            asked.append(message.data)

        wanted = subjects.wanted_subject(orchestrator.dispatcher.id)
        asking = await broker.nc.subscribe(wanted, cb=note)
        await until(lambda: len(asked) > 3 * parts.SILENCE)
        await asking.unsubscribe()
        (long / "open").touch()
        assert await results == [{DROP.name: [0, 1]}]
    given = drops(endless, 2, held=1)
    async with (
        serving(broker, "test_drip"),
        running(broker, drip_flow(get="drip.drop"), given, lane) as (_, results),
    ):
        await until(lambda: any(endless.glob("started-*")))
        results.cancel()
        await asyncio.gather(results, return_exceptions=True)
        await until(lambda: any(endless.glob("closed-*")))
