"""The contract: OUTPUT operations that are read, not run, give what they would give."""

from __future__ import annotations

from typing import Any

import pytest
from dffml import DataFlow, GetMulti, GetSingle, Stage, op
from dffml.df.base import OperationException
from dffml.df.exceptions import DefinitionNotInContext

from tests.integration.orchestrators import (
    EVERY,
    MEMORY,
    PRIMARY,
    A,
    B,
    C,
    Kind,
    given,
)

pytestmark = pytest.mark.usefixtures("nats_address")

OUTPUTS = pytest.mark.parametrize("output", [GetSingle, GetMulti], ids=["single", "multi"])

SPECS: list[Any] = [
    ["a"],
    ["b", "a"],
    ["a", "a"],
    [{"shown": "a"}],
    [{"shown": "a", "ignored": "b"}],
    [{"shown": "a"}, "b"],
    [{"one": "a"}, {"two": "a"}],
    ["a", {"shown": "a"}],
    [{"b": "a"}],
    [{"b": "a"}, "b"],
    ["b", {"b": "a"}],
    [{"b": "a"}, {"a": "b"}],
    [{"b": "a"}, {"other": "b"}],
    [{"a": "a"}, "b"],
    [{"": "a"}],
    [],
]


def asking(output: Any, *specs: Any) -> DataFlow:
    """Return a flow that asks for `specs` at its end, once for each."""
    made = DataFlow(output)
    made.seed.extend(given(output.op.inputs["spec"], *specs))
    return made


def asking_by_two(first: Any, second: Any) -> DataFlow:
    """Return a flow with two OUTPUT operations, whose specs are not each other's."""
    made = DataFlow(GetSingle, GetMulti)
    made.seed.extend(given(GetSingle.op.inputs["spec"], first))
    made.seed.extend(given(GetMulti.op.inputs["spec"], second))
    return made


@OUTPUTS
async def test_what_is_read_is_what_dffml_s_operation_gives(output: Any) -> None:
    values = given(A, "1", "2", "2") + given(B, "x", None)
    asked = output.op.inputs["spec"]
    inputs = {str(spec): values + given(asked, spec) for spec in SPECS}
    expected = await MEMORY.run(asking(output), inputs)
    found = await PRIMARY.run(asking(output), inputs)
    assert {spec: list(each.items()) for spec, each in found.items()} == {
        spec: list(each.items()) for spec, each in expected.items()
    }, "also in the same order"


@OUTPUTS
@EVERY
async def test_what_is_asked_for_and_never_came_is_an_error(kind: Kind, output: Any) -> None:
    async with kind.open(asking(output)) as octx:
        for spec in ["c"], ["a", "c"], [{"shown": "c"}], [{"c": "a"}, "c", "b"]:
            inputs = given(A, "1") + given(output.op.inputs["spec"], spec)
            with pytest.raises(DefinitionNotInContext, match=": c"):
                await anext(octx.run({str(spec): inputs}))


@OUTPUTS
@EVERY
async def test_where_it_is_not_strict_what_never_came_is_left_out(kind: Kind, output: Any) -> None:
    assert await kind.run(asking(output, ["c"]), {"x": given(A, "1")}, strict=False) == {"x": {}}


@EVERY
async def test_where_it_is_not_strict_what_was_read_before_is_given(kind: Kind) -> None:
    made = asking_by_two(["a"], ["c"])
    assert await kind.only(made, given(A, "1"), strict=False) == {"a": "1"}
    made = asking_by_two(["c"], ["a"])
    assert await kind.only(made, given(A, "1"), strict=False) == {}


@EVERY
async def test_several_outputs_are_by_instance(kind: Kind) -> None:
    made = asking_by_two(["a", "b"], [{"all": "a"}])
    found = await kind.only(made, given(A, "1", "2") + given(B, "x"))
    assert found == {"get_single": {"a": "2", "b": "x"}, "get_multi": {"all": ["1", "2"]}}


@EVERY
@OUTPUTS
async def test_an_output_that_is_asked_twice_gives_both(kind: Kind, output: Any) -> None:
    found = await kind.only(asking(output, ["a"], ["b"]), given(A, "1") + given(B, "x"))
    expected = {"a": "1", "b": "x"}
    assert found == (expected if output is GetSingle else {k: [v] for k, v in expected.items()})


@EVERY
@OUTPUTS
async def test_an_output_that_is_asked_nothing_gives_nothing(kind: Kind, output: Any) -> None:
    assert await kind.only(DataFlow(output), given(A, "1")) == {}


@EVERY
@OUTPUTS
async def test_a_failed_context_s_values_are_not_read_where_it_is_strict(
    kind: Kind, output: Any
) -> None:
    @op(name="fail", inputs={"c": C}, outputs={})
    async def fail(c):
        raise ValueError(c)

    made = DataFlow(output, fail)
    made.seed.extend(given(output.op.inputs["spec"], ["c"]))
    with pytest.raises(OperationException):
        await kind.only(made, given(C, "x"))
    expected = "x" if output is GetSingle else ["x"]
    assert await kind.only(made, given(C, "x"), strict=False) == {"c": expected}


@EVERY
@OUTPUTS
async def test_a_cleanup_changes_nothing_of_what_is_given(kind: Kind, output: Any) -> None:
    """With one, the operations are run; without, they are read."""

    @op(name="clean", inputs={"a": A}, outputs={}, stage=Stage.CLEANUP)
    async def clean(a):
        return {}

    made = asking(output, [{"b": "a"}, {"other": "b"}])
    inputs = given(A, "1", "2") + given(B, "x")
    read = await kind.only(made, inputs)
    made = DataFlow(output, clean)
    made.seed.extend(given(output.op.inputs["spec"], [{"b": "a"}, {"other": "b"}]))
    assert await kind.only(made, inputs) == read
