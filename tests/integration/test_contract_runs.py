"""The contract: what `run` takes, in what order it gives, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dffml import BaseInputSetContext, DataFlow, Input, Stage, op
from dffml.df.base import BaseContextHandle, OperationException, StringInputSetContext
from dffml.df.memory import MemoryInputSet, MemoryInputSetConfig

from tests.integration.orchestrators import (
    EVERY,
    HERE,
    OURS,
    A,
    B,
    C,
    Kind,
    collecting,
    given,
)
from tests.servers.processes import until

pytestmark = pytest.mark.usefixtures("nats_address")


@op(name="double", inputs={"a": A}, outputs={"b": B})
async def double(a):  # type: ignore[no-untyped-def]
    return {"b": a * 2}


def doubling() -> DataFlow:
    return collecting(double, of=[B])


@EVERY
async def test_inputs_come_by_name(kind: Kind) -> None:
    found = await kind.run(doubling(), {name: given(A, name) for name in "xyz"})
    assert found == {"x": {"b": ["xx"]}, "y": {"b": ["yy"]}, "z": {"b": ["zz"]}}


@EVERY
async def test_inputs_come_by_context(kind: Kind) -> None:
    ctx = StringInputSetContext("x")
    async with kind.open(doubling()) as octx:
        ((given_back, found),) = [each async for each in octx.run({ctx: given(A, "1")})]
    assert given_back is ctx
    assert found == {"b": ["11"]}


class Numbered(BaseInputSetContext):
    """A context that a number names."""

    def __init__(self, number: int) -> None:
        self.number = number

    async def handle(self) -> BaseContextHandle:
        class Handle(BaseContextHandle):
            def as_string(self) -> str:
                return f"number {self.ctx.number}"

        return Handle(self)


@EVERY
async def test_a_context_is_known_by_its_handle(kind: Kind) -> None:
    seven = Numbered(7)
    async with kind.open(doubling()) as octx:
        await octx.ictx.sadd("number 7", *given(A, "before"))
        found = {id(ctx): r async for ctx, r in octx.run({seven: given(A, "7")})}
    assert found == {id(seven): {"b": ["77", "beforebefore"]}}


@EVERY
async def test_inputs_come_as_lists_each_for_a_context_of_its_own(kind: Kind) -> None:
    inputs = given(A, "1")
    found = await kind.run(doubling(), inputs, given(A, "2", "3"), given(A, "1"))
    assert sorted(result["b"] for result in found.values()) == [["11"], ["11"], ["22", "33"]]
    assert len(inputs) == 1, "a caller's list is left as it was"


@EVERY
async def test_inputs_come_as_input_sets(kind: Kind) -> None:
    sets = [
        MemoryInputSet(MemoryInputSetConfig(ctx=StringInputSetContext(name), inputs=given(A, name)))
        for name in "xy"
    ]
    assert await kind.run(doubling(), *sets) == {"x": {"b": ["xx"]}, "y": {"b": ["yy"]}}


@EVERY
async def test_without_inputs_the_seed_is_run(kind: Kind) -> None:
    made = doubling()
    made.seed.extend(given(A, "s"))
    (found,) = (await kind.run(made)).values()
    assert found == {"b": ["ss"]}
    assert await kind.run(made, ctx=StringInputSetContext("named")) == {"named": {"b": ["ss"]}}
    assert await kind.run(made, given(A, "1"), ctx=StringInputSetContext("named")) == {
        "named": {"b": ["11", "ss"]}
    }


@EVERY
async def test_an_empty_dict_gives_nothing(kind: Kind) -> None:
    assert await kind.run(doubling(), {}) == {}


@EVERY
async def test_each_context_has_the_seed_for_itself(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="join", inputs={"a": A, "b": B}, outputs={"c": C})
    async def join(a, b):
        calls.append((a, b))

    made = DataFlow(join)
    made.seed.extend(given(B, "s"))
    await kind.run(made, {"x": given(A, "1"), "y": given(A, "2")})
    assert sorted(calls) == [("1", "s"), ("2", "s")]
    assert len(made.seed) == 1


@EVERY
async def test_inputs_may_be_there_before_the_run(kind: Kind) -> None:
    async with kind.open(doubling()) as octx:
        await octx.ictx.sadd("x", *given(A, "1"))
        await octx.ictx.cadd(StringInputSetContext("y"), *given(A, "not run"))
        await octx.ictx.add(
            MemoryInputSet(
                MemoryInputSetConfig(ctx=StringInputSetContext("x"), inputs=given(A, "2"))
            )
        )
        found = [result async for _, result in octx.run({"x": given(A, "3")})]
    assert found == [{"b": ["11", "22", "33"]}]


@EVERY
async def test_one_orchestrator_runs_again_and_with_several_flows(kind: Kind) -> None:
    async with kind.open(doubling()) as octx:
        for name in "xyz":
            found = [result async for _, result in octx.run({name: given(A, name)})]
            assert found == [{"b": [name * 2]}]
        async with octx.parent(doubling()) as other:
            assert [r async for _, r in other.run({"x": given(A, "o")})] == [{"b": ["oo"]}]


@HERE
async def test_results_come_as_contexts_end(kind: Kind) -> None:
    gates = {name: asyncio.Event() for name in "xyz"}

    @op(name="wait", inputs={"a": A}, outputs={"b": B})
    async def wait(a):
        await gates[a].wait()
        return {"b": a}

    order: list[str] = []
    gates["z"].set()
    async with kind.open(DataFlow(wait)) as octx:
        async for ctx, _ in octx.run({name: given(A, name) for name in "xyz"}):
            order.append(str(ctx))
            gates["x" if order == ["z"] else "y"].set()
    assert order == ["z", "x", "y"]


# How it ends.


def watched(calls: list[str], entered: asyncio.Event) -> DataFlow:
    """`work` waits for ever, but for "fail"; it fails when another waits. `clean` notes all."""

    @op(name="work", inputs={"a": A}, outputs={"b": B})
    async def work(a):
        if a == "fail":
            await entered.wait()
            raise ValueError(a)
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            calls.append(f"cancelled {a}")

    @op(name="clean", inputs={"a": A}, outputs={}, stage=Stage.CLEANUP)
    async def clean(a):
        calls.append(f"clean {a}")

    @op(name="out", inputs={"a": A}, outputs={}, stage=Stage.OUTPUT)
    async def out(a):
        calls.append(f"out {a}")
        return {}

    return DataFlow(work, clean, out)


@HERE
async def test_the_first_failure_ends_a_strict_run_and_cleans_up_the_others(kind: Kind) -> None:
    calls: list[str] = []
    async with kind.open(watched(calls, asyncio.Event())) as octx:
        with pytest.raises(OperationException):
            await anext(octx.run({name: given(A, name) for name in ("x", "fail")}))
        await until(lambda: {"clean x", "clean fail"} <= set(calls))
    assert not [each for each in calls if each.startswith("out")]


@HERE
async def test_whoever_stops_iterating_leaves_nothing_running(kind: Kind) -> None:
    calls: list[str] = []
    waiting = asyncio.Event()

    @op(name="work", inputs={"a": A}, outputs={"b": B})
    async def work(a):
        if a == "quick":
            await waiting.wait()
            return {"b": a}
        waiting.set()
        await asyncio.Event().wait()
        return calls.append("went on")

    @op(name="clean", inputs={"a": A}, outputs={}, stage=Stage.CLEANUP)
    async def clean(a):
        calls.append(f"clean {a}")

    async with kind.open(DataFlow(work, clean)) as octx:
        running = octx.run({name: given(A, name) for name in ("slow", "quick")})
        async for ctx, _ in running:
            assert str(ctx) == "quick"
            break
        await running.aclose()
        await until(lambda: "clean slow" in calls)
    assert sorted(calls) == ["clean quick", "clean slow"]


@OURS
async def test_a_context_that_was_given_up_may_be_run_anew(kind: Kind) -> None:
    refuse = True
    calls: list[str] = []

    @op(name="work", inputs={"a": A}, outputs={"b": B})
    async def work(a):
        calls.append(a)
        if refuse:
            raise ValueError(a)
        return {"b": a}

    async with kind.open(collecting(work, of=[A, B])) as octx:
        with pytest.raises(OperationException):
            await anext(octx.run({name: given(A, name) for name in "xyz"}))
        refuse = False
        found = {str(c): r async for c, r in octx.run({n: given(A, n + n) for n in "xyz"})}
    assert found == {n: {"a": [n + n], "b": [n + n]} for n in "xyz"}, "nothing is left of before"


@OURS
async def test_where_it_is_not_strict_only_what_failed_is_missing(kind: Kind) -> None:
    @op(name="out", inputs={"a": A}, outputs={}, stage=Stage.OUTPUT)
    async def out(a):
        return {"was": a}

    @op(name="clean", inputs={"a": A}, outputs={}, stage=Stage.CLEANUP)
    async def clean(a):
        if a == "2":
            raise ValueError(a)

    inputs = {name: given(A, name) for name in "123"}
    found = await kind.run(DataFlow(out, clean), inputs, strict=False)
    assert found == {"1": {"was": "1"}, "3": {"was": "3"}}


# What DFFML's own leaves out.


@OURS
async def test_a_generator_may_give_all_that_run_takes(kind: Kind) -> None:
    async def inputs() -> AsyncIterator[Any]:
        yield given(A, "1")
        yield {"x": given(A, "2"), StringInputSetContext("y"): given(A, "3")}
        yield MemoryInputSet(
            MemoryInputSetConfig(ctx=StringInputSetContext("z"), inputs=given(A, "4"))
        )

    found = await kind.run(doubling(), inputs())
    assert {name: found[name]["b"] for name in "xyz"} == {"x": ["22"], "y": ["33"], "z": ["44"]}
    assert len(found) == 4


@OURS
async def test_what_a_generator_raises_ends_the_run(kind: Kind) -> None:
    async def inputs() -> AsyncIterator[list[Input]]:
        yield given(A, "1")
        raise LookupError("as asked")

    with pytest.raises(LookupError, match="as asked"):
        await kind.run(doubling(), inputs())


@OURS
async def test_after_halt_no_context_starts_and_those_that_run_end(kind: Kind) -> None:
    halt = asyncio.Event()

    async def inputs() -> AsyncIterator[dict[str, list[Input]]]:
        for number in range(1, 100):
            if number == 3:
                halt.set()
            yield {str(number): given(A, str(number))}

    found = await kind.run(doubling(), inputs(), halt=halt)
    assert sorted(found) == ["1", "2", "3"]


@OURS
@pytest.mark.parametrize("most", [1, 2, 5])
async def test_as_many_contexts_run_at_once_as_allowed(kind: Kind, most: int) -> None:
    running: set[str] = set()
    at_once: list[int] = []

    @op(name="enter", inputs={"a": A}, outputs={"b": B})
    async def enter(a):
        running.add(a)
        at_once.append(len(running))
        return {"b": a}

    @op(name="leave", inputs={"b": B}, outputs={}, stage=Stage.CLEANUP)
    async def leave(b):
        running.discard(b)

    async with kind.open(DataFlow(enter, leave), max_ctxs=most) as octx:
        inputs = {str(number): given(A, str(number)) for number in range(12)}
        assert len([each async for each in octx.run(inputs)]) == 12
    assert max(at_once) == most if kind.on_primary else max(at_once) <= most
    assert len(at_once) == 12
