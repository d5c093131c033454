"""`octx`: one dataflow, and the contexts that run it.

The rule that it guards: a context's inputs are freed when its run has ended, and no more
contexts run at once than allowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dffml.base import config
from dffml.df.base import (
    BaseInputSet,
    BaseInputSetContext,
    BaseOrchestratorContext,
    StringInputSetContext,
)
from dffml.df.types import DataFlow, Definition, Input

from chatbot.broker.subjects import Lane
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.dispatch import caller_lane
from chatbot.orchestrator.inputs import handle_of
from chatbot.orchestrator.plan import Plan, Step

if TYPE_CHECKING:
    from chatbot.orchestrator.orchestrator import NatsOrchestrator

log = logging.getLogger(__name__)

IN_FLIGHT = 1024
"""Contexts at once where inputs come from a generator and nothing else is said."""

Ended = Callable[[Context], Awaitable[None]]


@config
class NatsOrchestratorContextConfig:
    uid: str
    dataflow: DataFlow
    reuse: dict = None  # type: ignore[type-arg, assignment]
    max_ctxs: int = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.reuse is None:
            self.reuse = {}


class Subflows(dict[str, Any]):
    """Running subflows by instance name. One that registers late gets what was forwarded."""

    def __init__(self, octx: NatsOrchestratorContext) -> None:
        super().__init__()
        self._octx = octx

    def __setitem__(self, name: str, octx: Any) -> None:
        super().__setitem__(name, octx)
        octx.early = [item for item, names in self._octx.forwarded if name in names]


class NatsOrchestratorContext(BaseOrchestratorContext):
    """Runs one dataflow; made by calling a `NatsOrchestrator`."""

    parent: NatsOrchestrator

    def __init__(self, config: NatsOrchestratorContextConfig, parent: NatsOrchestrator) -> None:
        super().__init__(config, parent)
        self.subflows = Subflows(self)
        self.forwarded: list[tuple[Input, list[str]]] = []
        self.early: list[Input] = []
        self.plan: Plan
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> NatsOrchestratorContext:
        await self._stack.__aenter__()
        try:
            self.plan, self.nctx = await self.parent.prepare(self.config.dataflow)
            for name, network in (
                ("ictx", self.parent.config.input_network),
                ("lctx", self.parent.config.lock_network),
            ):
                reused = self.config.reuse.get(name)
                setattr(self, name, reused or await self._stack.enter_async_context(network()))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._stack.aclose()

    def start(
        self,
        ctx: BaseInputSetContext,
        handle: str,
        inputs: list[Input],
        ended: Ended,
        *,
        strict: bool = True,
        lane: Lane | None = None,
    ) -> Context:
        """Start a context with `inputs` and the flow's seed; `lane`: its caller's, else ours.

        When nothing is outstanding, `ended` is awaited with it (and its inputs still there);
        then its inputs are freed.
        """
        entry, new = self.ictx.open(handle, ctx)
        own = lane or caller_lane.get() or self.parent.lane
        before = entry.running

        async def finish(context: Context) -> None:
            try:
                await ended(context)
            finally:
                entry.running = before
                if new:
                    self.ictx.entries.pop(handle, None)

        context = Context(
            self.plan,
            ctx,
            entry.inputs,
            lambda call: self.nctx.send(
                self.parent.dispatcher, self.parent.flow, own, self.lctx, call
            ),
            lambda context: self.parent.dispatcher.spawn(finish(context)),
            self.parent.dispatcher.forget,
            strict=strict,
            octx=self,
        )
        entry.running = context
        context.start([*inputs, *self.config.dataflow.seed, *self.early])
        return context

    def forward(self, values: list[Input]) -> None:
        """Pass on what the flow says is for a subflow, to those that run and those that will."""
        forward = self.config.dataflow.forward
        for item in values:
            names = forward.get_instances_to_forward(item.definition)
            if not names:
                continue
            self.forwarded.append((item, names))
            for name in names:
                if name in self.subflows:
                    self.subflows[name].ictx.receive([item])

    async def results(self, context: Context, *, strict: bool = True) -> dict[str, Any]:
        """Run CLEANUP and, if the context did not fail, OUTPUT; return what OUTPUT gave.

        Raises the context's error, or what an operation raised, where `strict`.
        """
        async for _ in self._run_stage(context, self.plan.cleanup):
            pass
        if context.error is not None:
            raise context.error
        output: dict[str, Any] = {}
        try:
            async for name, given in self._run_stage(context, self.plan.output):
                output.setdefault(name, {}).update(given)
        except Exception as error:
            if strict:
                raise
            log.error("an output operation failed: %s", type(error).__name__)
            log.debug("an output operation failed", exc_info=error)
        return next(iter(output.values())) if len(output) == 1 else output

    async def run(
        self,
        *input_sets: Any,
        strict: bool = True,
        ctx: BaseInputSetContext | None = None,
        halt: asyncio.Event | None = None,
    ) -> AsyncIterator[tuple[BaseInputSetContext, Any]]:
        """Run a context for each input set; yield (ctx, results) as they finish.

        Takes what DFFML's takes: nothing, one dict of context names to inputs, lists of
        inputs, input sets; and also one async generator of any of these, from which no more
        is taken than `max_ctxs` (default 1024) contexts can run at once.
        """
        most = self.config.max_ctxs or IN_FLIGHT
        async with _Run(self, most, strict=strict, halt=halt) as running:
            async for each in running.results(self._input_sets(input_sets, ctx)):
                yield each

    async def run_operations(self, strict: bool = True) -> Any:
        raise TypeError("DFFML's orchestrators are run with `run`")

    def operations_parameter_set_pairs(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("the compiled plan joins inputs (see plan.permutations)")

    def definition(self, name: str) -> Definition:
        """Return a definition of the dataflow by its name; `KeyError` if it has none."""
        return self.config.dataflow.definitions[name]

    async def _run_stage(
        self, context: Context, steps: Sequence[Step]
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        for step, inputs in context.parameter_sets(steps):
            for outputs in await self.nctx.outputs(context.ctx, self, step.operation, inputs):
                yield step.name, outputs

    async def _input_sets(
        self, given: tuple[Any, ...], ctx: BaseInputSetContext | None
    ) -> AsyncIterator[tuple[BaseInputSetContext, list[Input]]]:
        if not given:
            yield ctx or _new_context(), []
        for each in given:
            if inspect.isasyncgen(each):
                async for one in each:
                    async for pair in self._input_sets((one,), ctx):
                        yield pair
            elif isinstance(each, dict):
                for name, inputs in each.items():
                    yield StringInputSetContext(name) if isinstance(name, str) else name, inputs
            elif isinstance(each, BaseInputSet):
                yield each.ctx, [item async for item in each.inputs()]
            else:
                yield ctx or _new_context(), list(each)


class _Run:
    """One call of `run`: contexts that are fed in on one side and taken, ended, on the other.

    A context has its room until its result is taken: whoever iterates slowly is not run ahead
    of. Leaving the block gives up what still runs.
    """

    def __init__(
        self,
        octx: NatsOrchestratorContext,
        most: int | None,
        *,
        strict: bool,
        halt: asyncio.Event | None,
    ) -> None:
        self._octx = octx
        self._strict = strict
        self._halt = halt
        self._room = asyncio.Semaphore(most) if most else None
        self._ended: asyncio.Queue[_Ended | None] = asyncio.Queue()
        self._running: set[Context] = set()
        self._started = 0
        self._feeding: asyncio.Future[None] | None = None

    async def __aenter__(self) -> _Run:
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.gather(self._feeding, return_exceptions=True)
        for context in self._running:
            context.cancel()

    async def results(
        self, given: AsyncIterator[tuple[BaseInputSetContext, list[Input]]]
    ) -> AsyncIterator[tuple[BaseInputSetContext, Any]]:
        """Feed `given` in and yield (ctx, results); raise what failed, where strict."""
        feeding = self._feeding = asyncio.ensure_future(self._feed(given))
        taken = 0
        while not feeding.done() or taken < self._started:
            ended = await self._ended.get()
            if ended is None:
                await feeding  # all are fed in, or feeding failed: then that is raised
                continue
            taken += 1
            if self._room is not None:
                self._room.release()
            if ended.error is None:
                yield ended.ctx, ended.results
            elif self._strict:
                raise ended.error
            else:
                log.error("a context failed: %s", type(ended.error).__name__)

    async def _feed(self, given: AsyncIterator[tuple[BaseInputSetContext, list[Input]]]) -> None:
        try:
            async for ctx, inputs in given:
                if self._room is not None:
                    await self._room.acquire()
                self._started += 1
                handle = await handle_of(ctx)
                self._running.add(
                    self._octx.start(ctx, handle, inputs, self._end, strict=self._strict)
                )
                if self._halt is not None and self._halt.is_set():
                    break
        finally:
            self._ended.put_nowait(None)

    async def _end(self, context: Context) -> None:
        self._running.discard(context)
        try:
            results = await self._octx.results(context, strict=self._strict)
        except Exception as error:  # noqa: BLE001 - handed to whoever iterates
            self._ended.put_nowait(_Ended(context.ctx, None, error))
        else:
            self._ended.put_nowait(_Ended(context.ctx, results))


@dataclass(frozen=True, slots=True)
class _Ended:
    ctx: BaseInputSetContext
    results: Any
    error: Exception | None = None


def _new_context() -> StringInputSetContext:
    return StringInputSetContext(secrets.token_hex(16))
