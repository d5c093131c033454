"""DFFML's lock network, on a primary: values that may not be used by two operations at once.

The rule that it guards: locks are taken in one order (by uid), so that two operations that
need the same ones never wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from dffml.base import config
from dffml.df.base import BaseConfig, BaseLockNetwork, BaseLockNetworkContext, BaseParameterSet
from dffml.df.types import Input
from dffml.util.entrypoint import entrypoint

from chatbot.nodes.implementations import ContextMaker
from chatbot.orchestrator.values import ancestors


@config
class NatsPrimaryLockNetworkConfig:
    pass


class NatsPrimaryLockNetworkContext(BaseLockNetworkContext):
    """Locks by the uid of the value; one that nobody waits for or holds is forgotten."""

    def __init__(self, config: BaseConfig, parent: Any) -> None:
        super().__init__(config, parent)
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def acquire(self, parameter_set: BaseParameterSet) -> AsyncIterator[None]:
        items = [item async for item in parameter_set.inputs_and_parents_recursive()]
        async with self.hold(items):
            yield

    @asynccontextmanager
    async def hold(self, items: Iterable[Input]) -> AsyncIterator[None]:
        """Hold the locks of those of `items`, and of their ancestors, that are to be locked."""
        uids = sorted({item.uid for item in ancestors(items) if item.definition.lock})
        async with AsyncExitStack() as stack:
            for uid in uids:
                await stack.enter_async_context(self._hold_one(uid))
            yield

    @asynccontextmanager
    async def _hold_one(self, uid: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(uid, (asyncio.Lock(), 0))
        self._locks[uid] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(uid)
            if users > 1:
                self._locks[uid] = (lock, users - 1)


@entrypoint("nats_primary")
class NatsPrimaryLockNetwork(BaseLockNetwork, ContextMaker):
    """Locks the values of the contexts that this primary owns."""

    CONTEXT = NatsPrimaryLockNetworkContext
    CONFIG = NatsPrimaryLockNetworkConfig
