"""Running a call under its locks.

The rule that it guards: the result of a call that used a seed is taken only if the call had
the seed's lock throughout. Of two holders that overlap, because NATS was away for longer than
a lease or a process stood still, only one's result is ever taken; the other's call runs again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Any

from chatbot.errors import LockLostError
from chatbot.orchestrator.call import Call, next_number
from chatbot.orchestrator.locks import Names, NatsPrimaryLockNetworkContext

log = logging.getLogger(__name__)

LINGER = 10.0
"""Seconds for which a call that nobody waits for any more, but may still run, has its locks."""

Send = Callable[[Call], None]


async def run(lctx: NatsPrimaryLockNetworkContext, send: Send, forget: Send, call: Call) -> None:
    """Have `send` run `call` under the locks that its values need; its context gets the result.

    `send` returns at once and has `call.context` told of the result; `forget` says that it is
    not wanted any more.
    """
    seeds, own = lctx.names(call.parents)
    if seeds:
        await _run_shared(lctx, send, forget, call, (seeds, own))
        return
    async with lctx.hold_named(seeds, own):
        if call.number in call.context.calls:
            done = call.context.completion(call.number)
            send(call)
            await done


async def _run_shared(
    lctx: NatsPrimaryLockNetworkContext,
    send: Send,
    forget: Send,
    call: Call,
    names: tuple[Names, Names],
) -> None:
    while call.number in call.context.calls:
        attempt = Attempt(call)
        try:
            async with lctx.hold_named(*names):
                if call.number in call.context.calls:
                    send(attempt.call)
                    await attempt.ended()
        except LockLostError as error:
            log.warning("run %s again: %s", call.step.name, error)
            continue
        finally:
            forget(attempt.call)
        attempt.give()
        return


class Attempt:
    """One run of a call, in the place of its context: keeps the result until it may be taken.

    `number` is its own, so that a late result of an earlier attempt is not taken for its.
    """

    def __init__(self, call: Call) -> None:
        self.number = next_number()
        self.plan = call.context.plan
        self.ctx = call.context.ctx
        self.octx = call.context.octx
        self.call = Call(self, call.number, call.step, call.values)  # type: ignore[arg-type]
        self._of = call
        self.streaming: frozenset[int] = frozenset()
        self._yielded: list[dict[str, Any]] = []
        self._take: Callable[[], None] | None = None
        self._came = asyncio.Event()

    @property
    def calls(self) -> dict[int, Call | None]:
        return self._of.context.calls

    @property
    def over(self) -> bool:
        return self._of.context.over

    def when_over(self, call: Callable[[], None]) -> None:
        self._of.context.when_over(call)

    def extend(self, number: int, outputs: Iterable[dict[str, Any]]) -> None:
        self._yielded.extend(outputs)

    def complete(self, number: int, outputs: Iterable[dict[str, Any]]) -> None:
        given = [*self._yielded, *outputs]
        self._keep(lambda: self._of.context.complete(number, given))

    def fail(self, number: int, error: BaseException) -> None:
        self._keep(lambda: self._of.context.fail(number, error))

    async def ended(self) -> None:
        """Wait for the result, and for `LINGER` seconds after the context has ended without."""
        over = self._of.context.completion(self._of.number)
        coming = asyncio.ensure_future(self._came.wait())
        either: set[asyncio.Future[Any]] = {coming, over}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    await coming
        finally:
            coming.cancel()

    def give(self) -> None:
        """Let the context have the result."""
        if self._take is not None:
            self._take()

    def _keep(self, take: Callable[[], None]) -> None:
        if self._take is None:
            self._take = take
            self._came.set()
