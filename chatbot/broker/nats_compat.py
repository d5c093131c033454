"""The repairs that nats-py needs; nothing else.

A message whose headers are none (whoever may publish can send one) ends nats-py's loop that reads
the connection: it stays open, and nothing is heard from it ever again. `Client` takes it as a
message without headers.

A connection that a server takes and says nothing on (it is frozen) is dropped after a while, and
not closed: at each attempt there is one more. `Client` closes it.

A connection that died is known to be lost when its reader says so. Until then whoever publishes may
be told by the transport, uvloop's with a `RuntimeError`; and what nats-py writes with ends at one
without a word. `Client` takes all that for the loss that it is: what the transport refuses is kept
and sent when the connection is back, as what is published while that is away.

A flush asks the server whether it has all that was sent, and nats-py writes that question ahead of
what it has not written yet: a subscription may not be known when it is answered. And an answer that
comes when nobody waits for it any longer (the server was frozen for a while) ends the loop that
reads. `Client` asks in order, and passes over what nobody waits for.

Before 3.12 `asyncio.wait_for` loses a cancellation that comes in the same turn of the event loop
as the result (python/cpython#86296): the task goes on as if nobody had asked it to end, and a
program that drains waits for it for ever. nats-py waits so at each request. Its modules get a
`wait_for` as 3.12 has it; everybody else's `asyncio` stays as it is.

nats-py imports aiohttp, for addresses that begin with ws:, which takes as long as all the rest of a
command's start. Its transport gets a stand-in that imports it when it is used; nobody else does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Iterator
from types import ModuleType
from typing import Any, TypeVar

from chatbot.broker import websockets  # first: nats-py imports aiohttp

with websockets.later():
    import nats.aio.client
import nats.aio.subscription
import nats.aio.transport
import nats.js.client
import nats.js.kv
import nats.js.object_store
from nats.aio.client import PING_PROTO
from nats.aio.subscription import Subscription

log = logging.getLogger(__name__)

R = TypeVar("R")

_MODULES: tuple[ModuleType, ...] = (
    nats.aio.client,
    nats.aio.subscription,
    nats.aio.transport,
    nats.js.client,
    nats.js.kv,
    nats.js.object_store,
)


class _TcpTransport(nats.aio.transport.TcpTransport):
    """nats-py's, which says with an `OSError` that it is closed, whatever the event loop."""

    def write(self, payload: bytes) -> None:
        with _closed_as_lost():
            super().write(payload)  # type: ignore[no-untyped-call]

    def writelines(self, payload: list[bytes]) -> None:
        with _closed_as_lost():
            super().writelines(payload)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _closed_as_lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ConnectionResetError(str(error)) from error


class Client(nats.aio.client.Client):
    """nats-py's, for which headers that cannot be read are no headers, and which closes all.

    Who publishes is never told that the connection has just died.
    """

    async def _connect_to_server(self, s: Any) -> None:
        if self._transport:
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        try:
            return await super()._flush_pending(force_flush)
        except OSError as error:
            await self._process_op_err(error)  # connects again

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        if future is not None:  # somebody waits for the answer, to all that was sent before
            if not self.is_connected:
                raise ConnectionResetError("the connection is lost")
            self._pongs.append(future)
            await self._send_command(PING_PROTO)
            await self._flush_pending()
            return
        try:
            await super()._send_ping()
        except OSError as error:
            await self._process_op_err(error)

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():  # it was given up
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def drain_sub(self, sub: Subscription, seconds: float) -> None:
        """End a subscription when all is received that the server sent before it knew of the end.

        A server that is away, or says nothing for so many seconds, is not waited for. nats-py's
        own `Subscription.drain` leaves the subscription where it is then.
        """
        try:
            with contextlib.suppress(nats.errors.Error, OSError):
                async with asyncio.timeout(seconds):
                    await self._send_unsubscribe(sub._id)
                    await self.flush()
                    await sub._pending_queue.join()
        finally:
            with contextlib.suppress(nats.errors.Error):
                await sub.unsubscribe()

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        if not headers:
            return None
        try:
            found: dict[str, str] | None = await super()._process_headers(headers)
        except (IndexError, ValueError) as error:  # cut off; no UTF-8
            log.debug("pass over headers that are none: %r", error)
            return None
        return found


async def wait_for(awaitable: Awaitable[R], timeout: float | None) -> R:
    """Return what `awaitable` gives; raise `TimeoutError` after `timeout` seconds."""
    async with asyncio.timeout(timeout):
        return await awaitable


class _Asyncio(ModuleType):
    """`asyncio`, but for `wait_for`."""

    wait_for = staticmethod(wait_for)

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


def install() -> None:
    """Repair nats-py's modules."""
    nats.aio.client.TcpTransport = _TcpTransport  # type: ignore[attr-defined]
    if sys.version_info < (3, 12):
        for module in _MODULES:
            module.asyncio = _Asyncio("asyncio")  # type: ignore[attr-defined]
