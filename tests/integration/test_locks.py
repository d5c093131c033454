"""A locked seed is used by one call at a time, over all primaries of the flow."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from chatbot_test_operations import Exclusive, shout
from dffml import DataFlow, Definition, GetSingle, Input
from dffml.operation.dataflow import RunDataFlowConfig, run_dataflow
from nats.js.errors import BucketNotFoundError

from chatbot.broker import Broker, EmbeddedServer, connect, subjects
from chatbot.broker.buckets import open_bucket
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.settings import NATS_URL
from tests.integration import contract
from tests.integration.test_intake import hear, message, outcomes, primary_process, settled, written
from tests.integration.test_nodes import serving, texts
from tests.servers.processes import Program, until

NAME = "printer"

ON_PRIMARIES = """\
version: 1
name: test
operations:
  use:
    run: test_exclusive
    on: primary
    inputs: {{text: message.text, thing: {{value: printer}}}}
    config: {{folder: {folder}, seconds: {seconds}}}
  say: {{run: test_say, inputs: {{text: use.text}}}}
"""


def exclusive_flow(folder: Path, seconds: float = 0.02) -> DataFlow:
    """Text past the printer, which is a seed of the flow and locked."""
    flow = DataFlow(
        operations={"it": Exclusive.op, "get_single": GetSingle.op},
        configs={"it": {"folder": str(folder), "seconds": seconds}},
    )
    flow.seed += [
        Input(value=NAME, definition=Exclusive.op.inputs["thing"]),
        Input(value=["exclusive.passed"], definition=GetSingle.op.inputs["spec"]),
    ]
    return flow


async def run(broker: Broker, flow: DataFlow, inputs: dict[str, list[Input]]) -> Counter[str]:
    async with NatsOrchestrator.over(broker, "test") as orchestrator:
        async with orchestrator(flow) as octx:
            return Counter([str(ctx) async for ctx, _ in octx.run(inputs)])


def used(folder: Path) -> list[list[str]]:
    """Return what the operation wrote: [begin or end, process, text], as it happened."""
    path = folder / "used"
    return [line.split(" ", 2) for line in path.read_text().splitlines()] if path.exists() else []


def never_two(lines: list[list[str]]) -> None:
    """Check that each use ended before the next began."""
    assert [kind for kind, _, _ in lines] == ["begin", "end"] * (len(lines) // 2)
    for begin, end in zip(lines[::2], lines[1::2], strict=True):
        assert begin[1:] == end[1:]


async def test_two_orchestrators_of_one_flow_share_the_locks_of_its_seed(
    nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        one, two, third = [
            await stack.enter_async_context(connect(nats_server.url, name=n)) for n in "abc"
        ]
        await stack.enter_async_context(serving(one, "test_exclusive"))
        await stack.enter_async_context(serving(two, "test_exclusive"))
        async with asyncio.timeout(30):
            # Each has a dataflow of its own, as each process has.
            found = await asyncio.gather(
                run(
                    two,
                    exclusive_flow(tmp_path),
                    texts(Exclusive.op, *(f"a{n}" for n in range(15))),
                ),
                run(
                    third,
                    exclusive_flow(tmp_path),
                    texts(Exclusive.op, *(f"b{n}" for n in range(15))),
                ),
            )
    assert sum(map(len, found)) == 30
    lines = used(tmp_path)
    never_two(lines)
    assert len(lines) == 60


async def test_two_seeds_taken_in_opposite_orders_by_two_primaries_do_not_block(
    nats_server: EmbeddedServer,
) -> None:
    async with AsyncExitStack() as stack:
        brokers = [
            await stack.enter_async_context(connect(nats_server.url, name=name)) for name in "ab"
        ]
        flows = [contract.locked_flow() for _ in brokers]
        for flow in flows:
            flow.seed += contract.locked_inputs()
        inputs: dict[str, list[Input]] = {str(number): [] for number in range(5)}
        async with asyncio.timeout(30):
            found = await asyncio.gather(*map(run, brokers, flows, [inputs] * 2))
    assert sum(map(len, found)) == 10
    assert contract.TOGETHER == [1] * 20, "never two at a time"


async def test_what_descends_from_a_locked_seed_is_locked_in_all_primaries(
    nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    await _share(nats_server, tmp_path, descendants_flow)


async def test_the_seeds_of_a_subflow_are_locked_in_all_primaries(
    nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    def within(folder: Path) -> DataFlow:
        outer = DataFlow(
            operations={"within": subflow_operation(), "get_single": GetSingle.op},
            configs={"within": RunDataFlowConfig(exclusive_flow(folder))},
        )
        given = Input(value=["within.passed"], definition=GetSingle.op.inputs["spec"])
        outer.seed.append(given)
        return outer

    await _share(nats_server, tmp_path, within)


async def _share(
    nats_server: EmbeddedServer, folder: Path, made: Callable[[Path], DataFlow]
) -> None:
    """Check that two orchestrators use what `made` locks one after the other."""
    async with AsyncExitStack() as stack:
        brokers = [
            await stack.enter_async_context(connect(nats_server.url, name=name)) for name in "ab"
        ]
        for each in brokers:
            await stack.enter_async_context(serving(each, "test_exclusive", "test_shout"))
        async with asyncio.timeout(30):
            await asyncio.gather(
                *(
                    run(each, made(folder), texts(Exclusive.op, *(f"{name}{n}" for n in range(5))))
                    for each, name in zip(brokers, "ab", strict=True)
                )
            )
    lines = used(folder)
    never_two(lines)
    assert len(lines) == 20


def descendants_flow(folder: Path) -> DataFlow:
    """The operation takes no locked value itself, but what another made of a locked seed."""
    loud = shout.op.outputs["text"]
    flow = exclusive_flow(folder)
    flow.operations["it"] = Exclusive.op._replace(
        inputs={"text": Exclusive.op.inputs["text"], "thing": loud}
    )
    seed = Definition(name="shout.locked", primitive="string", lock=True)
    flow.operations["shout"] = shout.op._replace(inputs={"text": seed})
    flow.seed[0] = Input(value=NAME, definition=seed)
    flow.definitions[loud.name] = loud
    flow.update(auto_flow=True)
    return flow


def subflow_operation() -> Any:
    return run_dataflow.op._replace(
        inputs={"text": Exclusive.op.inputs["text"]},
        outputs={"exclusive.passed": Definition(name="within.passed", primitive="string")},
        expand=[],
    )


async def test_a_value_of_one_context_costs_no_lease(broker: Broker, tmp_path: Path) -> None:
    flow = exclusive_flow(tmp_path)
    thing = flow.seed.pop(0)
    inputs = {name: [*given, thing] for name, given in texts(Exclusive.op, "a", "b").items()}
    async with serving(broker, "test_exclusive"), asyncio.timeout(10):
        assert await run(broker, flow, inputs) == Counter("ab")
    never_two(used(tmp_path))
    with pytest.raises(BucketNotFoundError):
        await broker.js.key_value(subjects.LOCKS)


async def test_the_result_of_a_call_that_lost_its_lock_is_not_taken_and_it_runs_again(
    broker: Broker, tmp_path: Path
) -> None:
    bucket = await open_bucket(broker, subjects.LOCKS)
    async with serving(broker, "test_exclusive"), asyncio.timeout(30):
        running = asyncio.ensure_future(
            run(broker, exclusive_flow(tmp_path, seconds=0.5), texts(Exclusive.op, "a"))
        )
        await until(lambda: used(tmp_path))
        (key,) = await bucket.all()
        await bucket.put(key, b"+another")
        await until(lambda: len(used(tmp_path)) == 2)
        assert not running.done(), "it has ended, and another has the lock"
        await bucket.put(key, b"-another")
        assert await running == Counter("a")
    assert [kind for kind, _, _ in used(tmp_path)] == ["begin", "end"] * 2


async def test_a_late_result_of_a_run_that_lost_its_lock_is_not_taken_for_the_next_ones(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = await open_bucket(broker, subjects.LOCKS)
    async with serving(broker, "test_exclusive"), asyncio.timeout(30):
        running = asyncio.ensure_future(
            run(broker, exclusive_flow(tmp_path, seconds=2.5), texts(Exclusive.op, "a"))
        )
        await until(lambda: used(tmp_path))
        (key,) = await bucket.all()
        await bucket.put(key, b"-another")
        await until(lambda: "run it again" in caplog.text)
        assert len(used(tmp_path)) == 1, "the first run goes on"
        assert await running == Counter("a")
        assert [kind for kind, _, _ in used(tmp_path)] == ["begin", "end"] * 2


@pytest.mark.crash
async def test_a_lock_is_held_while_the_node_that_uses_it_is_killed(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    url = {NATS_URL: nats_server.url}
    inputs = texts(Exclusive.op, "a", "b")
    async with program.start("node", "run", "test_exclusive", **url) as first:
        running = asyncio.ensure_future(run(broker, exclusive_flow(tmp_path, seconds=3.0), inputs))
        await until(lambda: used(tmp_path))
        await first.kill()
    async with program.start("node", "run", "test_exclusive", **url) as second, asyncio.timeout(30):
        assert await running == Counter("ab")
    (_, pid, text), *rest = used(tmp_path)
    assert pid == str(first.pid)
    assert rest[0] == ["begin", str(second.pid), text], "the same call, on another node"
    never_two(rest)
    assert len(rest) == 4


@pytest.mark.crash
async def test_primaries_in_processes_share_a_locked_seed_and_a_killed_one_frees_it(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    path = written(tmp_path, ON_PRIMARIES.format(folder=tmp_path, seconds=0.1))
    said = [message(f"text {number}") for number in range(40)]
    async with Roster.follow(broker) as roster:
        async with (
            primary_process(program, nats_server, path, roster) as one,
            primary_process(program, nats_server, path, roster) as two,
        ):
            await hear(broker, *said)
            pids = {str(one.pid), str(two.pid)}
            await until(lambda: {pid for _, pid, _ in used(tmp_path)} == pids)
            await until(lambda: used(tmp_path)[-1][:2] == ["begin", str(one.pid)])
            await one.kill()
            killed, before = time.monotonic(), used(tmp_path)
            await until(lambda: len(used(tmp_path)) > len(before))
            assert time.monotonic() - killed < 10.0
            found = await outcomes(broker, 40, timeout=40.0)
            await settled(broker)
    assert set(found) == {each.id for each in said}
    whole = before if before[-1][0] == "end" else before[:-1]
    never_two(whole)
    never_two(used(tmp_path)[len(before) :])
