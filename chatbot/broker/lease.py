"""Leases: what only one process may do at a time, such as being on a chat network.

The rule that it guards: whoever lost the lease, or cannot renew it, stops before another may
have it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import nats.errors
from nats.js.errors import APIError

from chatbot.broker import subjects
from chatbot.broker.buckets import LEASE_KEPT, Bucket, open_bucket
from chatbot.broker.connection import Broker

log = logging.getLogger(__name__)

_RENEW = LEASE_KEPT / 5
_SAFE = LEASE_KEPT - _RENEW
"""Seconds after the last renewal at which the body is stopped: it has the rest to end in."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Counts, where the system has it, what a suspended machine slept through: the server did."""

_TROUBLE = (APIError, nats.errors.Error, TimeoutError, OSError)


class Fence:
    """Says whether a lease is still ours, by the clock: no other process has it while it is.

    A process that stood still goes on as if nothing had happened, until it is told that it has
    lost the lease; so what must not be done twice is done only behind the fence.
    """

    def __init__(self) -> None:
        self._lease: _Lease | None = None

    def is_ours(self) -> bool:
        """Whether it was renewed lately enough."""
        return self._lease is not None and self._lease.is_safe

    def _guard(self, lease: _Lease) -> None:
        self._lease = lease


async def hold(
    broker: Broker,
    key: str,
    owner: str,
    body: Callable[[], Awaitable[None]],
    fence: Fence | None = None,
    *,
    quiet: bool = False,
) -> None:
    """Run `body` while this process holds the lease `key`; return when `body` has returned.

    Waits while another holds it; `owner` says to people who does. A body that lost it is
    cancelled, and run again when the lease is had again. It is renewed until the body has ended.
    `fence` says to the body whether it is ours. With `quiet`, to wait for it is nothing to warn of.
    """
    bucket = await open_bucket(broker, subjects.LEASES)
    while True:
        lease = _Lease(bucket, key, owner)
        await lease.acquire(told=quiet)
        if fence is not None:
            fence._guard(lease)
        async with lease.kept() as lost:
            running = asyncio.ensure_future(body())
            try:
                await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    running.result()
                    return
                log.warning("lost the lease %s; waiting for it", key)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


class _Lease:
    """One holder's claim. The value is the owner and a nonce, so that it knows its own."""

    def __init__(self, bucket: Bucket, key: str, owner: str) -> None:
        self._bucket = bucket
        self._key = key
        self._value = f"{owner}\n{secrets.token_hex(8)}".encode()
        self._revision = 0
        self._safe_until = 0.0

    @property
    def is_safe(self) -> bool:
        return _now() < self._safe_until

    async def acquire(self, *, told: bool = False) -> None:
        """Wait until it is ours; warn once that another has it, unless that is `told` already."""
        while True:
            try:
                if await self._claim():
                    log.info("hold the lease %s", self._key)
                    return
                if not told:
                    await self._tell_holder()
                    told = True
            except _TROUBLE as error:
                log.debug("cannot ask for the lease %s: %r", self._key, error)
            await asyncio.sleep(_RENEW / 2)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[asyncio.Future[None]]:
        """Renew it for the block's duration, then release it; what it yields is done when lost."""
        keeping = asyncio.ensure_future(self._keep())
        try:
            yield keeping
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            if keeping.cancelled():
                await self._release()

    async def _keep(self) -> None:
        """Renew until another has it, or that failed for so long that another soon may."""
        while (left := self._safe_until - _now()) > 0:
            await asyncio.sleep(min(_RENEW, left))
            left = self._safe_until - _now()
            try:
                async with asyncio.timeout(min(_RENEW, left)):
                    if not await self._claim():
                        return
            except _TROUBLE as error:
                log.debug("cannot renew the lease %s: %r", self._key, error)

    async def _claim(self) -> bool:
        """Take it, or renew it if we have it; whether it is ours now."""
        asked = _now()
        if self._revision:
            revision = await self._bucket.update(self._key, self._value, self._revision)
        else:
            revision = await self._bucket.create(self._key, self._value)
        if revision is None:
            held = await self._bucket.get(self._key)
            if held is None or held.value != self._value:
                return False
            # Ours: the answer to an earlier claim was lost.
            revision = await self._bucket.update(self._key, self._value, held.revision)
        if revision is None:
            return False
        self._revision, self._safe_until = revision, asked + _SAFE
        return True

    async def _tell_holder(self) -> None:
        held = await self._bucket.get(self._key)
        owner = holder(held.value) if held else "another"
        log.warning("stand by: %s is held by %s", self._key, owner)

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._bucket.delete(self._key, self._revision)
        except _TROUBLE as error:
            log.debug("cannot release the lease %s: %r", self._key, error)


def holder(value: bytes) -> str:
    """Return who says to hold a lease, for people: short and printable, whatever stands there."""
    said = value.partition(b"\n")[0][:200].decode(errors="replace")
    return "".join(c if c.isprintable() else " " for c in said).strip() or "another"


def _now() -> float:
    return time.clock_gettime(_CLOCK)
