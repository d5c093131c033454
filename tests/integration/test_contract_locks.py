"""The contract: values that two operations may not use at once. Over both orchestrators."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from dffml import DataFlow, Definition, Input, Stage, op
from dffml.df.base import OperationException
from dffml.df.types import InputFlow

from tests.integration.orchestrators import (
    EVERY,
    HERE,
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

LOCKED = Definition(name="locked", primitive="string", lock=True)
OTHER = Definition(name="other", primitive="string", lock=True)


class Room:
    """Notes how many are inside at once."""

    def __init__(self, wanted: int = 2) -> None:
        self.inside = 0
        self.entered = 0
        self.most = 0
        self._wanted = wanted
        self._full = asyncio.Event()

    async def stay(self) -> None:
        """Stay for as long as another would need to come in."""
        self._enter()
        for _ in range(200):
            await asyncio.sleep(0)
        self.inside -= 1

    async def wait_for_others(self) -> None:
        """Stay until all that are wanted are inside."""
        self._enter()
        await self._full.wait()
        self.inside -= 1

    def _enter(self) -> None:
        self.inside += 1
        self.entered += 1
        self.most = max(self.most, self.inside)
        if self.inside == self._wanted:
            self._full.set()


def using(name: str, room: Room, **takes: Definition) -> Any:
    @op(name=name, inputs=takes, outputs={"d": D})
    async def use(**given: Any) -> dict[str, str]:
        await room.stay()
        return {"d": name}

    return use


@EVERY
async def test_two_operations_do_not_use_a_locked_value_at_once(kind: Kind) -> None:
    room = Room()
    made = collecting(using("left", room, a=LOCKED), using("right", room, b=LOCKED), of=[D])
    assert await kind.only(made, given(LOCKED, "1")) == {"d": ["left", "right"]}
    assert room.most == 1


@EVERY
async def test_an_operation_does_not_use_it_twice_at_once(kind: Kind) -> None:
    room = Room()
    made = collecting(using("use", room, a=LOCKED, b=B), of=[D])
    assert await kind.only(made, given(LOCKED, "1") + given(B, *"xyz")) == {"d": ["use"] * 3}
    assert room.most == 1


@EVERY
async def test_what_was_made_of_a_locked_value_is_locked_with_it(kind: Kind) -> None:
    room = Room()

    def made_of(takes: Definition, gives: Definition) -> Any:
        @op(name=f"{gives.name}_of_{takes.name}", inputs={"x": takes}, outputs={"y": gives})
        async def make(x):
            return {"y": x}

        return make

    operations = (made_of(LOCKED, A), made_of(A, B), made_of(LOCKED, C))
    uses = (using("left", room, b=B), using("right", room, c=C), using("both", room, b=B, c=C))
    made = collecting(*operations, *uses, of=[D])
    assert await kind.only(made, given(LOCKED, "1")) == {"d": ["both", "left", "right"]}
    assert room.most == 1


@HERE
async def test_operations_that_share_no_locked_value_run_together(kind: Kind) -> None:
    room = Room(wanted=3)

    @op(name="use", inputs={"a": LOCKED}, outputs={"d": D})
    async def use(a):
        await room.wait_for_others()
        return {"d": a}

    @op(name="other", inputs={"b": B}, outputs={"d": D})
    async def other(b):
        await room.wait_for_others()
        return {"d": b}

    found = await kind.only(collecting(use, other, of=[D]), given(LOCKED, "1", "2") + given(B, "3"))
    assert found == {"d": ["1", "2", "3"]}
    assert room.most == 3


@EVERY
async def test_contexts_share_the_flow_s_seed_and_its_locks(kind: Kind) -> None:
    room = Room()
    made = collecting(using("left", room, a=LOCKED), using("right", room, a=LOCKED, b=B), of=[D])
    made.seed.extend(given(LOCKED, "seeded"))
    found = await kind.run(made, {name: given(B, name) for name in "xyz"})
    assert found == {name: {"d": ["left", "right"]} for name in "xyz"}
    assert room.most == 1
    assert room.entered == 6


@HERE
async def test_each_context_has_its_own_locks(kind: Kind) -> None:
    room = Room(wanted=2)

    @op(name="use", inputs={"a": LOCKED}, outputs={"d": D})
    async def use(a):
        await room.wait_for_others()
        return {"d": a}

    found = await kind.run(collecting(use, of=[D]), {name: given(LOCKED, "v") for name in "xy"})
    assert found == {"x": {"d": ["v"]}, "y": {"d": ["v"]}}


@EVERY
async def test_a_lock_is_given_back_by_an_operation_that_fails(kind: Kind) -> None:
    @op(name="fail", inputs={"a": LOCKED, "b": B}, outputs={"d": D})
    async def fail(a, b):
        raise ValueError(b)

    made = collecting(fail, using("use", Room(), a=LOCKED), of=[D])
    inputs = given(LOCKED, "1") + given(B, *"xyz")
    assert await kind.only(made, inputs, strict=False) == {"d": ["use"]}


@EVERY
async def test_a_lock_is_given_back_by_a_context_that_fails(kind: Kind) -> None:
    seeded = given(LOCKED, "seeded")

    @op(name="fail", inputs={"b": B, "a": LOCKED}, outputs={"d": D})
    async def fail(b, a):
        if b == "bad":
            raise ValueError(b)
        return {"d": b}

    made = collecting(fail, of=[D])
    made.seed.extend(seeded)
    async with kind.open(made) as octx:
        with pytest.raises(OperationException):
            await anext(octx.run({"x": given(B, "bad", "bad", "1")}))
        found = [r async for _, r in octx.run({"y": given(B, "good")})]
    assert found == [{"d": ["good"]}]


@EVERY
async def test_cleanup_and_output_take_locked_values(kind: Kind) -> None:
    calls: list[str] = []

    def at(stage: Stage) -> Any:
        @op(name=stage.value, inputs={"a": LOCKED}, outputs={}, stage=stage)
        async def run(a):
            calls.append(f"{stage.value} {a}")
            return {}

        return run

    await kind.run(DataFlow(*map(at, Stage)), given(LOCKED, "1"))
    assert calls == ["processing 1", "cleanup 1", "output 1"]


@OURS  # DFFML's own blocks for ever
async def test_locks_taken_in_all_orders_block_nobody(kind: Kind) -> None:
    room = Room()
    third = Definition(name="third", primitive="string", lock=True)
    orders = [(LOCKED, OTHER, third), (third, OTHER, LOCKED), (OTHER, LOCKED, third)]
    made = collecting(
        *(
            using(f"use{number}", room, **dict(zip("xyz", order, strict=True)))
            for number, order in enumerate(orders)
        ),
        of=[D],
    )
    inputs: list[Input] = [*given(LOCKED, "1", "2"), *given(OTHER, "1"), *given(third, "1", "2")]
    found = await kind.only(made, inputs)
    assert found == {"d": [name for name in ("use0", "use1", "use2") for _ in range(4)]}
    assert room.most == 1, "they all share the one `other`"


@OURS
async def test_an_operation_without_values_of_its_own_waits_for_no_lock(kind: Kind) -> None:
    @op(name="start", inputs={}, outputs={"d": D})
    async def start():
        return {"d": "started"}

    made = collecting(start, using("use", Room(), a=LOCKED), of=[D])
    made.flow["start"] = InputFlow()
    assert await kind.only(made, given(LOCKED, "1")) == {"d": ["started", "use"]}
