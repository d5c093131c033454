"""`octx`: one dataflow, and the contexts that run it.

The rule that it guards: a context's inputs are freed when its run has ended, and no more
contexts run at once than allowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from dffml.base import config
from dffml.df.base import (
    BaseInputSetContext,
    BaseOrchestratorContext,
)
from dffml.df.types import DataFlow, Definition, Input, Stage

from chatbot.broker.subjects import Lane
from chatbot.orchestrator import outputs, subflow
from chatbot.orchestrator.call import Call
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.dispatch import Route
from chatbot.orchestrator.feed import Feed
from chatbot.orchestrator.plan import Plan, Step
from chatbot.orchestrator.trials import Trials
from chatbot.orchestrator.turn import caller_lane

if TYPE_CHECKING:
    from chatbot.orchestrator.orchestrator import NatsOrchestrator

log = logging.getLogger(__name__)

IN_FLIGHT = 1024
"""Contexts at once where inputs come from a generator and nothing else is said."""

Ended = Callable[[Context, Any, BaseException | None], None]
"""Told, once, of a context that has ended: its results, or why there are none."""


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
        self._routes: dict[tuple[Lane, Trials | None], list[Route]] = {}
        self._flows: dict[str, NatsOrchestratorContext] = {}
        self._within: subflow.Running = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._readers: list[tuple[Step, outputs.Reader]] | None = None
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
            await self._enter_subflows()
        except BaseException:
            await self._stack.aclose()
            raise
        self._readers = outputs.readers(self.plan, self.nctx)
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        if self._ending:
            await asyncio.wait(self._ending)
        await self._stack.aclose()

    async def _enter_subflows(self) -> None:
        for step in self.plan.steps:
            implementation: Any = self.nctx.operations.get(step.name)
            if subflow.runs_here(step, self.plan, implementation):
                octx = self.parent(implementation.config.dataflow)
                self.subflows[step.name] = await self._stack.enter_async_context(octx)
                self._flows[step.name] = octx

    def _routes_of(self, lane: Lane, trials: Trials | None) -> list[Route]:
        """Return who is given the calls of a context in `lane`, by their steps."""
        known = self._routes.get((lane, trials))
        if known is None:
            known = [self._route(step, lane, trials) for step in self.plan.steps]
            self._routes[lane, trials] = known
        return known

    def _route(self, step: Step, lane: Lane, trials: Trials | None) -> Route:
        if step.operation.stage is not Stage.PROCESSING:
            return _unreachable
        if (octx := self._flows.get(step.name)) is not None:
            start = functools.partial(octx.start, lane=lane, trials=trials)
            return subflow.Subflow(step, start, self._within, self._forget)
        parent = self.parent
        return self.nctx.route(
            *(parent.dispatcher, parent.flow, lane, self.lctx, step),
            locks=self.plan.locks,
            trials=trials,
        )

    def start(
        self,
        ctx: BaseInputSetContext,
        handle: str,
        inputs: list[Input],
        ended: Ended,
        *,
        strict: bool = True,
        lane: Lane | None = None,
        trials: Trials | None = None,
    ) -> Context:
        """Start a context with `inputs` and the flow's seed; `lane`: its caller's, else ours.

        With `trials`, what runs here has its turn there.

        When nothing is outstanding, CLEANUP and (if it did not fail) OUTPUT operations run;
        then its inputs are freed, and `ended` is told.
        """
        entry = self.ictx.open(handle, ctx)
        context = self.parent.contexts(
            self.plan,
            ctx,
            entry.inputs,
            self._routes_of(lane or caller_lane.get() or self.parent.lane, trials),
            self._finish,
            self._forget if self._flows else self.parent.dispatcher.forget,
            strict=strict,
            octx=self._forwarding() if self.plan.forwards else self,
        )
        context.ended, context.entry = ended, entry
        entry.running.append(context)
        context.start([*inputs, *self.config.dataflow.seed, *self.early])
        self.parent.dispatcher.turn.run()
        return context

    async def give_up(self, context: Context) -> None:
        """End a context before its time: CLEANUP runs, its inputs are freed, nobody is told.

        What CLEANUP raises is logged.
        """
        context.cancel()
        context.ended = None
        try:
            async for _ in outputs.run(context, self.plan.cleanup, self.nctx, self):
                pass
        except Exception as error:
            log.error("a cleanup operation failed: %s", type(error).__name__)
            log.debug("a cleanup operation failed", exc_info=error)
        finally:
            self._free(context)

    def forward(self, values: list[Input]) -> None:
        """Pass on what the flow says is for a subflow, to those that run and those that will."""
        forward = self.config.dataflow.forward
        for item in values:
            if not item.validated:
                continue
            names = forward.get_instances_to_forward(item.definition)
            if not names:
                continue
            self.forwarded.append((item, names))
            for name in names:
                if name in self.subflows:
                    self.subflows[name].ictx.receive([item])

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
        room = self.config.max_ctxs or IN_FLIGHT
        async with Feed(self, room, strict=strict, halt=halt) as running:
            async for each in running.results(input_sets, ctx):
                yield each

    async def run_operations(self, strict: bool = True) -> Any:
        raise TypeError("DFFML's orchestrators are run with `run`")

    def operations_parameter_set_pairs(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("the compiled plan joins inputs (see plan.permutations)")

    def definition(self, name: str) -> Definition:
        """Return a definition of the dataflow by its name; `KeyError` if it has none."""
        return self.config.dataflow.definitions[name]

    def _forwarding(self) -> NatsOrchestratorContext:
        """Return this, with subflows of its own: one context's values are not another's."""
        own = copy.copy(self)
        own.subflows = Subflows(own)
        own.forwarded = []
        return own

    def _finish(self, context: Context) -> None:
        if self._readers is None:
            self.parent.dispatcher.spawn(self._run_endings(context))
            return
        try:
            if context.error is not None:
                raise context.error
            results = outputs.read(context, self._readers)
        except Exception as error:  # noqa: BLE001 - handed to whoever started it
            self._tell(context, None, error)
        else:
            self._tell(context, results, None)

    async def _run_endings(self, context: Context) -> None:
        try:
            results = await self._endings(context)
        except Exception as error:  # noqa: BLE001 - handed to whoever started it
            self._tell(context, None, error)
        else:
            self._tell(context, results, None)

    async def _endings(self, context: Context) -> Any:
        async for _ in outputs.run(context, self.plan.cleanup, self.nctx, self):
            pass
        if context.error is not None:
            raise context.error
        output: dict[str, Any] = {}
        try:
            async for name, given in outputs.run(context, self.plan.output, self.nctx, self):
                output.setdefault(name, {}).update(given)
        except Exception as error:  # noqa: BLE001 - raised again, or logged
            outputs.failed(context, error)
        return outputs.unwrapped(output)

    def _tell(self, context: Context, results: Any, error: BaseException | None) -> None:
        ended = context.ended
        if ended is not None:  # else it was stopped meanwhile
            self._free(context)
            ended(context, results, error)

    def _forget(self, call: Call) -> None:
        """Drop the result of `call`; where it is a subflow's, give up the context that it is."""
        self.parent.dispatcher.forget(call)
        within = self._within.pop(call, None)
        if within is not None:
            within.cancel()
            task = asyncio.ensure_future(self._flows[call.step.name].give_up(within))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _free(self, context: Context) -> None:
        entry = context.entry
        if entry is None:
            return
        context.ended = context.entry = None
        entry.running.remove(context)
        if not entry.running and not entry.kept:
            self.ictx.entries.pop(entry.handle, None)


def _unreachable(call: Call) -> None:
    raise AssertionError(f"{call.step.name} is not called as values come")
