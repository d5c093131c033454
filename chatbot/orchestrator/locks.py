"""DFFML's lock network, on a primary: values that may not be used by two calls at once.

A value of a context (a message's, an operation's output) is locked here, in its owner's memory.
A value of the flow's seed is the same in every context and in every primary of the flow: its
lock is shared by them all, through NATS.

The rule that it guards: locks are taken in one order, the shared ones first and by name, then
the others by uid, so that two calls that need the same ones never wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from dffml.base import config
from dffml.df.base import BaseConfig, BaseLockNetwork, BaseLockNetworkContext, BaseParameterSet
from dffml.df.types import Input
from dffml.util.entrypoint import entrypoint

from chatbot.broker.locks import SharedLocks
from chatbot.nodes.implementations import ContextMaker
from chatbot.orchestrator.seeds import SeedNames
from chatbot.orchestrator.values import ancestors

Names = list[str]


@config
class NatsPrimaryLockNetworkConfig:
    pass


class LocalLocks:
    """Locks of this process, by name; one that nobody waits for or holds is forgotten."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = (lock, users - 1)


class NatsPrimaryLockNetworkContext(BaseLockNetworkContext):
    """The locks of one running dataflow's values, and its way to those of the seed."""

    parent: NatsPrimaryLockNetwork

    def __init__(self, config: BaseConfig, parent: Any) -> None:
        super().__init__(config, parent)
        self._own = LocalLocks()

    @asynccontextmanager
    async def acquire(self, parameter_set: BaseParameterSet) -> AsyncIterator[None]:
        """Hold the locks of a parameter set; `LockLostError` at the end if that cannot be said."""
        items = [item async for item in parameter_set.inputs_and_parents_recursive()]
        async with self.hold(items):
            yield

    def names(self, items: Iterable[Input]) -> tuple[Names, Names]:
        """Return what `items` and their ancestors have to lock: the seed's, and their own."""
        locked = {item.uid for item in ancestors(items) if item.definition.lock}
        seeds = self.parent.seeds.names
        return (
            sorted({seeds[uid] for uid in locked if uid in seeds}),
            sorted(uid for uid in locked if uid not in seeds),
        )

    @asynccontextmanager
    async def hold(self, items: Iterable[Input]) -> AsyncIterator[None]:
        """Hold the locks of those of `items`, and of their ancestors, that are to be locked."""
        async with self.hold_named(*self.names(items)):
            yield

    @asynccontextmanager
    async def hold_named(self, seeds: Names, own: Names) -> AsyncIterator[None]:
        """Hold the locks that `names` returned.

        Raises `LockLostError` at the end if a shared one may have been another's meanwhile.
        """
        async with AsyncExitStack() as stack:
            for name in seeds:
                await stack.enter_async_context(self.parent.hold_seed(name))
            for uid in own:
                await stack.enter_async_context(self._own.hold(uid))
            yield


@entrypoint("nats_primary")
class NatsPrimaryLockNetwork(BaseLockNetwork, ContextMaker):
    """Locks the values of the contexts that this primary owns, and the seeds of its flow.

    `shared` is where other primaries may run the same flow; without it nobody else does.
    """

    CONTEXT = NatsPrimaryLockNetworkContext
    CONFIG = NatsPrimaryLockNetworkConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.seeds = SeedNames()
        self.shared: SharedLocks | None = None
        self._alone = LocalLocks()

    def hold_seed(self, name: str) -> AbstractAsyncContextManager[Any]:
        """Hold the lock of the seed `name`, over all primaries of the flow."""
        return (self.shared or self._alone).hold(name)
