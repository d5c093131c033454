"""Both orchestrators, and one way to run a flow with each: the contract suite's ground.

Ours is there twice: with every operation on a node, and with every operation on the primary.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from dffml import DataFlow, Definition, Input, MemoryOrchestrator, Stage, op
from dffml.operation.dataflow import RunDataFlowConfig, run_dataflow
from dffml.operation.output import GetSingle

from chatbot.orchestrator.orchestrator import NatsOrchestrator


@dataclass(frozen=True)
class Kind:
    """An orchestrator, and where it runs operations."""

    name: str
    orchestrator: Any
    on_primary: bool = False

    @contextlib.asynccontextmanager
    async def open(self, dataflow: DataFlow, **kwargs: Any) -> AsyncIterator[Any]:
        """Open an orchestrator context for `dataflow`, for 30 seconds at most."""
        if self.on_primary:
            declare_cheap(dataflow)
        async with asyncio.timeout(30), self.orchestrator.withconfig({}) as orchestrator:
            async with orchestrator(dataflow, **kwargs) as octx:
                yield octx

    async def run(self, dataflow: DataFlow, *inputs: Any, **kwargs: Any) -> dict[str, Any]:
        """Run `dataflow`; return each context's results, by the context's name."""
        async with self.open(dataflow) as octx:
            return {str(ctx): result async for ctx, result in octx.run(*inputs, **kwargs)}

    async def only(self, dataflow: DataFlow, inputs: list[Input], **kwargs: Any) -> Any:
        """Run `dataflow` for one context; return its results."""
        (result,) = (await self.run(dataflow, {"only": inputs}, **kwargs)).values()
        return result


MEMORY = Kind("memory", MemoryOrchestrator)
NODES = Kind("nodes", NatsOrchestrator)
PRIMARY = Kind("primary", NatsOrchestrator, on_primary=True)


def over(*kinds: Kind) -> Any:
    """Run a test over `kinds`; it takes the `kind`."""
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.name)


EVERY = over(MEMORY, NODES, PRIMARY)
OURS = over(NODES, PRIMARY)
HERE = over(MEMORY, PRIMARY)
"""Where an operation runs beside its context, and may look into it."""


def declare_cheap(dataflow: DataFlow) -> None:
    """Have the operations of `dataflow` and of its subflows run on the primary."""
    for name, implementation in dataflow.implementations.items():
        if not name.startswith("dffml."):
            dataflow.implementations[name] = type(
                implementation.__name__, (implementation,), {"cheap": True}
            )
    for config in dataflow.configs.values():
        if isinstance(inner := getattr(config, "dataflow", None), DataFlow):
            declare_cheap(inner)


A, B, C, D, E = (Definition(name=name, primitive="string") for name in "abcde")
FLAG = Definition(name="flag", primitive="bool")
ASKED = Definition(name="asked", primitive="array")


def given(definition: Definition, *values: Any, origin: Any = "seed") -> list[Input]:
    return [Input(value=value, definition=definition, origin=origin) for value in values]


def collecting(*operations: Any, of: list[Definition]) -> DataFlow:
    """Return a flow of `operations` that gives the values of `of`, sorted, by definition."""

    @op(name="collect", inputs={"asked": ASKED}, outputs={}, stage=Stage.OUTPUT)
    async def collect(self, asked):  # type: ignore[no-untyped-def]
        found = {}
        async with self.octx.ictx.definitions(self.ctx) as held:
            for definition in of:
                with contextlib.suppress(KeyError):  # DFFML's own raises it where there is none
                    values = [item.value async for item in held.inputs(definition)]
                    found[definition.name] = sorted(values)
        return {name: values for name, values in found.items() if values}

    made = DataFlow(*operations, collect)
    made.seed.append(Input(value=[], definition=ASKED))
    return made


def single(name: str, *operations: Any) -> DataFlow:
    """Return a flow of `operations` that gives one value of the definition `name`."""
    made = DataFlow(*operations, GetSingle)
    made.seed.extend(given(GetSingle.op.inputs["spec"], [name]))
    return made


def embedded(inner: DataFlow, takes: dict[str, Definition], gives: dict[str, Definition]) -> Any:
    """Return a flow that runs `inner` as an operation, under the name `inner`."""
    made = single(next(iter(gives)), run_dataflow)
    (own,) = (name for name in made.operations if name == run_dataflow.op.name)
    operation = made.operations.pop(own)
    made.operations["inner"] = operation._replace(inputs=takes, outputs=gives, expand=[])
    made.configs["inner"] = RunDataFlowConfig(inner)
    made.update(auto_flow=True)
    return made
