"""Values of any type and size, to a node in another process and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from chatbot_test_values import Kind, Size, Thing, echo, make, measure, widen
from dffml import DataFlow, Definition, GetSingle, Input, op
from dffml.df.base import OperationException
from nats.js.errors import NotFoundError

from chatbot.broker import Broker, EmbeddedServer
from chatbot.broker.objects import KEPT, STREAM, LargeValues
from chatbot.broker.streams import WORK_KEPT
from chatbot.encoding import LARGE
from chatbot.errors import BrokerError, EncodingError
from chatbot.messages import digest
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.settings import NATS_URL
from tests.integration.test_nodes import serving, waiting
from tests.servers.processes import Program

TEXT = Definition(name="slow.text", primitive="string")
NAMES = ("test_echo", "test_make", "test_measure", "test_widen")


@pytest.fixture
async def node(nats_server: EmbeddedServer, program: Program) -> AsyncIterator[None]:
    """A node in another process, which has the operations above."""
    async with program.start("node", "run", *NAMES, **{NATS_URL: nats_server.url}):
        yield


def flow(*operations: Any, get: list[str]) -> DataFlow:
    made = DataFlow.auto(*operations, GetSingle)
    made.seed.append(Input(value=get, definition=GetSingle.op.inputs["spec"]))
    return made


def inputs(operation: Any, **values: Any) -> list[Input]:
    return [
        Input(value=value, definition=operation.op.inputs[key]) for key, value in values.items()
    ]


async def run(broker: Broker, dataflow: DataFlow, given: Any, **kwargs: Any) -> dict[str, Any]:
    async with asyncio.timeout(40), NatsOrchestrator.over(broker, "values") as orchestrator:
        async with orchestrator(dataflow) as octx:
            return {str(ctx): result async for ctx, result in octx.run(given, **kwargs)}


async def stored_messages(broker: Broker) -> int:
    """Return how many messages the bucket's stream has: none is an empty bucket."""
    try:
        return int((await broker.js.stream_info(STREAM)).state.messages)
    except NotFoundError:
        return 0


async def emptied(broker: Broker) -> None:
    assert (await broker.js.stream_info(STREAM)).state.last_seq, "something was stored"
    async with asyncio.timeout(10):
        while await stored_messages(broker):
            await asyncio.sleep(0.01)


def thing(name: str = "lamp") -> Thing:
    return Thing(name, datetime(2026, 1, 2, tzinfo=UTC), Kind.OLD, [Size(1, Decimal("2.50"))])


async def test_values_of_any_type_are_the_same_there_and_when_they_come_back(
    broker: Broker, node: None
) -> None:
    value = {1: (b"x", {2.5, None}), "when": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)}
    given = inputs(echo, value=value, thing=thing())
    # DFFML's own `Input` does not take what is of the spec already where there is a `subspec`.
    things = Input(value=[], definition=echo.op.inputs["things"])
    things.value = [thing("a"), thing("b")]
    outputs = ["echo.seen", "echo.value_again", "echo.thing_again", "echo.things_again"]
    found = (await run(broker, flow(echo, get=outputs), {"x": [*given, things]}))["x"]
    assert found["echo.seen"] == f"{value!r} {thing()!r} {things.value!r}"
    assert found["echo.value_again"] == value
    assert found["echo.thing_again"] == thing()
    assert found["echo.things_again"] == things.value
    assert type(found["echo.things_again"][0].sizes[0]) is Size


@pytest.mark.parametrize(
    ("recipe", "value"),
    [("text", "é" * 2_500_000), ("bytes", b"x" * 5_000_000), ("list", ["x" * 1000] * 5_000)],
    ids=["text", "bytes", "list"],
)
async def test_five_megabytes_go_there_and_back_and_leave_nothing(
    broker: Broker, node: None, recipe: str, value: Any
) -> None:
    # One node gives it, and gets it again as another operation's input.
    dataflow = flow(make, measure, get=["made", "measure.size"])
    async with asyncio.timeout(40), NatsOrchestrator.over(broker, "values") as orchestrator:
        async with orchestrator(dataflow) as octx:
            found = [result async for _, result in octx.run({"x": inputs(make, recipe=recipe)})]
            assert found == [{"made": value, "measure.size": len(value)}]
            # While it is open: on a slow machine the node is given the work twice, and what it
            # stores then is freed when the second result comes.
            await emptied(broker)


