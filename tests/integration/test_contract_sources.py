"""The contract: where values come from, and what stands for those that do not come."""

from __future__ import annotations

from typing import Any

import pytest
from dffml import DataFlow, Definition, op
from dffml.df.exceptions import MultipleAncestorsFoundError
from dffml.df.types import InputFlow

from tests.integration.orchestrators import (
    EVERY,
    OURS,
    A,
    B,
    C,
    D,
    E,
    Kind,
    collecting,
    given,
)

pytestmark = pytest.mark.usefixtures("nats_address")


def two_ways(calls: list[str], source: Any) -> DataFlow:
    """`a` and `b` become `c`s, `work` makes `d`s of these; `take` takes the `d`s of `source`."""

    @op(name="from_a", inputs={"a": A}, outputs={"c": C})
    async def from_a(a):
        return {"c": f"{a} by a"}

    @op(name="from_b", inputs={"b": B}, outputs={"c": C})
    async def from_b(b):
        return {"c": f"{b} by b"}

    @op(name="work", inputs={"c": C}, outputs={"d": D})
    async def work(c):
        return {"d": c}

    @op(name="take", inputs={"d": D}, outputs={"e": E})
    async def take(d):
        calls.append(d)

    made = collecting(from_a, from_b, work, take, of=[E])
    made.flow["take"].inputs["d"] = [source]
    made.update()
    return made


@EVERY
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"work": "d"}, ["1 by a", "2 by b"]),
        ([{"work": "d"}], ["1 by a", "2 by b"]),
        ([{"work": "d"}, {"from_a": "c"}], ["1 by a"]),
        ([{"work": "d"}, {"from_b": "c"}], ["2 by b"]),
        ([{"work": "d"}, {"from_b": "c"}, "seed"], ["2 by b"]),
        ([{"work": "d"}, {"from_b": "c"}, {"from_a": "c"}], []),
        ([{"work": "d"}, "seed"], []),
        ([{"from_a": "c"}, "seed"], ["1 by a"]),
    ],
)
async def test_values_count_where_their_ancestors_match(
    kind: Kind, source: Any, expected: list[str]
) -> None:
    calls: list[str] = []
    await kind.run(two_ways(calls, source), given(A, "1") + given(B, "2"))
    assert sorted(calls) == expected


@EVERY
async def test_an_ambiguous_ancestry_is_an_error(kind: Kind) -> None:
    @op(name="first", inputs={"a": A}, outputs={"b": B})
    async def first(a):
        return {"b": a}

    @op(name="twice", inputs={"x": B, "y": B}, outputs={"c": C})
    async def twice(x, y):
        return {"c": x + y}

    @op(name="take", inputs={"c": C}, outputs={"d": D})
    async def take(c):
        return {"d": c}

    made = collecting(first, twice, take, of=[D])
    made.flow["take"].inputs["c"] = [[{"twice": "c"}, {"first": "b"}]]
    made.update()
    with pytest.raises(MultipleAncestorsFoundError):
        await kind.run(made, given(A, "1"))
    assert await kind.run(made, {"x": given(A, "1")}, strict=False) == {}


@EVERY
async def test_other_definitions_may_stand_for_a_parameter_s_own(kind: Kind) -> None:
    calls: list[str] = []

    @op(name="take", inputs={"a": A}, outputs={"d": D})
    async def take(a):
        calls.append(a)

    made = collecting(take, of=[D])
    made.flow["take"] = InputFlow(inputs={"a": [{"seed": ["b", "c"]}]})
    made.update()
    await kind.run(made, given(A, "a") + given(B, "b") + given(C, "c") + given(E, "e"))
    assert sorted(calls) == ["b", "c"], "and its own counts no more"


@EVERY
async def test_a_caller_may_name_where_a_value_comes_from(kind: Kind) -> None:
    calls: list[str] = []

    @op(name="make", inputs={"b": B}, outputs={"a": A})
    async def make(b):
        return {"a": b}

    @op(name="take", inputs={"a": A}, outputs={"d": D})
    async def take(a):
        calls.append(a)

    made = collecting(make, take, of=[D])
    made.flow["take"] = InputFlow(inputs={"a": ["client", {"make": "a"}]})
    made.update()
    inputs = given(A, "seeded")
    inputs += given(A, "a client's", origin="client") + given(B, "not a", origin="client")
    inputs += given(A, "as if made", origin=("make", "a"))
    await kind.run(made, inputs)
    assert sorted(calls) == ["a client's", "as if made"]


@EVERY
async def test_two_operations_may_give_values_of_one_definition(kind: Kind) -> None:
    calls: list[str] = []

    @op(name="one", inputs={"a": A}, outputs={"x": C, "other": D})
    async def one(a):
        return {"x": "one", "other": "not asked for"}

    @op(name="two", inputs={"a": A}, outputs={"y": C})
    async def two(a):
        return {"y": "two"}

    @op(name="take", inputs={"c": C}, outputs={"e": E})
    async def take(c):
        calls.append(c)

    await kind.run(collecting(one, two, take, of=[E]), given(A, "1"))
    assert sorted(calls) == ["one", "two"]


# Defaults.


@EVERY
@pytest.mark.parametrize("default", [None, 0, False, "", "d"])
async def test_a_default_stands_for_what_never_comes(kind: Kind, default: Any) -> None:
    calls: list[Any] = []
    hint = Definition(name="hint", primitive="string", default=default)

    @op(name="take", inputs={"a": A, "hint": hint}, outputs={"b": B})
    async def take(a, hint):
        calls.append((a, hint))

    await kind.run(collecting(take, of=[B]), given(A, "1"))
    assert calls == [("1", default)]


@EVERY
async def test_a_default_is_not_used_where_a_value_is_there(kind: Kind) -> None:
    calls: list[Any] = []
    hint = Definition(name="hint", primitive="string", default="d")

    @op(name="take", inputs={"a": A, "hint": hint}, outputs={"b": B})
    async def take(a, hint):
        calls.append((a, hint))

    await kind.run(collecting(take, of=[B]), given(hint, "h") + given(A, "1", "2"))
    assert sorted(calls) == [("1", "h"), ("2", "h")]


@EVERY
async def test_a_value_that_comes_after_the_default_was_used_is_used_too(kind: Kind) -> None:
    calls: list[Any] = []
    hint = Definition(name="hint", primitive="string", default="d")

    @op(name="take", inputs={"a": A, "hint": hint}, outputs={"b": B})
    async def take(a, hint):
        calls.append((a, hint))
        return {"b": a + hint}

    @op(name="late", inputs={"b": B}, outputs={"hint": hint})
    async def late(b):
        return {"hint": "h"} if b.endswith("d") else None

    await kind.run(collecting(take, late, of=[B]), given(A, "1"))
    assert calls == [("1", "d"), ("1", "h")]


@OURS  # DFFML's own looks for a value to name as the default's origin, and there is none
async def test_defaults_may_come_first_in_an_operation(kind: Kind) -> None:
    calls: list[Any] = []
    hint = Definition(name="hint", primitive="string", default="d")

    @op(name="make", inputs={"a": A}, outputs={"b": B})
    async def make(a):
        return {"b": a}

    @op(name="take", inputs={"hint": hint, "b": B}, outputs={"c": C})
    async def take(hint, b):
        calls.append((hint, b))

    made = DataFlow(make, take)
    made.flow["take"].inputs["hint"] = ["client"]
    made.update()
    await kind.run(made, given(A, "1"))
    assert calls == [("d", "1")]
