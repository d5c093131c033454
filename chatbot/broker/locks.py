"""Locks that processes share: each is a lease in a key-value bucket.

The rule that it guards: whoever leaves `hold` without an error held the lock from its first
line to its last. It rests on no clock: at the end the server itself compares the revision that
we took the lock at (its fencing token, which only grows) with the one that there is. Clocks
only say when to renew, and when to stop a body whose lease another may soon have.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats.errors
from nats.aio.msg import Msg
from nats.js.errors import APIError

from chatbot.broker import subjects
from chatbot.broker.buckets import LOCK_KEPT, Bucket, open_bucket
from chatbot.broker.connection import Broker
from chatbot.errors import LockLostError
from chatbot.messages import digest

log = logging.getLogger(__name__)

_RENEW = LOCK_KEPT / 5
_SAFE = LOCK_KEPT - _RENEW
"""Seconds after the last renewal at which a body is stopped, before another may begin."""

_LOOK = 0.5
"""Seconds between looks at a lock that another holds: a killed holder's goes unannounced."""

_SOON = 0.01
"""Seconds to the next look where a release was told and is not there; four times as long each."""

_GIVE_WAY = 0.1
"""Seconds that we leave to those who asked for a lock that we had, before we ask again."""

_REMEMBERED = 1024

LOST = "a lock was lost while it was held: NATS was away, or this process stood still"

_HELD, _FREE = b"+", b"-"
_TROUBLE = (APIError, nats.errors.Error, TimeoutError, OSError)


class SharedLocks:
    """The locks of one flow in all its processes. Made by `open`; the caller closes `broker`."""

    def __init__(self, broker: Broker, flow: str, bucket: Bucket) -> None:
        self.id = secrets.token_hex(8)
        self._broker = broker
        self._flow = subjects.token(flow)
        self._bucket = bucket
        self._locks: dict[str, _Lock] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, broker: Broker, flow: str) -> AsyncIterator[SharedLocks]:
        """Follow and renew locks for the block's duration."""
        locks = cls(broker, flow, await open_bucket(broker, subjects.LOCKS))
        asked = await broker.nc.subscribe(
            subjects.claim_subject(f"{locks._flow}.*"), cb=locks._asked
        )
        renewing = asyncio.ensure_future(locks._renew())
        try:
            async with locks._bucket.watch(locks._changed, f"{locks._flow}.>"):
                yield locks
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            try:
                await asked.unsubscribe()
            except nats.errors.Error as error:
                log.debug("cannot unsubscribe: %r", error)

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[int]:
        """Hold the lock `name`; yields its fencing token, which is larger each time.

        Waits while another call has it, here or elsewhere; who holds several takes them in the
        order of their names. Raises `LockLostError` if it cannot be known that the body had it
        throughout; a body that has lost it is cancelled. Must be entered and left in one task.
        """
        lock = self._lock(name)
        lock.users += 1
        try:
            async with lock.turn, self._taken(lock), lock.limited():
                yield lock.revision
        finally:
            lock.users -= 1

    @asynccontextmanager
    async def _taken(self, lock: _Lock) -> AsyncIterator[None]:
        await self._take(lock)
        try:
            yield
        except BaseException:
            with contextlib.suppress(LockLostError):
                await self._let_go(lock, well=False)
            raise
        await self._let_go(lock, well=True)

    def _lock(self, name: str) -> _Lock:
        key = f"{self._flow}.{digest(name)}"
        lock = self._locks.pop(key, None) or _Lock(key)
        self._locks[key] = lock  # the one used last is last
        if len(self._locks) > _REMEMBERED:
            for old in [k for k, each in self._locks.items() if not each.users and each != lock]:
                del self._locks[old]
        return lock

    async def _take(self, lock: _Lock) -> None:
        """Wait until `lock` is ours."""
        if lock.held and lock.left() > _SAFE / 2:
            return  # the call before, of this process, left it to us
        lock.forget(f"{self.id}.{secrets.token_hex(4)}".encode())
        if lock.gives_way:
            lock.gives_way = False
            await _wait(lock.others, _GIVE_WAY)
        looked = woken = False
        pause = _LOOK
        while True:
            lock.freed.clear()
            seen = lock.seen
            try:
                if await self._claim(lock, look=looked):
                    return
                looked = True
                await self._broker.nc.publish(subjects.claim_subject(lock.key), self.id.encode())
            except _TROUBLE as error:
                log.debug("cannot ask for a lock: %r", error)
            # Who watches is told of a release before it is stored.
            early = woken and lock.seen == seen
            pause = _SOON if early else min(_LOOK, pause * 4)
            woken = await _wait(lock.freed, pause * random.uniform(0.7, 1.3))  # noqa: S311 - jitter

    async def _claim(self, lock: _Lock, *, look: bool) -> bool:
        """Take `lock` if it is free; whether it is ours now. `look`: it was held a while ago."""
        revision = None
        asked = asyncio.get_running_loop().time()
        if not look:
            revision = await self._bucket.update(lock.key, _HELD + lock.nonce, lock.revision)
        while revision is None:
            found = await self._bucket.get(lock.key)
            if found is not None and found.value[:1] == _HELD and found.value[1:] != lock.nonce:
                lock.seen = found.revision
                return False
            asked = asyncio.get_running_loop().time()
            lock.revision = found.revision if found else 0
            revision = await self._bucket.update(lock.key, _HELD + lock.nonce, lock.revision)
        lock.keep(revision, asked + _SAFE)
        return True

    async def _let_go(self, lock: _Lock, *, well: bool) -> None:
        """Free `lock`, or leave it to the next of this process if nobody else has asked for it.

        Raises `LockLostError` where the server does not say that it was ours until now.
        """
        leave = well and lock.users > 1 and not lock.asked_for
        lock.gives_way, lock.asked_for = lock.asked_for and lock.users > 1, False
        lock.others.clear()
        while lock.held:
            asked = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(_RENEW), lock.talking:
                    if not await self._swap(lock, (_HELD if leave else _FREE) + lock.nonce):
                        break
            except _TROUBLE as error:
                log.debug("cannot let go of a lock: %r", error)
                if not well or lock.left() <= 0:
                    break
                await asyncio.sleep(_RENEW / 10)
            else:
                lock.keep(lock.revision, asked + _SAFE)
                lock.held = leave
                return
        lock.held = False
        raise LockLostError(LOST)

    async def _swap(self, lock: _Lock, value: bytes) -> bool:
        """Replace what we hold by `value`; whether it is stored, and was ours until then."""
        revision = await self._bucket.update(lock.key, value, lock.revision)
        if revision is None:
            found = await self._bucket.get(lock.key)
            if found is None or found.value[1:] != lock.nonce:
                return False
            # Ours: the answer to an earlier swap was lost.
            revision = found.revision
            if found.value != value:
                revision = await self._bucket.update(lock.key, value, found.revision)
        if revision is not None:
            lock.revision = revision
        return revision is not None

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW)
            held = [lock for lock in self._locks.values() if lock.limit is not None]
            await asyncio.gather(*(self._renew_one(lock) for lock in held))

    async def _renew_one(self, lock: _Lock) -> None:
        asked = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_RENEW), lock.talking:
                if lock.limit is None:
                    return  # it is being let go of
                stored = await self._swap(lock, _HELD + lock.nonce)
                lock.keep(lock.revision, asked + _SAFE if stored else asked)
        except _TROUBLE as error:
            log.debug("cannot renew a lock: %r", error)

    def _changed(self, key: str, value: bytes) -> None:
        # Also told of what the server refused: that wakes us in vain, and no more.
        lock = self._locks.get(key)
        if lock is not None and not value[1:].startswith(self.id.encode()):
            (lock.freed if value[:1] == _FREE else lock.others).set()

    async def _asked(self, msg: Msg) -> None:
        lock = self._locks.get(msg.subject.removeprefix(subjects.claim_subject("")))
        if lock is not None and msg.data != self.id.encode():
            lock.asked_for = True


