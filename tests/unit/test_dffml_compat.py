"""DFFML is repaired when it is imported, and nobody else notices."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

import pytest
from dffml import DataFlow, Definition, GetSingle, Input, MemoryOrchestrator, op


class Person(NamedTuple):
    name: str
    age: int = 7


def test_importing_our_package_imports_neither_dffml_nor_torch() -> None:
    code = (
        "import sys, chatbot.cli; "
        "heavy = {'dffml', 'torch', 'transformers', 'nats', 'rich'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_dffml_imports_without_warnings_or_a_running_loop() -> None:
    code = "import chatbot, dffml, dffml.cli.cli, dffml.source.df"
    subprocess.run([sys.executable, "-W", "error", "-X", "dev", "-c", code], check=True)


def test_typing_is_as_it_was_afterwards() -> None:
    item = TypeVar("item")
    with pytest.raises(TypeError):
        type(NamedTuple)("X", (NamedTuple, Iterator), {})  # type: ignore[call-overload]
    assert Generic[item] is not None


def test_a_definition_with_a_spec_survives_a_round_trip() -> None:
    friend = Definition(name="friend", primitive="map", spec=Person)
    again = Definition._fromdict(**friend.export())
    assert again == friend
    assert Input(value={"name": "Bob"}, definition=again).value == ("Bob", 7)


async def test_dffmls_own_orchestrator_runs_and_its_flows_export() -> None:
    @op(outputs={"twice": Definition(name="twice", primitive="int")})
    def double(number: int):
        return {"twice": number * 2}

    flow = DataFlow.auto(double, GetSingle)
    flow.seed.append(Input(value=["twice"], definition=GetSingle.op.inputs["spec"]))
    assert (
        DataFlow._fromdict(
            **flow.export(linked=True),
        )
        is not None
    )
    inputs = {"one": [Input(value=21, definition=double.op.inputs["number"])]}
    assert [r async for _, r in MemoryOrchestrator.run(flow, inputs)] == [{"twice": 42}]


async def test_what_two_operations_give_nearly_at_once_is_seen_by_dffmls_own_orchestrator() -> None:
    turns, left, right, both = (
        Definition(name=name, primitive="integer") for name in ("turns", "left", "right", "both")
    )

    @op(inputs={"turns": turns}, outputs={"left": left})
    async def first(turns: int) -> dict[str, int]:
        for _ in range(50):
            await asyncio.sleep(0)
        return {"left": turns}

    @op(inputs={"turns": turns}, outputs={"right": right})
    async def second(turns: int) -> dict[str, int]:
        for _ in range(turns):
            await asyncio.sleep(0)
        return {"right": turns}

    @op(inputs={"left": left, "right": right}, outputs={"both": both})
    async def third(left: int, right: int) -> dict[str, int]:
        return {"both": left + right}

    @op(inputs={"left": left}, outputs={"aside": Definition(name="aside", primitive="integer")})
    async def fourth(left: int) -> dict[str, int]:
        return {"aside": left}

    dataflow = DataFlow.auto(first, second, third, fourth, GetSingle)
    dataflow.seed.append(Input(value=["both"], definition=GetSingle.op.inputs["spec"]))
    found = {}
    for number in range(30, 70):
        async with (
            MemoryOrchestrator.withconfig({}) as orchestrator,
            orchestrator(dataflow) as octx,
        ):
            inputs = [Input(value=number, definition=turns)]
            async for _, results in octx.run({f"{number}": inputs}):
                found[number] = results.get("both")
    assert found == {number: 2 * number for number in range(30, 70)}
