"""The contract: CLEANUP and OUTPUT, and the results of a context. Over both orchestrators."""

from __future__ import annotations

from typing import Any

import pytest
from dffml import AssociateDefinition, DataFlow, GetMulti, GetSingle, GroupBy, Stage, op
from dffml.df.base import OperationException
from dffml.df.exceptions import DefinitionNotInContext
from dffml.df.types import InputFlow
from dffml.operation.output import Associate, RemapConfig, RemapFailure, remap

from tests.integration.orchestrators import (
    EVERY,
    FLAG,
    OURS,
    A,
    B,
    C,
    D,
    Kind,
    given,
)

pytestmark = pytest.mark.usefixtures("nats_address")


@op(name="double", inputs={"a": A}, outputs={"b": B})
async def double(a):
    return {"b": a * 2}


@op(name="fail", inputs={"c": C}, outputs={"b": B})
async def fail(c):
    raise ValueError(c)


def stage_operation(name: str, stage: Stage, calls: list[Any], takes: Any = A) -> Any:
    """Return an operation that notes what it is called with, and gives it under its name."""

    @op(name=name, inputs={"taken": takes}, outputs={}, stage=stage)
    async def run(taken):
        calls.append((name, taken))
        if taken == "refused":
            raise ValueError(taken)
        return {f"{name} of {taken}": taken}

    return run


@EVERY
async def test_cleanup_comes_after_processing_and_output_last(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="slow", inputs={"b": B}, outputs={"c": C})
    async def slow(b):
        calls.append(("slow", b))
        return {"c": b}

    made = DataFlow(
        stage_operation("out", Stage.OUTPUT, calls, C),
        stage_operation("clean", Stage.CLEANUP, calls, C),
        double,
        slow,
    )
    assert await kind.only(made, given(A, "1")) == {"out of 11": "11"}
    assert calls == [("slow", "11"), ("clean", "11"), ("out", "11")]


@EVERY
async def test_cleanup_and_output_run_for_each_permutation(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="out", inputs={"a": A, "b": B}, outputs={}, stage=Stage.OUTPUT)
    async def out(a, b):
        calls.append((a, b))
        return {a + b: "first" if len(calls) == 1 else "later", "last": a + b}

    clean = stage_operation("clean", Stage.CLEANUP, cleaned := [])
    found = await kind.only(DataFlow(out, clean), given(A, "1", "2") + given(B, "x", "y"))
    assert sorted(calls) == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
    assert sorted(found) == ["1x", "1y", "2x", "2y", "last"], "merged into one"
    assert found["last"] == "".join(calls[-1]), "the last one's"
    assert sorted(cleaned) == [("clean", "1"), ("clean", "2")]


@EVERY
async def test_cleanup_runs_after_a_failure_and_output_does_not(kind: Kind) -> None:
    calls: list[Any] = []
    made = DataFlow(
        fail,
        stage_operation("clean", Stage.CLEANUP, calls),
        stage_operation("out", Stage.OUTPUT, calls),
    )
    with pytest.raises(OperationException):
        await kind.run(made, given(A, "1") + given(C, "c"))
    assert calls == [("clean", "1")]


@EVERY
async def test_where_it_is_not_strict_output_runs_after_a_failure(kind: Kind) -> None:
    calls: list[Any] = []
    made = DataFlow(
        fail,
        double,
        stage_operation("clean", Stage.CLEANUP, calls),
        stage_operation("out", Stage.OUTPUT, calls, B),
    )
    found = await kind.only(made, given(A, "1") + given(C, "c"), strict=False)
    assert found == {"out of 11": "11"}
    assert calls == [("clean", "1"), ("out", "11")]


@EVERY
async def test_a_cleanup_that_fails_is_raised_as_it_is(kind: Kind) -> None:
    made = DataFlow(
        stage_operation("clean", Stage.CLEANUP, []),
        stage_operation("out", Stage.OUTPUT, outs := []),
    )
    with pytest.raises(ValueError, match="refused"):
        await kind.run(made, given(A, "refused"))
    assert await kind.run(made, {"x": given(A, "refused")}, strict=False) == {}
    assert outs == []


@EVERY
async def test_an_output_that_fails_is_raised_as_it_is(kind: Kind) -> None:
    made = DataFlow(
        stage_operation("one", Stage.OUTPUT, []), stage_operation("two", Stage.OUTPUT, [], B)
    )
    inputs = given(A, "1") + given(B, "refused")
    with pytest.raises(ValueError, match="refused"):
        await kind.run(made, inputs)
    found = await kind.only(made, inputs, strict=False)
    assert found == {"one of 1": "1"}, "what came before it is given"


@EVERY
async def test_results_are_by_instance_unless_there_is_one(kind: Kind) -> None:
    one, two = (stage_operation(name, Stage.OUTPUT, []) for name in ("one", "two"))
    assert await kind.only(DataFlow(double), given(A, "1")) == {}
    assert await kind.only(DataFlow(one), given(A, "1")) == {"one of 1": "1"}
    found = await kind.only(DataFlow(one, two), given(A, "1"))
    assert found == {"one": {"one of 1": "1"}, "two": {"two of 1": "1"}}
    assert list(found) == ["one", "two"], "in the flow's order"


@EVERY
async def test_an_output_that_has_nothing_to_take_is_left_out(kind: Kind) -> None:
    one = stage_operation("one", Stage.OUTPUT, [])
    two = stage_operation("two", Stage.OUTPUT, [], B)
    assert await kind.only(DataFlow(one, two), given(A, "1")) == {"one of 1": "1"}


