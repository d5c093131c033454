"""NatsOrchestrator behaves as DFFML's MemoryOrchestrator does; both run the same flows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dffml import DataFlow, Input, MemoryOrchestrator
from dffml.df.base import OperationException
from dffml.operation.dataflow import RunDataFlowConfig, run_dataflow

from chatbot.broker import Broker, EmbeddedServer, subjects
from chatbot.errors import RemoteError
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.settings import NATS_URL
from tests.integration import contract
from tests.integration.contract import flow, numbers, others

BOTH = pytest.mark.parametrize("kind", [MemoryOrchestrator, NatsOrchestrator])


@pytest.fixture(autouse=True)
def server(nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NATS_URL, nats_server.url)


async def run(kind: Any, dataflow: DataFlow, *inputs: Any, **kwargs: Any) -> dict[str, Any]:
    async with asyncio.timeout(30), kind.withconfig({}) as orchestrator:
        async with orchestrator(dataflow) as octx:
            return {str(ctx): result async for ctx, result in octx.run(*inputs, **kwargs)}


async def only(kind: Any, dataflow: DataFlow, *inputs: Any, **kwargs: Any) -> Any:
    (result,) = (await run(kind, dataflow, *inputs, **kwargs)).values()
    return {key: sorted(value) for key, value in result.items()}


@BOTH
async def test_inputs_are_combined_as_a_product(kind: Any) -> None:
    found = await only(
        kind, flow(contract.add, get=["sum"]), {"x": numbers(1, 2) + others(3, 4, 5)}
    )
    assert found == {"sum": [13, 14, 15, 23, 24, 25]}


@BOTH
async def test_conditions_gate_operations(kind: Any) -> None:
    dataflow = flow(contract.is_big, contract.spell, get=["flag", "number"])
    assert await only(kind, dataflow, {"x": numbers(3)}) == {"flag": [False], "number": [3]}
    dataflow = flow(contract.is_big, contract.spell, get=["word"])
    assert await only(kind, dataflow, {"x": numbers(7)}) == {"word": ["big 7"]}


@BOTH
async def test_expanded_outputs_are_values_of_their_own(kind: Any) -> None:
    found = await only(kind, flow(contract.split, get=["word"]), {"x": numbers(123)})
    assert found == {"word": ["1", "2", "3"]}


@BOTH
async def test_generators_give_a_set_of_outputs_for_each_yield(kind: Any) -> None:
    found = await only(kind, flow(contract.count, get=["word"]), {"x": numbers(3)})
    assert found == {"word": ["w0", "w1", "w2"]}


@BOTH
async def test_a_default_stands_for_what_nobody_gives(kind: Any) -> None:
    dataflow = flow(contract.hinted, get=["word"])
    assert await only(kind, dataflow, {"x": numbers(1)}) == {"word": ["none1"]}
    given = [Input(value="h", definition=contract.HINT)]
    assert await only(kind, dataflow, {"x": given + numbers(1)}) == {"word": ["h1"]}


@BOTH
async def test_an_operation_without_inputs_starts_by_itself(kind: Any) -> None:
    assert await only(kind, flow(contract.start, get=["word"]), {"x": []}) == {"word": ["started"]}


@BOTH
async def test_alternate_definitions_are_taken_from_the_seed(kind: Any) -> None:
    assert await only(kind, contract.alternate_flow(), {"x": others(9)}) == {"flag": [True]}


@BOTH
async def test_none_adds_nothing(kind: Any) -> None:
    found = await only(kind, flow(contract.nothing, get=["number"]), {"x": numbers(1)})
    assert found == {"number": [1]}


@BOTH
async def test_cleanup_runs_also_after_a_failure(kind: Any) -> None:
    contract.CLEANED.clear()
    with pytest.raises(OperationException):
        await only(kind, flow(contract.broken, contract.clean, get=["word"]), {"x": numbers(4)})
    assert contract.CLEANED == [4]


@BOTH
async def test_contexts_do_not_see_each_other(kind: Any) -> None:
    inputs = {name: numbers(n) + others(n) for n, name in enumerate("abc")}
    found = await run(kind, flow(contract.add, get=["sum"], single=True), inputs)
    assert found == {"a": {"sum": 0}, "b": {"sum": 11}, "c": {"sum": 22}}


@BOTH
async def test_a_subflow_runs_as_an_operation(kind: Any) -> None:
    inner = flow(contract.spell_it, get=["spelled"], single=True)
    outer = flow(run_dataflow, get=["spelled"], single=True)
    outer.operations[run_dataflow.op.name] = run_dataflow.op._replace(
        inputs={"plain": contract.PLAIN}, outputs={"spelled": contract.SPELLED}, expand=[]
    )
    outer.configs[run_dataflow.op.name] = RunDataFlowConfig(inner)
    outer.update(auto_flow=True)
    inputs = {"x": [Input(value="abc", definition=contract.PLAIN)]}
    assert await run(kind, outer, inputs) == {"x": {"spelled": "a-b-c"}}


async def test_what_a_node_raises_is_the_cause() -> None:
    with pytest.raises(OperationException) as raised:
        await run(NatsOrchestrator, flow(contract.broken, get=["word"]), {"x": numbers(4)})
    cause = raised.value.__cause__
    assert isinstance(cause, ValueError)
    assert isinstance(cause.__cause__, RemoteError)
    assert "as asked" in cause.__cause__.trace


async def test_where_it_is_not_strict_the_rest_goes_on() -> None:
    dataflow = flow(contract.broken, contract.split, get=["word"])
    found = await only(NatsOrchestrator, dataflow, {"x": numbers(42)}, strict=False)
    assert found == {"word": ["2", "4"]}


async def test_inputs_may_come_from_a_generator_without_end() -> None:
    taken = 0

    async def endless() -> AsyncIterator[list[Input]]:
        nonlocal taken
        while True:
            taken += 1
            yield numbers(taken)

    seen = 0
    async with asyncio.timeout(30), NatsOrchestrator.withconfig({}) as orchestrator:
        async with orchestrator(flow(contract.is_big, get=["flag"]), max_ctxs=8) as octx:
            async for _ in octx.run(endless()):
                seen += 1
                assert taken <= seen + 9, "no more is taken than may run at once"
                if seen == 100:
                    break


async def test_nothing_is_kept_of_contexts_that_have_ended() -> None:
    inputs = {str(n): numbers(n) for n in range(200)}
    async with asyncio.timeout(30), NatsOrchestrator.withconfig({}) as orchestrator:
        async with orchestrator(flow(contract.is_big, get=["flag"])) as octx:
            assert len([each async for each in octx.run(inputs)]) == 200
            assert octx.ictx.entries == {}
            assert orchestrator.dispatcher._outstanding == {}


async def test_nothing_is_kept_of_operations_that_only_this_process_had(broker: Broker) -> None:
    await only(NatsOrchestrator, flow(contract.is_big, get=["flag"]), {"x": numbers(1)})
    work = await broker.js.stream_info(subjects.WORK)
    assert (work.state.consumer_count, work.state.messages) == (0, 0)


async def test_without_an_address_it_brings_its_own_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(NATS_URL)
    found = await only(
        NatsOrchestrator, flow(contract.add, get=["sum"]), {"x": numbers(1) + others(2)}
    )
    assert found == {"sum": [12]}


async def test_two_locked_values_taken_in_opposite_orders_do_not_block() -> None:
    found = await only(NatsOrchestrator, contract.locked_flow(), {"x": contract.locked_inputs()})
    assert found == {"word": ["left", "right"]}
    assert contract.TOGETHER == [1, 1], "never two at a time"


# Where DFFML's own orchestrator is at fault, and ours differs (docs/architecture.md).


async def test_two_inputs_of_one_definition_give_all_four_pairs() -> None:
    found = await only(NatsOrchestrator, flow(contract.pair, get=["pair"]), {"x": numbers(1, 2)})
    assert found == {"pair": ["11", "12", "21", "22"]}


async def test_an_operation_without_inputs_runs_once_also_with_a_seeded_condition() -> None:
    seeded = [Input(value=True, definition=contract.SEEDED)]
    found = await only(NatsOrchestrator, flow(contract.start_if, get=["word"]), {"x": seeded})
    assert found == {"word": ["started"]}


async def test_no_more_contexts_run_at_once_than_allowed() -> None:
    contract.RUNNING.clear()
    inputs = {str(n): numbers(n) for n in range(30)}
    async with asyncio.timeout(30), NatsOrchestrator.withconfig({}) as orchestrator:
        async with orchestrator(flow(contract.watch, get=["word"]), max_ctxs=3) as octx:
            assert len([each async for each in octx.run(inputs)]) == 30
    assert max(contract.RUNNING) <= 3


async def test_a_context_name_may_be_used_again() -> None:
    async with asyncio.timeout(30), NatsOrchestrator.withconfig({}) as orchestrator:
        async with orchestrator(flow(contract.split, get=["word"])) as octx:
            for number in (12, 34):
                found = [r async for _, r in octx.run({"again": numbers(number)})]
                assert found == [{"word": list(str(number))}]


async def test_two_instances_of_an_operation_have_each_their_own() -> None:
    found = await only(NatsOrchestrator, contract.affix_twice(), {"x": numbers(7)})
    assert found == {"one": ["1-7"], "two": ["2-7"]}
