"""The contract: what is forwarded to flows within flows. Over both orchestrators."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from dffml import DataFlow, Definition, Input, op

from tests.integration.orchestrators import (
    HERE,
    PRIMARY,
    A,
    B,
    C,
    D,
    Kind,
    embedded,
    given,
    over,
    single,
)

pytestmark = pytest.mark.usefixtures("nats_address")

WORDS = Definition(name="words", primitive="string")
PASSED = Definition(name="passed", primitive="string")


def joining(joined: list[Any], started: asyncio.Event, gate: asyncio.Event) -> DataFlow:
    """Return a flow that ends when `gate` opens, and joins `a` with what is forwarded to it."""

    @op(name="hold", inputs={"a": A}, outputs={"b": B})
    async def hold(a):
        started.set()
        await gate.wait()
        return {"b": a}

    @op(name="join", inputs={"a": A, "passed": PASSED}, outputs={})
    async def join(a, passed):
        joined.append((a, passed))
        gate.set()

    return single("b", hold, join)


@HERE
@pytest.mark.parametrize("depth", [1, 2])
async def test_values_that_come_are_forwarded_to_a_subflow_that_runs(
    kind: Kind, depth: int
) -> None:
    joined: list[Any] = []
    started, gate = asyncio.Event(), asyncio.Event()

    @op(name="late", inputs={"c": C}, outputs={})
    async def late(self, c):
        await started.wait()
        for definition in (D, PASSED):
            await self.octx.ictx.cadd(self.ctx, Input(value=c, definition=definition))

    made = joining(joined, started, gate)
    for level in range(depth):
        made = embedded(made, {"a": A}, {"b": B})
        made.forward.add("inner", [PASSED])
        if level == depth - 1:
            made.operations["late"] = late
            made.update(auto_flow=True)
    assert await kind.only(made, given(A, "1") + given(C, "p")) == {"b": "1"}
    assert joined == [("1", "p")]


@over(PRIMARY)  # DFFML's own loses what comes before the subflow has registered
@pytest.mark.parametrize("depth", [1, 2])
async def test_values_that_came_before_are_forwarded_when_the_subflow_starts(
    kind: Kind, depth: int
) -> None:
    joined: list[Any] = []
    made = joining(joined, asyncio.Event(), asyncio.Event())
    for _ in range(depth):
        made = embedded(made, {"a": A}, {"b": B})
        made.forward.add("inner", [PASSED])
    made.seed.extend(given(PASSED, "seeded"))
    assert await kind.only(made, given(PASSED, "p") + given(A, "1")) == {"b": "1"}
    assert sorted(joined) == [("1", "p"), ("1", "seeded")]


@over(PRIMARY)
async def test_what_is_forwarded_stays_within_its_context(kind: Kind) -> None:
    joined: list[Any] = []
    started = asyncio.Event()

    @op(name="join", inputs={"a": A, "passed": PASSED}, outputs={"b": B})
    async def join(a, passed):
        joined.append((a, passed))
        started.set()
        return {"b": a}

    made = embedded(single("b", join), {"a": A}, {"b": B})
    made.forward.add("inner", [PASSED])
    inputs = {name: given(A, name) + given(PASSED, name) for name in "xyz"}
    assert await kind.run(made, inputs) == {name: {"b": name} for name in "xyz"}
    assert sorted(joined) == [(name, name) for name in "xyz"]


@over(PRIMARY)
async def test_only_what_the_flow_says_is_forwarded_and_only_if_it_is_valid(kind: Kind) -> None:
    seen: list[Any] = []

    @op(name="look", inputs={"a": A}, outputs={"b": B})
    async def look(self, a):
        for definition in (A, C, PASSED, WORDS):
            async with self.octx.ictx.definitions(self.ctx) as held:
                seen.extend([item.value async for item in held.inputs(definition)])
        return {"b": a}

    words = WORDS._replace(validate="check")

    @op(name="check", inputs={"words": words}, outputs={}, validator=True)
    async def check(words):
        return None

    made = embedded(single("b", look), {"a": A}, {"b": B})
    made.operations["check"] = check
    made.update(auto_flow=True)
    made.forward.add("inner", [PASSED, words])
    made.forward.add("other", [C])
    inputs = given(PASSED, "p") + given(C, "c") + given(words, "w") + given(A, "1")
    assert await kind.only(made, inputs) == {"b": "1"}
    assert seen == ["1", "p"]
