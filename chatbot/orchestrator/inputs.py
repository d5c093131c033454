"""DFFML's input network, on a primary: the inputs of the contexts that it owns.

The rule that it guards: a context's inputs are here, in one process, and nowhere else; what
nodes give comes back over DONE and is added by the context itself.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from dffml.base import config
from dffml.df.base import (
    BaseConfig,
    BaseDefinitionSetContext,
    BaseInputNetwork,
    BaseInputNetworkContext,
    BaseInputSet,
    BaseInputSetContext,
    StringInputSetContext,
)
from dffml.df.exceptions import ContextNotPresent, DefinitionNotInContext
from dffml.df.types import Definition, Input
from dffml.util.entrypoint import entrypoint

from chatbot.nodes.implementations import ContextMaker
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.subflow import SubflowContext


@dataclass(slots=True)
class Entry:
    """What the network holds of a context: its inputs, and its runs; the last takes new ones.

    `kept`: it was there before any run, and is kept when that has ended.
    """

    handle: str
    ctx: BaseInputSetContext
    kept: bool = False
    inputs: list[Input] = field(default_factory=list)
    running: list[Context] = field(default_factory=list)


class InputsByDefinition(BaseDefinitionSetContext):
    """A context's inputs, looked up by definition (by its name, as everywhere)."""

    async def inputs(self, definition: Definition) -> AsyncIterator[Input]:
        entry = await self.parent.entry(self.ctx)
        for item in list(entry.inputs):
            if item.definition.name == definition.name:
                yield item


@config
class NatsMasterInputNetworkConfig:
    pass


class NatsMasterInputNetworkContext(BaseInputNetworkContext):
    """The contexts of one orchestrator context, by handle. They are freed when their run ends."""

    def __init__(self, config: BaseConfig, parent: Any) -> None:
        super().__init__(config, parent)
        self.entries: dict[str, Entry] = {}

    async def entry(self, ctx: BaseInputSetContext) -> Entry:
        """Return what is held of `ctx`; raises `ContextNotPresent`."""
        handle = await handle_of(ctx)
        if handle not in self.entries:
            raise ContextNotPresent(handle)
        return self.entries[handle]

    def open(self, handle: str, ctx: BaseInputSetContext, *, kept: bool = False) -> Entry:
        """Return the entry of `handle`; a new one if there is none."""
        entry = self.entries.get(handle)
        if entry is None:
            entry = self.entries[handle] = Entry(handle, ctx, kept)
        return entry

    async def add(self, input_set: BaseInputSet) -> None:
        await self._add(input_set.ctx, [item async for item in input_set.inputs()])

    async def uadd(self, *args: Input) -> BaseInputSetContext:
        return await self.sadd(secrets.token_hex(), *args)

    async def sadd(self, context_handle_string: str, *args: Input) -> BaseInputSetContext:
        return await self.cadd(StringInputSetContext(context_handle_string), *args)

    async def cadd(self, ctx: BaseInputSetContext, *args: Input) -> BaseInputSetContext:
        await self._add(ctx, list(args))
        return ctx

    async def receive_from_parent_flow(self, inputs: list[Input]) -> None:
        self.receive(inputs)

    def receive(self, inputs: list[Input]) -> None:
        """Add `inputs` to every context that there is."""
        for entry in list(self.entries.values()):
            _give(entry, inputs)

    async def ctx(self) -> Any:
        raise TypeError("contexts are started by the orchestrator, not awaited")

    async def added(self, ctx: BaseInputSetContext) -> Any:
        raise TypeError("a context takes its inputs itself")

    async def definition(self, ctx: BaseInputSetContext, definition: str) -> Definition:
        entry = await self.entry(ctx)
        for item in entry.inputs:
            if item.definition.name == definition:
                return item.definition
        raise DefinitionNotInContext(f"{await handle_of(ctx)}: {definition}")

    def definitions(self, ctx: BaseInputSetContext) -> BaseDefinitionSetContext:
        return InputsByDefinition(self.config, self, ctx)

    async def gather_inputs(self, rctx: Any, operation: Any, ctx: Any = None) -> Any:
        raise TypeError("the compiled plan joins inputs (see plan.permutations)")

    async def _add(self, ctx: BaseInputSetContext, inputs: list[Input]) -> None:
        entry = self.open(await handle_of(ctx), ctx, kept=True)
        _give(entry, inputs)


async def handle_of(ctx: BaseInputSetContext) -> str:
    """Return the string that names a context."""
    if type(ctx) is SubflowContext:
        return ctx.key
    if type(ctx) is StringInputSetContext:  # its handle makes a logger, each time
        return str(ctx.as_string)
    return str((await ctx.handle()).as_string())


def _give(entry: Entry, inputs: list[Input]) -> None:
    if entry.running:
        entry.running[-1].add(inputs)
    else:
        entry.inputs.extend(inputs)


@entrypoint("nats_master")
class NatsMasterInputNetwork(BaseInputNetwork, ContextMaker):
    """Holds the inputs of the contexts that this primary owns."""

    CONTEXT = NatsMasterInputNetworkContext
    CONFIG = NatsMasterInputNetworkConfig