async def test_what_a_node_cannot_send_fails_its_own_call_alone(broker: Broker, node: None) -> None:
    given = {recipe: inputs(make, recipe=recipe) for recipe in ("fine", "lock", "fine too")}
    found = await run(broker, flow(make, get=["made"]), given, strict=False)
    assert found["fine"] == {"made": "fine"}
    assert found["fine too"] == {"made": "fine too"}
    with pytest.raises(OperationException) as raised:
        await run(broker, flow(make, get=["made"]), {"x": given["lock"]})
    cause = raised.value.__cause__
    assert isinstance(cause, EncodingError)
    assert str(cause) == (
        "output 'value' of test_make: value[1]['x'] is a lock, "
        "which cannot be sent to another machine"
    )


async def test_what_a_primary_cannot_send_fails_its_own_call_alone(
    broker: Broker, node: None
) -> None:
    given = {
        "good": inputs(measure, value=(1, 2, 3)),
        "bad": inputs(measure, value=[object()]),
    }
    found = await run(broker, flow(measure, get=["measure.size"]), given, strict=False)
    assert found["good"] == {"measure.size": 3}
    with pytest.raises(OperationException) as raised:
        await run(broker, flow(measure, get=["measure.size"]), {"x": given["bad"]})
    assert "input 'value' of" in str(raised.value.__cause__)
    assert "value[0] is an object" in str(raised.value.__cause__)


async def test_values_that_are_too_large_only_together_travel_too(
    broker: Broker, node: None
) -> None:
    values = {name: name * 250_000 for name in "abcdef"}
    sizes: list[int] = []

    async def measure_message(message: Any) -> None:
        sizes.append(len(message.data))

    await broker.nc.subscribe("chatbot.*.>", cb=measure_message)
    found = await run(
        broker,
        flow(widen, get=[f"widen.{name}_again" for name in "abcdef"]),
        {"x": [Input(value=v, definition=widen.op.inputs[k]) for k, v in values.items()]},
    )
    assert found["x"] == {f"widen.{name}_again": value for name, value in values.items()}
    await emptied(broker)
    assert len(sizes) >= 2
    assert max(sizes) <= 512 * 1024


async def test_small_calls_do_not_wait_for_a_large_one(broker: Broker, node: None) -> None:
    given = {"large": inputs(measure, value=b"x" * 20_000_000)}
    given |= {str(n): inputs(measure, value=b"x" * n) for n in range(50)}
    async with asyncio.timeout(40), NatsOrchestrator.over(broker, "values") as orchestrator:
        async with orchestrator(flow(measure, get=["measure.size"])) as octx:
            order = [str(ctx) async for ctx, _ in octx.run(given)]
    assert order[-1] == "large"
    assert len(order) == 51


async def test_a_context_that_is_given_up_is_freed_of_what_it_stored(broker: Broker) -> None:
    dataflow = flow(measure, get=["measure.size"])
    async with NatsOrchestrator.over(broker, "values") as orchestrator:
        async with orchestrator(dataflow) as octx:
            running = octx.run({"x": inputs(measure, value=b"x" * 1_000_000)})
            task = asyncio.ensure_future(anext(running))
            await waiting(broker, 1)  # no node is there: it waits in WORK
            assert await stored_messages(broker)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await running.aclose()
            await emptied(broker)


