"""The contract: when an operation may run. Over both orchestrators."""

from __future__ import annotations

from typing import Any

import pytest
from dffml import DataFlow, Definition, Stage, op
from dffml.df.types import InputFlow

from tests.integration.orchestrators import (
    EVERY,
    FLAG,
    OURS,
    A,
    B,
    C,
    D,
    Kind,
    collecting,
    given,
)

pytestmark = pytest.mark.usefixtures("nats_address")

OTHER_FLAG = Definition(name="other_flag", primitive="bool")


def gated(calls: list[Any], *operations: Any, conditions: list[Any], on: Any = FLAG) -> DataFlow:
    """Return a flow in which `take` runs for each `a`, if the `conditions` hold."""
    declared = [on] * len(conditions)

    @op(name="take", inputs={"a": A}, outputs={"d": D}, conditions=declared)
    async def take(a):
        calls.append(a)

    made = collecting(take, *operations, of=[D])
    made.flow["take"] = InputFlow(inputs={"a": ["seed"]}, conditions=conditions)
    made.update()
    return made


@op(name="yes", inputs={"b": B}, outputs={"is": FLAG})
async def yes(b):
    return {"is": True}


@op(name="no", inputs={"c": C}, outputs={"is": FLAG})
async def no(c):
    return {"is": False}


@EVERY
@pytest.mark.parametrize(
    ("flags", "runs"),
    [
        ([], False),
        ([True], True),
        ([False], False),
        ([True, False], False),  # the latest counts
        ([False, True], True),
        (["word"], True),
        ([""], False),
        ([0], False),
        ([None], False),
    ],
)
async def test_a_seeded_condition(kind: Kind, flags: list[Any], runs: bool) -> None:
    calls: list[str] = []
    made = gated(calls, conditions=["seed"])
    await kind.run(made, given(A, "1", "2") + given(FLAG, *flags))
    assert sorted(calls) == (["1", "2"] if runs else [])


@EVERY
async def test_only_the_condition_s_own_definition_counts(kind: Kind) -> None:
    calls: list[str] = []
    await kind.run(gated(calls, conditions=["seed"]), given(OTHER_FLAG, True) + given(A, "1"))
    assert calls == []


@EVERY
async def test_another_definition_may_stand_for_a_condition_s_own(kind: Kind) -> None:
    calls: list[str] = []
    made = gated(calls, conditions=[{"seed": ["other_flag"]}])
    await kind.run(made, given(OTHER_FLAG, True) + given(FLAG, False) + given(A, "1"))
    assert calls == ["1"]


@EVERY
@pytest.mark.parametrize(
    ("conditions", "inputs", "runs"),
    [
        ([{"yes": "is"}], given(B, "b"), True),
        ([{"yes": "is"}], [], False),
        ([{"no": "is"}], given(C, "c"), False),
        # The first true one is enough…
        ([{"yes": "is"}, {"no": "is"}], given(B, "b"), True),
        ([{"no": "is"}, {"yes": "is"}], given(B, "b") + given(C, "c"), True),
        ([{"no": "is"}, "seed"], given(FLAG, True) + given(C, "c"), True),
        # …but a missing one before it blocks.
        ([{"no": "is"}, {"yes": "is"}], given(B, "b"), False),
        ([{"no": "is"}, {"no": "is"}], given(C, "c"), False),
        # One condition of two origins: both must have come, and the last decides.
        ([{"yes": "is", "no": "is"}], given(B, "b"), False),
        ([{"no": "is", "yes": "is"}], given(B, "b"), False),
        ([{"yes": "is", "no": "is"}], given(B, "b") + given(C, "c"), False),
        ([{"no": "is", "yes": "is"}], given(B, "b") + given(C, "c"), True),
        # What came from there, of another definition, is not missing; but it decides nothing.
        ([{"seed": ["nowhere"]}, {"yes": "is"}], given(B, "b"), True),
        ([{"yes": "is", "seed": ["nowhere"]}], given(B, "b"), True),
        ([{"no": "is", "seed": ["nowhere"]}], given(C, "c"), False),
    ],
)
async def test_conditions_that_operations_give(
    kind: Kind, conditions: list[Any], inputs: list[Any], runs: bool
) -> None:
    calls: list[str] = []
    await kind.run(gated(calls, yes, no, conditions=conditions), given(A, "1") + inputs)
    assert calls == (["1"] if runs else [])


