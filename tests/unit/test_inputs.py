"""The primary's input network: contexts by their handle, and values by their definition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from dffml import DataFlow, Definition, Input
from dffml.df.base import BaseContextHandle, BaseInputSetContext, StringInputSetContext
from dffml.df.exceptions import ContextNotPresent, DefinitionNotInContext
from dffml.df.memory import MemoryInputSet, MemoryInputSetConfig

from chatbot.orchestrator.inputs import NatsMasterInputNetwork, handle_of
from tests.unit.contexts import A, B, Running, given, operation


@pytest.fixture
async def ictx() -> AsyncIterator[Any]:
    async with NatsMasterInputNetwork.withconfig({}) as network, network() as ictx:
        yield ictx


async def values(ictx: Any, ctx: Any, definition: Definition) -> list[Any]:
    async with ictx.definitions(ctx) as held:
        return [item.value async for item in held.inputs(definition)]


class Handled(BaseInputSetContext):
    """A context whose handle says more than its string."""

    async def handle(self) -> BaseContextHandle:
        class Handle(BaseContextHandle):
            def as_string(self) -> str:
                return "its handle"

        return Handle(self)


async def test_values_are_found_by_context_and_definition(ictx: Any) -> None:
    one = await ictx.sadd("one", *given(A, "1", "2"), *given(B, "x"))
    two = StringInputSetContext("two")
    assert await ictx.cadd(two, *given(A, "3")) is two
    await ictx.add(MemoryInputSet(MemoryInputSetConfig(ctx=two, inputs=given(B, "y", "z"))))
    assert await values(ictx, one, A) == ["1", "2"]
    assert await values(ictx, one, B) == ["x"]
    assert await values(ictx, two, A) == ["3"]
    assert await values(ictx, two, B) == ["y", "z"]
    again = Definition(name="a", primitive="of another kind")
    assert await values(ictx, two, again) == ["3"], "it is the name that counts"


async def test_contexts_without_a_name_are_told_apart(ictx: Any) -> None:
    one, two = await ictx.uadd(*given(A, "1")), await ictx.uadd(*given(A, "2"))
    assert await values(ictx, one, A) == ["1"]
    assert await values(ictx, two, A) == ["2"]


async def test_a_context_is_its_handle(ictx: Any) -> None:
    assert await handle_of(StringInputSetContext("x")) == "x"
    assert await handle_of(Handled()) == "its handle"
    await ictx.cadd(Handled(), *given(A, "1"))
    assert await values(ictx, StringInputSetContext("its handle"), A) == ["1"]


async def test_a_definition_is_found_by_its_name(ictx: Any) -> None:
    ctx = await ictx.sadd("x", *given(A, "1"), *given(B, "2"))
    assert await ictx.definition(ctx, "b") is B
    with pytest.raises(DefinitionNotInContext, match="x: c"):
        await ictx.definition(ctx, "c")


async def test_a_context_that_is_not_there_is_an_error(ictx: Any) -> None:
    nowhere = StringInputSetContext("nowhere")
    with pytest.raises(ContextNotPresent, match="nowhere"):
        await ictx.definition(nowhere, "a")
    with pytest.raises(ContextNotPresent, match="nowhere"):
        await values(ictx, nowhere, A)


async def test_what_a_parent_flow_sends_goes_to_every_context(ictx: Any) -> None:
    one, two = await ictx.sadd("one"), await ictx.sadd("two", *given(A, "2"))
    await ictx.receive_from_parent_flow(given(A, "sent"))
    assert await values(ictx, one, A) == ["sent"]
    assert await values(ictx, two, A) == ["2", "sent"]


async def test_a_context_that_runs_takes_what_comes_by_itself(ictx: Any) -> None:
    ctx = await ictx.sadd("x", *given(A, "1"))
    entry = ictx.open("x", ctx)
    assert entry.kept
    running = Running(DataFlow(operation("one", "a")), inputs=[])
    running.context.inputs = entry.inputs
    entry.running.append(running.context)
    running.context.start([])
    await ictx.sadd("x", *given(A, "2"))
    assert running.called("one") == [{"a": "1"}, {"a": "2"}]
    assert await values(ictx, ctx, A) == ["1", "2"], "and holds it once"


async def test_what_the_plan_does_is_not_asked_of_it(ictx: Any) -> None:
    ctx: Any = await ictx.sadd("x", Input(value="1", definition=A))
    for asked in (ictx.ctx(), ictx.added(ctx), ictx.gather_inputs(None, None, ctx=ctx)):
        with pytest.raises(TypeError):
            await asked