async def test_what_is_just_being_stored_when_its_context_ends_is_freed(broker: Broker) -> None:
    async with NatsOrchestrator.over(broker, "values") as orchestrator:
        async with orchestrator(flow(measure, get=["measure.size"])) as octx:
            running = octx.run({"x": inputs(measure, value=b"x" * 20_000_000)})
            task = asyncio.ensure_future(anext(running))
            while not await stored_messages(broker):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await running.aclose()
            await emptied(broker)


async def test_a_primary_that_closes_leaves_nothing_stored(broker: Broker) -> None:
    dataflow = flow(measure, get=["measure.size"])
    given = {str(n): inputs(measure, value=bytes([n]) * 1_000_000) for n in range(5)}
    async with NatsOrchestrator.over(broker, "values") as orchestrator:
        async with orchestrator(dataflow) as octx:
            running = octx.run(given)
            task = asyncio.ensure_future(anext(running))
            await waiting(broker, 5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await running.aclose()
    assert (await broker.js.stream_info(STREAM)).state.last_seq
    assert await stored_messages(broker) == 0


async def test_a_large_value_that_is_gone_is_an_error_of_its_call(broker: Broker) -> None:
    dataflow = flow(measure, get=["measure.size"])
    given = {"gone": inputs(measure, value=b"x" * 1_000_000), "here": inputs(measure, value="abc")}
    async with NatsOrchestrator.over(broker, "values") as orchestrator:
        async with orchestrator(dataflow) as octx:

            async def collect() -> dict[str, Any]:
                return {str(c): r async for c, r in octx.run(given, strict=False)}

            task = asyncio.ensure_future(collect())
            await waiting(broker, 2)
            await broker.js.purge_stream(STREAM)
            async with serving(broker, "test_measure"), asyncio.timeout(20):
                found = await task
    assert found["here"] == {"measure.size": 3}
    assert not found.get("gone")


async def test_a_damaged_large_value_is_refused(broker: Broker) -> None:
    values = LargeValues(broker)
    name = f"0.0.{digest(b'right', length=40)}"
    await values.put({name: b"wrong"})
    with pytest.raises(BrokerError, match="damaged"):
        await values.get(name)
    with pytest.raises(BrokerError, match="no longer"):
        await values.get(f"0.0.{digest(b'other', length=40)}")


async def test_what_nobody_frees_expires_after_the_work_that_names_it(broker: Broker) -> None:
    values = LargeValues(broker)
    content = b"x" * LARGE
    name = f"0.0.{digest(content, length=40)}"
    await values.put({name: content})
    assert await values.get(name) == content
    config = (await broker.js.stream_info(STREAM)).config
    assert config.max_age == KEPT > WORK_KEPT
    await values.free([name])
    assert await stored_messages(broker) == 0
    await values.free([name])


async def test_what_a_node_gives_for_a_context_that_has_ended_is_freed(broker: Broker) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @op(name="slow", inputs={"text": TEXT}, outputs={"made": make.op.outputs["value"]})
    async def slow(text):  # type: ignore[no-untyped-def]
        begun.set()
        await go_on.wait()
        return {"made": b"x" * 1_000_000}

    async with asyncio.timeout(20), NatsOrchestrator.over(broker, "values") as orchestrator:
        async with orchestrator(flow(slow, get=["made"])) as octx:
            running = octx.run({"x": [Input(value="a", definition=TEXT)]})
            task = asyncio.ensure_future(anext(running))
            await begun.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await running.aclose()
            go_on.set()
            while not orchestrator.dispatcher.dropped:
                await asyncio.sleep(0.01)
            await emptied(broker)


async def test_values_of_a_context_that_fails_are_freed(broker: Broker, node: None) -> None:
    @op(name="refuse_it", inputs={"made": make.op.outputs["value"]}, outputs={})
    async def refuse_it(made):  # type: ignore[no-untyped-def]
        raise ValueError(len(made))

    with pytest.raises(OperationException):
        await run(broker, flow(make, refuse_it, get=["made"]), {"x": inputs(make, recipe="bytes")})
    await emptied(broker)