@EVERY
async def test_all_that_waited_runs_once_when_a_condition_becomes_true(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="late", inputs={"b": B}, outputs={"is": FLAG})
    async def late(b):
        return {"is": len(b) > 2}

    @op(name="grow", inputs={"b": B}, outputs={"b": B})
    async def grow(b):
        return {"b": b + "b"} if len(b) < 3 else None

    made = gated(calls, late, grow, conditions=[{"late": "is"}])
    for name in ("late", "grow"):
        made.flow[name].inputs["b"] = ["seed", {"grow": "b"}]
    made.update()
    await kind.run(made, given(A, "1", "2", "3") + given(B, "b"))
    assert sorted(calls) == ["1", "2", "3"]


@EVERY
async def test_an_operation_without_inputs_waits_for_its_condition(kind: Kind) -> None:
    calls: list[str] = []

    @op(name="start", inputs={}, outputs={"d": D}, conditions=[FLAG])
    async def start():
        calls.append("started")

    await kind.run(collecting(start, yes, of=[D]), [])
    assert calls == []
    await kind.run(collecting(start, no, of=[D]), given(C, "c"))
    assert calls == []
    await kind.run(collecting(start, yes, of=[D]), given(B, "b", "b"))
    assert calls == ["started"], "once, though the condition came twice"


@EVERY
async def test_conditions_gate_cleanup_and_output(kind: Kind) -> None:
    calls: list[str] = []

    def at(stage: Stage) -> Any:
        @op(
            name=stage.value,
            inputs={"a": A},
            outputs={},
            stage=stage,
            conditions=[FLAG],
        )
        async def run(a):
            calls.append(stage.value)
            return {a: stage.value}

        return run

    made = DataFlow(yes, no, at(Stage.CLEANUP), at(Stage.OUTPUT))
    for stage in (Stage.CLEANUP, Stage.OUTPUT):
        made.flow[stage.value].conditions = ["seed"]
    made.update()
    assert await kind.only(made, given(A, "1")) == {}
    assert await kind.only(made, given(A, "1") + given(FLAG, False)) == {}
    assert calls == []
    assert await kind.only(made, given(A, "1") + given(FLAG, True)) == {"1": "output"}
    assert calls == ["cleanup", "output"]


@EVERY
async def test_a_condition_is_enough_where_the_flow_passes_no_inputs(kind: Kind) -> None:
    calls: list[str] = []

    def at(stage: Stage) -> Any:
        @op(name=stage.value, inputs={"a": A}, outputs={}, stage=stage, conditions=[FLAG])
        async def run(a="its own"):
            calls.append(f"{stage.value}: {a}")
            return {}

        return run

    made = DataFlow(*map(at, Stage))
    for stage in Stage:
        made.flow[stage.value] = InputFlow(conditions=["seed"])
    made.update()
    await kind.run(made, given(A, "1"))
    assert calls == []
    await kind.run(made, given(A, "1") + given(FLAG, True))
    assert calls == ["processing: its own", "cleanup: its own", "output: its own"]


@OURS  # DFFML's own starts it as if it were not of that stage
async def test_cleanup_and_output_without_inputs_run_once_in_their_stage(kind: Kind) -> None:
    calls: list[str] = []

    def at(stage: Stage) -> Any:
        @op(name=stage.value, inputs={}, outputs={"b": B}, stage=stage)
        async def run():
            calls.append(stage.value)
            return {"b": stage.value}

        return run

    made = DataFlow(at(Stage.OUTPUT), at(Stage.CLEANUP), at(Stage.PROCESSING))
    assert await kind.only(made, given(A, "1")) == {"b": "output"}
    assert calls == ["processing", "cleanup", "output"]
