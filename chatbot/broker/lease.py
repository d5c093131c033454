"""Leases: what only one process may do at a time, such as being on a chat network.

The rule that it guards: whoever lost the lease, or cannot renew it, stops before another may
have it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import nats.errors
from nats.js.errors import APIError

from chatbot.broker import subjects
from chatbot.broker.buckets import LEASE_KEPT, Bucket, open_bucket
from chatbot.broker.connection import Broker

log = logging.getLogger(__name__)

_RENEW = LEASE_KEPT / 5
_TROUBLE = (APIError, nats.errors.Error, TimeoutError, OSError)


async def hold(broker: Broker, key: str, owner: str, body: Callable[[], Awaitable[None]]) -> None:
    """Run `body` while this process holds the lease `key`; return when `body` has returned.

    Waits while another holds it. A body that lost it is cancelled, and run again when the
    lease is had again.
    """
    bucket = await open_bucket(broker, subjects.LEASES)
    while True:
        revision = await _acquire(bucket, key, owner)
        running = asyncio.ensure_future(body())
        keeping = asyncio.ensure_future(_keep(bucket, key, owner, revision))
        try:
            await asyncio.wait({running, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
                return
            log.warning("lost the lease %s: another process has it now", key)
        finally:
            for task in (running, keeping):
                task.cancel()
            await asyncio.gather(running, keeping, return_exceptions=True)
            if keeping.cancelled():
                await _release(bucket, key)


async def _acquire(bucket: Bucket, key: str, owner: str) -> int:
    told = False
    while True:
        try:
            revision = await bucket.create(key, owner.encode())
            if revision is not None:
                log.info("hold the lease %s", key)
                return revision
            if not told:
                held = await bucket.get(key)
                log.warning("stand by: %s is held by %s", key, held.value.decode() if held else "?")
                told = True
        except _TROUBLE as error:
            log.debug("cannot ask for the lease %s: %r", key, error)
        await asyncio.sleep(_RENEW / 2)


async def _keep(bucket: Bucket, key: str, owner: str, revision: int) -> None:
    """Renew until that fails for so long that another may have the lease."""
    renewed = time.monotonic()
    while True:
        await asyncio.sleep(_RENEW)
        started = time.monotonic()
        try:
            async with asyncio.timeout(_RENEW):
                held = await bucket.update(key, owner.encode(), revision)
        except _TROUBLE:
            if started - renewed > LEASE_KEPT - 2 * _RENEW:
                return
            continue
        if held is None:
            return
        revision, renewed = held, started


async def _release(bucket: Bucket, key: str) -> None:
    try:
        async with asyncio.timeout(1.0):
            await bucket.delete(key)
    except _TROUBLE as error:
        log.debug("cannot release the lease %s: %r", key, error)
