"""The contract: what an operation is called with, how often, and what it gives."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import pytest
from dffml import DataFlow, Input, op

from tests.integration.orchestrators import (
    EVERY,
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


def once_each(*values: Any) -> Counter[Any]:
    return Counter(dict.fromkeys(values, 1))


def grow_and_join(calls: list[Any]) -> DataFlow:
    """`grow` gives a longer `a`, up to three letters; `join` takes all of them."""

    @op(name="grow", inputs={"a": A}, outputs={"a": A})
    async def grow(a):
        return {"a": a + a[0]} if len(a) < 3 else None

    @op(name="join", inputs={"a": A, "b": B}, outputs={"c": C})
    async def join(a, b):
        calls.append((a, b))
        return {"c": a + b}

    made = collecting(grow, join, of=[C])
    for name in ("grow", "join"):
        made.flow[name].inputs["a"] = ["seed", {"grow": "a"}]
    made.update()
    return made


@EVERY
async def test_an_operation_runs_once_for_each_permutation(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="join", inputs={"a": A, "b": B, "c": C}, outputs={"d": D})
    async def join(a, b, c):
        calls.append((a, b, c))
        return {"d": a + b + c}

    inputs = given(A, "1", "2", "3") + given(B, "x", "y") + given(C, "p", "q")
    found = await kind.only(collecting(join, of=[D]), inputs)
    assert Counter(calls) == once_each(*product("123", "xy", "pq"))
    assert found["d"] == ["".join(each) for each in product("123", "xy", "pq")]


@EVERY
async def test_values_that_come_later_join_those_that_were_there(kind: Kind) -> None:
    calls: list[Any] = []
    found = await kind.only(grow_and_join(calls), given(A, "k", "m") + given(B, "x", "y"))
    words = ["k", "kk", "kkk", "m", "mm", "mmm"]
    assert Counter(calls) == once_each(*product(words, "xy"))
    assert found["c"] == sorted(a + b for a, b in product(words, "xy"))


@EVERY
async def test_two_parameters_whose_values_both_come_later(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="left", inputs={"a": A}, outputs={"c": C})
    async def left(a):
        return {"c": a + "l"}

    @op(name="right", inputs={"b": B}, outputs={"d": D}, expand=["d"])
    def right(b):
        return {"d": [b + "1", b + "2"]}

    @op(name="join", inputs={"c": C, "d": D}, outputs={"e": E})
    async def join(c, d):
        calls.append((c, d))

    await kind.run(collecting(left, right, join, of=[E]), [*given(A, "m", "n"), *given(B, "x")])
    assert Counter(calls) == once_each(*product(["ml", "nl"], ["x1", "x2"]))


@EVERY
async def test_equal_values_are_values_of_their_own(kind: Kind) -> None:
    calls: list[str] = []

    @op(name="take", inputs={"a": A}, outputs={"b": B})
    async def take(a):
        calls.append(a)

    await kind.run(collecting(take, of=[B]), given(A, "same", "same", "same"))
    assert calls == ["same"] * 3


@EVERY
async def test_a_value_may_stand_for_two_parameters(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="twice", inputs={"x": A, "y": A}, outputs={"b": B})
    async def twice(x, y):
        calls.append((x, y))

    await kind.run(collecting(twice, of=[B]), given(A, "v"))
    assert calls == [("v", "v")]


@EVERY
async def test_nothing_runs_where_a_parameter_has_no_value(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="join", inputs={"a": A, "b": B}, outputs={"c": C})
    async def join(a, b):
        calls.append((a, b))

    assert await kind.only(collecting(join, of=[A, C]), given(A, "1", "2")) == {"a": ["1", "2"]}
    assert calls == []


@EVERY
@pytest.mark.parametrize("value", [None, 0, False, "", []])
async def test_what_is_false_is_a_value_all_the_same(kind: Kind, value: Any) -> None:
    calls: list[Any] = []

    @op(name="take", inputs={"a": A}, outputs={"b": B})
    async def take(a):
        calls.append(a)
        return {"b": value}

    @op(name="again", inputs={"b": B}, outputs={"c": C})
    async def again(b):
        calls.append(b)

    await kind.run(collecting(take, again, of=[C]), given(A, value))
    assert calls == [value, value]


@EVERY
async def test_an_operation_s_inputs_that_the_flow_leaves_out_are_not_passed(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="take", inputs={"a": A, "b": B}, outputs={"c": C})
    async def take(a, b="its own"):
        calls.append((a, b))

    made = collecting(take, of=[C])
    del made.flow["take"].inputs["b"]
    made.update()
    await kind.run(made, given(A, "1") + given(B, "2"))
    assert calls == [("1", "its own")]


# What an operation gives.


@EVERY
async def test_expanded_outputs_join_as_values_of_their_own(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="split", inputs={"a": A}, outputs={"b": B, "c": C, "d": D}, expand=["b", "c"])
    async def split(a):
        return {"b": ["1", "2"], "c": ("x", "y"), "d": ["a", "list"]}

    @op(name="take", inputs={"b": B, "c": C, "d": D}, outputs={"e": E})
    async def take(b, c, d):
        calls.append((b, c, tuple(d)))

    await kind.run(collecting(split, take, of=[E]), given(A, "1"))
    assert Counter(calls) == once_each(*product("12", "xy", [("a", "list")]))


@EVERY
async def test_expanding_nothing_gives_nothing(kind: Kind) -> None:
    @op(name="split", inputs={"a": A}, outputs={"b": B, "c": C}, expand=["b"])
    async def split(a):
        return {"b": [], "c": "c"}

    assert await kind.only(collecting(split, of=[B, C]), given(A, "1")) == {"c": ["c"]}


@EVERY
async def test_each_yield_of_a_generator_is_a_set_of_outputs(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="count", inputs={"a": A}, outputs={"b": B, "c": C}, expand=["c"])
    async def count(a):
        yield {"b": "1"}
        yield {"b": "2", "c": ["x", "y"]}
        yield {}

    @op(name="take", inputs={"b": B, "c": C}, outputs={"d": D})
    async def take(b, c):
        calls.append((b, c))

    found = await kind.only(collecting(count, take, of=[B, C]), given(A, "1"))
    assert found == {"b": ["1", "2"], "c": ["x", "y"]}
    assert Counter(calls) == once_each(*product("12", "xy"))


@EVERY
async def test_outputs_know_what_they_were_made_of(kind: Kind) -> None:
    seen: list[Input] = []
    kinds = (A, B, C, D)

    @op(name="one", inputs={"a": A, "b": B}, outputs={"c": C})
    async def one(a, b):
        return {"c": a + b}

    @op(name="two", inputs={"c": C}, outputs={"d": D})
    async def two(c):
        return {"d": c * 2}

    made = collecting(one, two, of=[])
    collect = made.implementations["collect"].CONTEXT

    async def look(self, inputs):
        async with self.octx.ictx.definitions(self.ctx) as held:
            for definition in kinds:
                seen.extend([item async for item in held.inputs(definition)])
        return {}

    collect.run = look
    await kind.run(made, given(A, "1") + given(B, "2"))
    a, b, c, d = seen
    assert [item.value for item in seen] == ["1", "2", "12", "1212"]
    assert [item.origin for item in seen] == ["seed", "seed", ("one", "c"), ("two", "d")]
    assert list(c.parents) == [a, b]
    assert list(d.parents) == [c]
    assert sorted(item.value for item in d.get_parents()) == ["1", "12", "2"]
    assert len({item.uid for item in seen}) == 4