class _Lock:
    """What this process knows of one lock.

    `turn` is for its own calls, first come, first served; `limit` is there while one of them
    has the lock. `nonce` names one taking of it, so that we know our own in the bucket. `freed`
    and `others` are set when another process frees it, or takes it; `seen` is the revision at
    which we last saw that another has it.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.turn = asyncio.Lock()
        self.talking = asyncio.Lock()
        self.freed = asyncio.Event()
        self.others = asyncio.Event()
        self.users = 0
        self.held = False
        self.asked_for = False
        self.gives_way = False
        self.revision = 0
        self.seen = 0
        self.nonce = b""
        self.limit: asyncio.Timeout | None = None
        self._safe_until = 0.0

    def left(self) -> float:
        """Return the seconds for which nobody else can have it."""
        return self._safe_until - asyncio.get_running_loop().time()

    def keep(self, revision: int, safe_until: float) -> None:
        """It is ours, at `revision`, until `safe_until`."""
        self.revision, self._safe_until, self.held = revision, safe_until, True
        if self.limit is not None and not self.limit.expired():
            self.limit.reschedule(safe_until)

    def forget(self, nonce: bytes) -> None:
        """It is not ours; it will be taken as `nonce`."""
        self.held, self.nonce = False, nonce

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        """Cancel the block when another may have the lock."""
        try:
            async with asyncio.timeout_at(self._safe_until) as self.limit:
                yield
        except TimeoutError as error:
            if self.limit is None or not self.limit.expired():
                raise
            raise LockLostError(LOST) from error
        finally:
            self.limit = None


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for `event`, but not for longer than `seconds`; whether it is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
