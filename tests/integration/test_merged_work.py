"""Work of an operation that makes its own batches of what it is given side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from chatbot_test_operations import Merge, Merging
from dffml import DataFlow, GetSingle, Input

from chatbot.broker import Broker
from chatbot.broker.subjects import Lane
from chatbot.nodes.sizes import MERGED_AT_ONCE
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.orchestrator.run import NatsOrchestratorContext
from tests.integration.test_nodes import serving, texts, waiting
from tests.servers.processes import until

MANY = 300


@pytest.fixture(autouse=True)
def merging() -> Iterator[Merging]:
    Merge.merging = Merging()
    yield Merge.merging
    Merge.merging.go.set()


@asynccontextmanager
async def running(broker: Broker, lane: Lane) -> AsyncIterator[NatsOrchestratorContext]:
    flow = DataFlow(operations={"it": Merge.op, "get_single": GetSingle.op})
    given = Input(value=["merge.passed"], definition=GetSingle.op.inputs["spec"])
    flow.seed.append(given)
    async with NatsOrchestrator.over(broker, "test", lane=lane) as orchestrator:
        async with orchestrator(flow) as octx:
            yield octx


async def results(octx: NatsOrchestratorContext, *given: str) -> set[str]:
    found = {each["merge.passed"] async for _, each in octx.run(texts(Merge.op, *given))}
    return set(found)


async def test_it_is_given_much_at_a_time_and_people_do_not_wait_for_it(
    broker: Broker, merging: Merging
) -> None:
    many = [f"bulk {number}" for number in range(MANY)]
    async with running(broker, Lane.BULK) as bulk, running(broker, Lane.PEOPLE) as people:
        backlog = asyncio.ensure_future(results(bulk, *many))
        await waiting(broker, MANY)
        async with serving(broker, "test_merge"):
            await until(lambda: merging.running == MERGED_AT_ONCE)
            async with asyncio.timeout(10):
                assert await results(people, "lone") == {"lone"}
            assert merging.running == MERGED_AT_ONCE, "the bulk work still runs"
            merging.go.set()
            async with asyncio.timeout(20):
                assert await backlog == set(many)
    assert (1, False) in merging.batches
    assert merging.most == MERGED_AT_ONCE
    assert max(size for size, is_bulk in merging.batches if is_bulk) > 32, "more than one batch"
    assert sum(size for size, is_bulk in merging.batches if is_bulk) == MANY


async def test_what_people_say_at_once_is_given_at_once(broker: Broker, merging: Merging) -> None:
    said = [f"said {number}" for number in range(MANY)]
    async with running(broker, Lane.PEOPLE) as people:
        answers = asyncio.ensure_future(results(people, *said))
        await waiting(broker, MANY)
        async with serving(broker, "test_merge"), asyncio.timeout(20):
            assert await answers == set(said)
    assert all(not is_bulk for _, is_bulk in merging.batches)
    assert len(merging.batches) < MANY / 32