@EVERY
async def test_what_output_gives_is_nobody_s_input(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="out", inputs={"a": A}, outputs={"b": B}, stage=Stage.OUTPUT)
    async def out(a):
        return {"b": a}

    @op(name="take", inputs={"b": B}, outputs={})
    async def take(b):
        calls.append(b)

    again = stage_operation("again", Stage.OUTPUT, calls, B)
    assert await kind.only(DataFlow(out, take, again), given(A, "1")) == {"b": "1"}
    assert calls == []


@EVERY
async def test_an_empty_result_is_a_result(kind: Kind) -> None:
    @op(name="out", inputs={"a": A}, outputs={}, stage=Stage.OUTPUT)
    async def out(a):
        return {}

    one = stage_operation("one", Stage.OUTPUT, [])
    found = await kind.only(DataFlow(out, one), given(A, "1"))
    assert found == {"out": {}, "one": {"one of 1": "1"}}


# DFFML's own OUTPUT operations.


def asking(output: Any, spec: Any, *operations: Any) -> DataFlow:
    made = DataFlow(*operations, output)
    made.seed.extend(given(output.op.inputs["spec"], spec))
    return made


@EVERY
async def test_get_multi_and_get_single(kind: Kind) -> None:
    inputs = given(A, "1", "2", "3")
    found = await kind.only(asking(GetMulti, ["a", {"doubled": "b"}], double), inputs)
    assert sorted(found) == ["a", "doubled"]
    assert found["a"] == ["1", "2", "3"]
    assert sorted(found["doubled"]) == ["11", "22", "33"]
    assert await kind.only(asking(GetSingle, ["a"]), inputs) == {"a": "3"}
    with pytest.raises(DefinitionNotInContext):
        await kind.only(asking(GetSingle, ["b"]), inputs)
    assert await kind.only(asking(GetSingle, ["b"]), inputs, strict=False) == {}


@EVERY
async def test_group_by_finds_what_was_made_of_a_value(kind: Kind) -> None:
    @op(name="judge", inputs={"b": B}, outputs={"d": D})
    async def judge(b):
        return {"d": b + "!"}

    made = asking(GroupBy, {"found": {"group": "d", "by": "order"}}, judge)
    order = A._replace(name="order", primitive="int")
    made.operations["judge"] = made.operations["judge"]._replace(inputs={"b": B, "order": order})
    made.implementations["judge"] = _with_order(judge.imp)
    made.update(auto_flow=True)
    inputs = given(B, "x") + given(order, 1, 0)
    assert await kind.only(made, inputs) == {"found": ["x!0", "x!1"]}


def _with_order(implementation: Any) -> Any:
    async def run(self, inputs):
        return {"d": f"{inputs['b']}!{inputs['order']}"}

    context = type("Judge", (implementation.CONTEXT,), {"run": run})
    return type("JudgeImplementation", (implementation,), {"CONTEXT": context})


@EVERY
async def test_associate_maps_ancestors_to_what_came_of_them(kind: Kind) -> None:
    @op(name="again", inputs={"b": B}, outputs={"c": C})
    async def again(b):
        return {"c": b + "?"}

    inputs = given(A, "1", "2")
    found = await kind.only(asking(Associate, ["a", "c"], double, again), inputs)
    assert found == {"c": {"1": "11?", "2": "22?"}}
    found = await kind.only(asking(AssociateDefinition, {"a": "c"}, double, again), given(A, "1"))
    assert found == {"a": "11?"}
    assert await kind.only(asking(Associate, ["a", "d"], double), inputs) == {"d": {}}


@EVERY
async def test_remap_runs_other_outputs_over_the_same_inputs(kind: Kind) -> None:
    inner = asking(GetSingle, ["b"])
    made = asking(remap, {"text": ["b"]}, double)
    made.configs[remap.op.name] = RemapConfig(dataflow=inner)
    inputs = {"x": given(A, "1"), "y": given(A, "2")}
    found = await kind.run(made, inputs)
    assert found == {"x": {"text": "11"}, "y": {"text": "22"}}
    made.seed[-1].value = {"text": ["nothing"]}
    with pytest.raises(RemapFailure):
        await kind.run(made, inputs)


@OURS  # DFFML's own looks only for operations that the inner flow's seed feeds
async def test_an_output_may_run_operations_over_its_context(kind: Kind) -> None:
    """What runs within it takes the values that are there, by their origins."""

    @op(name="again", inputs={"b": B}, outputs={"c": C})
    async def again(b):
        return {"c": b + "?"}

    inner = asking(GetMulti, ["c", "a"], again)
    inner.flow["again"] = InputFlow(inputs={"b": [{"double": "b"}]})
    inner.operations["double"] = double.op._replace(instance_name="double")
    inner.flow["double"] = InputFlow(inputs={"a": ["elsewhere"]})
    inner.implementations[double.op.name] = double.imp
    inner.update()
    made = asking(remap, {"found": ["c"], "of": ["a"]}, double)
    made.configs[remap.op.name] = RemapConfig(dataflow=inner)
    found = await kind.only(made, given(A, "1"))
    assert found == {"found": ["11?"], "of": ["1"]}


@EVERY
async def test_an_output_with_a_condition(kind: Kind) -> None:
    one = stage_operation("one", Stage.OUTPUT, [])
    two = stage_operation("two", Stage.OUTPUT, [])
    made = DataFlow(one, two)
    made.operations["two"] = made.operations["two"]._replace(conditions=[FLAG])
    made.update(auto_flow=True)
    made.flow["two"].conditions = ["seed"]
    made.update()
    found = await kind.only(made, given(A, "1"))
    assert found == {"one of 1": "1"}
    found = await kind.only(made, given(A, "1") + given(FLAG, True))
    assert found == {"one": {"one of 1": "1"}, "two": {"two of 1": "1"}}
