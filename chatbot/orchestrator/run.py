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
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from dffml.base import config
from dffml.df.base import (
    BaseInputSet,
    BaseInputSetContext,
    BaseOrchestratorContext,
    StringInputSetContext,
)
from dffml.df.types import DataFlow, Definition, Input, Stage

from chatbot.orchestrator.context import Context
from chatbot.orchestrator.plan import Plan

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
    ) -> Context:
        """Start a context with `inputs` and the flow's seed.

        When nothing is outstanding, `ended` is awaited with it (and its inputs still there);
        then its inputs are freed.
        """
        entry, new = self.ictx.open(handle, ctx)
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
                self.parent.dispatcher, self.parent.flow, self.parent.lane, self.lctx, call
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
        async for _ in self._run_stage(context, Stage.CLEANUP):
            pass
        if context.error is not None:
            raise context.error
        output: dict[str, Any] = {}
        try:
            async for name, given in self._run_stage(context, Stage.OUTPUT):
                output.setdefault(name, {}).update(given)
        except Exception:
            if strict:
                raise
            log.exception("an output operation failed")
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
        streamed = len(input_sets) == 1 and inspect.isasyncgen(input_sets[0])
        most = self.config.max_ctxs or (IN_FLIGHT if streamed else None)
        room = asyncio.Semaphore(most) if most else None
        finished: asyncio.Queue[tuple[Any, Any, BaseException | None]] = asyncio.Queue()
        running: set[Context] = set()
        fed = asyncio.Event()

        async def ended(context: Context) -> None:
            running.discard(context)
            try:
                outcome: Any = await self.results(context, strict=strict)
                error: BaseException | None = None
            except Exception as raised:  # noqa: BLE001 - handed to whoever iterates
                outcome, error = None, raised
            finished.put_nowait((context.ctx, outcome, error))

        started = 0

        async def feed() -> None:
            nonlocal started
            try:
                async for each, inputs in self._input_sets(input_sets, ctx):
                    if room is not None:
                        await room.acquire()
                    started += 1
                    handle = (await each.handle()).as_string()
                    running.add(self.start(each, handle, inputs, ended, strict=strict))
                    if halt is not None and halt.is_set():
                        break
            except Exception as raised:  # noqa: BLE001 - handed to whoever iterates
                started += 1
                finished.put_nowait((None, None, raised))
            finally:
                fed.set()
                finished.put_nowait((None, None, None))

        feeding = asyncio.ensure_future(feed())
        seen = 0
        try:
            while not fed.is_set() or seen < started or not finished.empty():
                which, outcome, error = await finished.get()
                if which is None and error is None:
                    continue  # told that all are fed
                seen += 1
                if room is not None:
                    room.release()  # only now: whoever iterates slowly is not run ahead of
                if error is not None:
                    if strict or which is None:
                        raise error
                    log.error("a context failed: %s", type(error).__name__)
                    continue
                yield which, outcome
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            for context in running:
                context.cancel()

    async def run_operations(self, strict: bool = True) -> Any:
        raise TypeError("DFFML's orchestrators are run with `run`")

    def operations_parameter_set_pairs(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("the compiled plan joins inputs (see plan.permutations)")

    def definition(self, name: str) -> Definition:
        """Return a definition of the dataflow by its name; `KeyError` if it has none."""
        return self.config.dataflow.definitions[name]

    async def _run_stage(
        self, context: Context, stage: Stage
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        for step, inputs in context.parameter_sets(stage):
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


def _new_context() -> StringInputSetContext:
    return StringInputSetContext(secrets.token_hex(16))
