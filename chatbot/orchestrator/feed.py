"""One call of `run`: contexts that are fed in on one side and taken, ended, on the other."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from dffml.df.base import BaseInputSet, BaseInputSetContext, StringInputSetContext
from dffml.df.types import Input

from chatbot import eager
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.inputs import handle_of

if TYPE_CHECKING:
    from chatbot.orchestrator.run import NatsOrchestratorContext

log = logging.getLogger(__name__)


class Feed:
    """Feeds a flow with contexts, as many at once as there is `room` for.

    A context has its room until its result is taken: whoever iterates slowly is not run ahead
    of. Leaving the block gives up what still runs, and cleans up after it.
    """

    def __init__(
        self,
        octx: NatsOrchestratorContext,
        room: int,
        *,
        strict: bool,
        halt: asyncio.Event | None,
    ) -> None:
        self._octx = octx
        self._strict = strict
        self._halt = halt
        self._room = room
        self._ended: deque[tuple[BaseInputSetContext, Any, BaseException | None]] = deque()
        self._running: set[Context] = set()
        self._changed = asyncio.Event()
        self._freed = asyncio.Event()
        self._feeding: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Feed:
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.gather(self._feeding, return_exceptions=True)
        for context in self._running:
            context.cancel()
        for context in self._running:
            await self._octx.give_up(context)

    async def results(
        self, given: tuple[Any, ...], ctx: BaseInputSetContext | None
    ) -> AsyncIterator[tuple[BaseInputSetContext, Any]]:
        """Feed `given` in and yield (ctx, results); raise what failed, where strict."""
        rest = eager.begin(self._feed(given, ctx))
        self._octx.parent.dispatcher.flush()
        if rest is not None:
            self._feeding = asyncio.ensure_future(rest)
            self._feeding.add_done_callback(lambda _: self._changed.set())
        while True:
            while self._ended:
                ended, results, error = self._ended.popleft()
                self._room += 1
                if self._room == 1:
                    self._freed.set()
                if error is None:
                    yield ended, results
                elif self._strict:
                    raise error
                else:
                    log.error("a context failed: %s", type(error).__name__)
            if not self._running and (self._feeding is None or self._feeding.done()):
                if self._feeding is not None:
                    await self._feeding  # if feeding failed, that is raised
                return
            self._changed.clear()
            await self._changed.wait()

    async def _feed(self, given: tuple[Any, ...], ctx: BaseInputSetContext | None) -> None:
        if not given:
            await self._start(ctx or _new_context(), [])
        for each in given:
            if inspect.isasyncgen(each):
                async with contextlib.aclosing(each):
                    async for one in each:
                        await self._feed_one(one, ctx)
                        if self._halted:
                            return
            else:
                await self._feed_one(each, ctx)
            if self._halted:
                return

    async def _feed_one(self, given: Any, ctx: BaseInputSetContext | None) -> None:
        """Start the contexts of a dict, one context of a list or an input set."""
        if isinstance(given, dict):
            for name, inputs in given.items():
                if isinstance(name, str):
                    if self._room < 1:
                        await self._make_room()
                    self._start_now(StringInputSetContext(name), name, inputs)
                else:
                    await self._start(name, inputs)
                if self._halt is not None and self._halted:
                    return
        elif isinstance(given, BaseInputSet):
            await self._start(given.ctx, [item async for item in given.inputs()])
        else:
            await self._start(ctx or _new_context(), list(given))

    async def _start(self, ctx: BaseInputSetContext, inputs: list[Input]) -> None:
        handle = await handle_of(ctx)
        if self._room < 1:
            await self._make_room()
        self._start_now(ctx, handle, inputs)

    def _start_now(self, ctx: BaseInputSetContext, handle: str, inputs: list[Input]) -> None:
        self._room -= 1
        context = self._octx.start(ctx, handle, inputs, self._end, strict=self._strict)
        if context.ended is not None:
            self._running.add(context)

    async def _make_room(self) -> None:
        while self._room < 1:
            self._freed.clear()
            await self._freed.wait()

    def _end(self, context: Context, results: Any, error: BaseException | None) -> None:
        self._running.discard(context)
        self._ended.append((context.ctx, results, error))
        if not self._changed.is_set():
            self._changed.set()

    @property
    def _halted(self) -> bool:
        return self._halt is not None and self._halt.is_set()


def _new_context() -> StringInputSetContext:
    return StringInputSetContext(secrets.token_hex(16))
