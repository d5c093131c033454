"""The contract: flows within flows. Over both orchestrators."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from dffml import DataFlow, Definition, Stage, op
from dffml.df.base import OperationException, OperationImplementationContext
from dffml.operation.dataflow import (
    InvalidCustomRunDataFlowContext,
    InvalidCustomRunDataFlowOutputs,
    RunDataFlowConfig,
    run_dataflow,
)
from dffml.operation.output import GetMulti

from tests.integration.orchestrators import (
    EVERY,
    HERE,
    OURS,
    PRIMARY,
    A,
    B,
    C,
    D,
    Kind,
    collecting,
    embedded,
    given,
    over,
    single,
)
from tests.servers.processes import until

pytestmark = pytest.mark.usefixtures("nats_address")


@dataclass
class Point:
    x: int


POINT = Definition(name="point", primitive="map", spec=Point)
POINTS = Definition(name="points", primitive="array", spec=Point, subspec=True)
RESULTS = run_dataflow.op.outputs["results"]


@op(name="double", inputs={"a": A}, outputs={"b": B})
async def double(a):  # type: ignore[no-untyped-def]
    if a == "bad":
        raise ValueError(a)
    return {"b": a * 2}


@EVERY
async def test_a_subflow_is_an_operation(kind: Kind) -> None:
    made = embedded(single("b", double), {"a": A}, {"b": B})
    found = await kind.run(made, {name: given(A, name) for name in "xyz"})
    assert found == {"x": {"b": "xx"}, "y": {"b": "yy"}, "z": {"b": "zz"}}


@EVERY
async def test_a_subflow_takes_several_inputs(kind: Kind) -> None:
    @op(name="join", inputs={"a": A, "c": C}, outputs={"b": B})
    async def join(a, c):
        return {"b": a + c}

    made = embedded(single("b", join), {"a": A, "c": C}, {"b": B})
    assert await kind.only(made, given(A, "1") + given(C, "2")) == {"b": "12"}


@EVERY
async def test_subflows_nest(kind: Kind) -> None:
    inner = embedded(single("b", double), {"a": A}, {"b": B})
    made = embedded(inner, {"a": A}, {"b": B})
    outermost = embedded(made, {"a": A}, {"b": B})
    assert await kind.only(outermost, given(A, "1")) == {"b": "11"}


@EVERY
async def test_a_subflow_s_failure_is_the_operation_s(kind: Kind) -> None:
    made = embedded(single("b", double), {"a": A}, {"b": B})
    with pytest.raises(OperationException, match="inner") as raised:
        await kind.run(made, given(A, "bad"))
    within = raised.value.__cause__
    assert isinstance(within, OperationException)
    assert isinstance(within.__cause__, ValueError)


@EVERY
async def test_a_subflow_must_give_what_the_operation_declares(kind: Kind) -> None:
    made = embedded(single("b", double), {"a": A}, {"c": C})
    with pytest.raises(OperationException) as raised:
        await kind.run(made, given(A, "1"))
    assert isinstance(raised.value.__cause__, InvalidCustomRunDataFlowOutputs)
    number = Definition(name="a", primitive="int")
    made = embedded(single("b", double), {"a": number}, {"b": B})
    with pytest.raises(OperationException) as raised:
        await kind.run(made, given(number, 1))
    assert isinstance(raised.value.__cause__, InvalidCustomRunDataFlowContext)


@EVERY
async def test_two_calls_of_one_name_at_once_are_two_contexts(kind: Kind) -> None:
    @op(name="join", inputs={"a": A, "c": C}, outputs={"b": B})
    async def join(a, c):
        await asyncio.sleep(0)
        return {"b": a + c}

    made = embedded(single("b", join), {"a": A, "c": C}, {"b": B})
    get = made.operations.pop("get_single")
    made.operations["get_multi"] = GetMulti.op
    made.implementations["get_multi"] = GetMulti.imp
    made.seed = [item for item in made.seed if item.definition not in get.inputs.values()]
    made.seed.extend(given(GetMulti.op.inputs["spec"], ["b"]))
    made.update(auto_flow=True)
    inputs = {name: given(A, "same") + given(C, *"123") for name in "xy"}
    found = await kind.run(made, inputs)
    assert {name: sorted(each["b"]) for name, each in found.items()} == {
        name: ["same1", "same2", "same3"] for name in "xy"
    }


@EVERY
async def test_a_subflow_takes_what_a_spec_made_of_a_value(kind: Kind) -> None:
    @op(name="show", inputs={"a": A, "point": POINT}, outputs={"b": B})
    async def show(a, point):
        return {"b": f"{a} {point.x}"}

    made = embedded(single("b", show), {"a": A, "point": POINT}, {"b": B})
    assert await kind.only(made, given(A, "1") + given(POINT, {"x": 2})) == {"b": "1 2"}


@over(PRIMARY)  # DFFML's own fails on a list of what is of the spec already
@pytest.mark.parametrize("depth", [1, 2])
async def test_a_subflow_takes_a_list_of_what_a_spec_made(kind: Kind, depth: int) -> None:
    @op(name="show", inputs={"a": A, "points": POINTS}, outputs={"b": B})
    async def show(a, points):
        return {"b": f"{a} {[point.x for point in points]}"}

    made = single("b", show)
    for _ in range(depth):
        made = embedded(made, {"a": A, "points": POINTS}, {"b": B})
    inputs = given(A, "1") + given(POINTS, [{"x": 2}, {"x": 3}])
    assert await kind.only(made, inputs) == {"b": "1 [2, 3]"}


@OURS
async def test_a_value_that_a_subflow_refuses_is_its_own_failure(kind: Kind) -> None:
    """Not that of the operation that gave the value; and all else goes on."""
    seen: list[str] = []

    def once(value: str) -> str:
        if seen.count(value):
            raise ValueError(f"{value} came again")
        seen.append(value)
        return value

    checked = C._replace(validate=once)

    @op(name="give", inputs={"d": D}, outputs={"c": checked})
    async def give(d):
        return {"c": d}

    made = embedded(single("b", double), {"a": A, "c": checked}, {"b": B})
    made.operations["give"] = give.op
    made.implementations["give"] = give.imp
    made.update(auto_flow=True)
    with pytest.raises(OperationException, match="inner"):
        await kind.only(made, given(A, "1") + given(D, "d"))


@over(PRIMARY)
@pytest.mark.parametrize("depth", [1, 2])
async def test_a_subflow_ends_with_the_context_that_called_it(kind: Kind, depth: int) -> None:
    """However that ends: it is cleaned up, and nothing is kept of it."""
    calls: list[str] = []
    entered, gate = asyncio.Event(), asyncio.Event()

    @op(name="hold", inputs={"a": A}, outputs={"b": B})
    async def hold(a):
        entered.set()
        await gate.wait()
        return {"b": a}

    @op(name="after", inputs={"b": B}, outputs={})
    async def after(b):
        calls.append(f"after {b}")

    @op(name="clean", inputs={"a": A}, outputs={}, stage=Stage.CLEANUP)
    async def clean(a):
        calls.append(f"clean {a}")

    @op(name="fail", inputs={"c": C}, outputs={})
    async def fail(c):
        await entered.wait()
        raise ValueError(c)

    made = single("b", hold, after, clean)
    for _ in range(depth):
        made = embedded(made, {"a": A}, {"b": B})
    made.operations["fail"] = fail.op
    made.implementations["fail"] = fail.imp
    made.update(auto_flow=True)
    async with kind.open(made) as octx:
        with pytest.raises(OperationException, match="fail"):
            await anext(octx.run({"x": given(A, "1") + given(C, "c")}))
        await until(lambda: calls == ["clean 1"])
        held = octx
        for _ in range(depth):
            held = held.subflows["inner"]
            await until(lambda: not held.ictx.entries)  # noqa: B023 - awaited in the same turn
        entered.clear()
        running = octx.run({"y": given(A, "2")})
        waiting = asyncio.ensure_future(anext(running))
        await entered.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await running.aclose()
        await until(lambda: calls == ["clean 1", "clean 2"])
        await until(lambda: not held.ictx.entries)
        gate.set()
        found = {str(c): r async for c, r in octx.run({"z": given(A, "3")})}
        assert found == {"z": {"b": "3"}}
    assert calls == ["clean 1", "clean 2", "after 3", "clean 3"]


@over(PRIMARY)
async def test_a_subflow_that_starts_as_its_caller_fails_ends_with_it(kind: Kind) -> None:
    calls: list[str] = []
    gate = asyncio.Event()

    @op(name="hold", inputs={"a": A}, outputs={"b": B})
    async def hold(a):
        await gate.wait()
        return {"b": a}

    @op(name="clean", inputs={"a": A}, outputs={}, stage=Stage.CLEANUP)
    async def clean(a):
        calls.append(f"clean {a}")

    @op(name="fail", inputs={"c": C}, outputs={})
    async def fail(c):
        raise ValueError(c)

    made = embedded(single("b", hold, clean), {"a": A}, {"b": B})
    made.operations["fail"] = fail.op
    made.implementations["fail"] = fail.imp
    made.update(auto_flow=True)
    async with kind.open(made) as octx:
        with pytest.raises(OperationException, match="fail"):
            await anext(octx.run({"x": given(C, "c") + given(A, "1")}))
        await until(lambda: calls == ["clean 1"])
        assert not octx.subflows["inner"].ictx.entries


@EVERY
async def test_a_subflow_may_be_given_contexts_of_its_own(kind: Kind) -> None:
    inner = single("b", double)
    made = collecting(run_dataflow, of=[])
    made.configs[run_dataflow.op.name] = RunDataFlowConfig(inner)
    seen: list[Any] = []

    @op(name="take", inputs={"results": RESULTS}, outputs={})
    async def take(results):
        seen.append(results)

    made = DataFlow(run_dataflow, take)
    made.configs[run_dataflow.op.name] = RunDataFlowConfig(inner)
    asked = {
        "x": [{"value": "1", "definition": "a"}],
        "y": [{"value": "2", "definition": "a"}, {"value": "3", "definition": "c"}],
    }
    inner.definitions["c"] = C
    await kind.run(made, given(run_dataflow.op.inputs["inputs"], asked))
    found: dict[str, Any] = {}
    for each in seen:
        found |= each
    assert found == {"x": {"b": "11"}, "y": {"b": "22"}}
    assert len(seen) == 2, "each context's result is a value of its own"


@HERE
async def test_an_operation_may_run_a_flow_by_itself(kind: Kind) -> None:
    inner = single("b", double)

    @op(name="within", inputs={"a": A}, outputs={"d": D}, config_cls=RunDataFlowConfig)
    class Within(OperationImplementationContext):
        async def run(self, inputs):
            async with self.subflow(self.config.dataflow) as octx:
                assert self.octx.subflows["within"] is octx
                found = [r async for _, r in octx.run({"x": given(A, inputs["a"])})]
            return {"d": found[0]["b"]}

    made = single("d", Within)
    made.configs["within"] = RunDataFlowConfig(inner)
    assert await kind.only(made, given(A, "1")) == {"d": "11"}
