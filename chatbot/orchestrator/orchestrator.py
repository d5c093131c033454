"""`NatsOrchestrator`: DFFML's orchestrator interface, with the work done by nodes.

    async with NatsOrchestrator.withconfig({}) as orchestrator:
        async with orchestrator(dataflow) as octx:
            async for ctx, results in octx.run(inputs):
                ...

behaves as with DFFML's `MemoryOrchestrator`. The rule that it guards: nodes are told of every
operation before the first work for it is published.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
from dffml.df.base import (
    BaseOrchestrator,
    FailedToLoadOperationImplementation,
    OperationImplementation,
    OperationImplementationNotInstantiable,
)
from dffml.df.types import DataFlow
from dffml.operation.dataflow import RunDataFlowConfig
from dffml.util.entrypoint import entrypoint

import chatbot
from chatbot import settings
from chatbot.broker import Broker, EmbeddedServer, connect, files, subjects
from chatbot.broker.buckets import FLOW_KEPT, Bucket, open_bucket
from chatbot.broker.locks import SharedLocks
from chatbot.broker.subjects import Lane
from chatbot.errors import BrokerError, OperationError
from chatbot.labels import shown
from chatbot.messages import FlowRecord, OperationRecord, digest
from chatbot.nodes.implementations import ContextMaker, Implementation, find, installed
from chatbot.nodes.node import Given, Node
from chatbot.nodes.roster import Roster
from chatbot.nodes.shortage import Shortage
from chatbot.orchestrator import placement, reachability
from chatbot.orchestrator.configuration import InstanceSettings, NatsOrchestratorConfig
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.dispatch import Dispatcher
from chatbot.orchestrator.networks import NatsPrimaryOperationImplementationNetworkContext
from chatbot.orchestrator.plan import Plan, compile_flow
from chatbot.orchestrator.run import NatsOrchestratorContext, NatsOrchestratorContextConfig

log = logging.getLogger(__name__)


@entrypoint("nats")
class NatsOrchestrator(BaseOrchestrator, ContextMaker):
    """Runs dataflows with their operations on nodes, over NATS.

    Without an address (`url`, `CHATBOT_NATS_URL`) it starts an embedded server and a node in
    this process for its own lifetime. Operations that only this process has (closures) run in
    such a node, too, on subjects that nobody else takes from.
    """

    CONTEXT = NatsOrchestratorContext
    CONFIG = NatsOrchestratorConfig
    contexts: type[Context] = Context
    """What runs its dataflows; see `journey`."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.id = secrets.token_hex(6)
        self.flow = config.flow or f"run-{self.id}"
        self.lane = Lane(config.lane)
        self.dispatcher: Dispatcher
        self._broker: Broker | None = None
        self._settings: Mapping[str, InstanceSettings] = {}
        self._placed = placement.placements(config.placement)
        self._paths: list[str] = []
        self._roster: Roster | None = None
        self._watching = False
        self._revision = ""
        self._stack = AsyncExitStack()
        self._prepared: dict[
            int, tuple[Plan, NatsPrimaryOperationImplementationNetworkContext]
        ] = {}
        self._records: dict[str, OperationRecord] = {}
        self._bucket: Bucket
        self._told: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._node: Node | None = None
        self._alone = False

    @classmethod
    def over(
        cls,
        broker: Broker,
        flow: str,
        *,
        revision: str = "",
        instances: Mapping[str, InstanceSettings] | None = None,
        lane: Lane = Lane.PEOPLE,
        max_ctxs: int | None = None,
        placement: Mapping[str, str | Sequence[str]] | None = None,
        roster: Roster | None = None,
    ) -> NatsOrchestrator:
        """Return an orchestrator over a connection that the caller closes.

        `instances` has what the flow file says of each operation, by its path in the flow
        (`understand/classify`). `placement` is for a dataflow that no file describes: paths to
        `primary`, `nodes`, or the labels that a node must have (one, or a list). `roster` is
        one that the caller follows; without it the orchestrator follows one of its own.
        """
        own: Any = NatsOrchestratorConfig
        made = cls(own(flow=flow, lane=str(lane), max_ctxs=max_ctxs, placement=placement or {}))
        made._roster = roster
        made._broker = broker
        made._settings = instances or {}
        made._revision = revision
        return made

    async def __aenter__(self) -> NatsOrchestrator:
        await self._stack.__aenter__()
        try:
            broker = self._broker or await self._connect()
            self._broker = broker
            self.dispatcher = await self._stack.enter_async_context(Dispatcher.open(broker))
            self._bucket = await open_bucket(broker, subjects.FLOWS)
            for network in (
                self.config.input_network,
                self.config.lock_network,
                self.config.opimp_network,
            ):
                await self._stack.enter_async_context(network)
            self._tasks.append(asyncio.ensure_future(self._renew()))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(1.0):
                await self._bucket.delete(self._key)
        except self._connected.errors as error:
            log.debug("cannot withdraw the flow: %r", error)
        await self._stack.aclose()

    def __call__(  # type: ignore[override]
        self, dataflow: Any, **kwargs: Any
    ) -> NatsOrchestratorContext:
        given = dataflow
        if isinstance(dataflow, DataFlow):
            kwargs.setdefault("max_ctxs", self.config.max_ctxs)
            own: Any = NatsOrchestratorContextConfig
            given = own(uid=secrets.token_hex(8), dataflow=dataflow, **kwargs)
        return NatsOrchestratorContext(given, self)

    async def prepare(
        self, dataflow: DataFlow, path: str = ""
    ) -> tuple[Plan, NatsPrimaryOperationImplementationNetworkContext]:
        """Compile `dataflow` and its subflows, instantiate what runs here, tell nodes the rest.

        Done once for each dataflow object. Raises `OperationError` for what cannot be had.
        """
        await self._share_seeds(dataflow, path)
        known = self._prepared.get(id(dataflow))
        if known is not None:
            return known
        nctx = await self._stack.enter_async_context(self.config.opimp_network())
        nctx.offers = self._offers
        for name, operation in dataflow.operations.items():
            await self._prepare_operation(dataflow, nctx, name, operation, path)
            self._paths.append(path + name)
        if not path:
            placement.warn_of_unknown(self._placed, self._paths)
        await self._tell_nodes()
        plan = compile_flow(dataflow, nctx.optional)
        reachability.warn(plan)
        prepared = self._prepared[id(dataflow)] = (plan, nctx)
        return prepared

    @property
    def revision(self) -> str:
        """What the flow is called by in this form of it; of equal flows it is equal."""
        return self._revision or digest(*sorted(self._records))

    @property
    def longest(self) -> float:
        """The longest time limit of an operation, in seconds; 0 where none has one."""
        return max((told.timeout for told in self._settings.values()), default=0.0)

    @property
    def records(self) -> list[OperationRecord]:
        """What nodes are told: the operations that they are to run."""
        return list(self._records.values())

    @property
    def needed(self) -> list[OperationRecord]:
        """Those of them without which no message can be answered: that are not optional."""
        return [record for record in self.records if not record.optional]

    @property
    def _connected(self) -> Broker:
        assert self._broker is not None
        return self._broker

    @property
    def _key(self) -> str:
        return f"{subjects.token(self.flow)}.{self.id}"

    async def _connect(self) -> Broker:
        url = self.config.url or settings.nats_url()
        if url is None:
            self._alone = True
            folder = Path(self._stack.enter_context(_temporary_folder()))
            url = (await self._stack.enter_async_context(EmbeddedServer.start(folder))).url
        return await self._stack.enter_async_context(connect(url, name=f"orchestrator-{self.id}"))

    async def _share_seeds(self, dataflow: DataFlow, path: str) -> None:
        """Share the locks of the flow's seeds, where another primary may run the flow."""
        network = self.config.lock_network
        locked = network.seeds.learn(dataflow, path)
        if locked and self.config.flow and network.shared is None:
            network.shared = await self._stack.enter_async_context(
                SharedLocks.open(self._connected, self.flow)
            )

    async def _prepare_operation(
        self, dataflow: DataFlow, nctx: Any, name: str, operation: Any, path: str
    ) -> None:
        given = dataflow.configs.get(name)
        if isinstance(given, dict) and operation.name == "dffml.dataflow.run":
            given = RunDataFlowConfig(**given)
        if isinstance(given, RunDataFlowConfig):
            await self.prepare(given.dataflow, f"{path}{name}/")
        own = dataflow.implementations.get(operation.name)
        implementation = own or _load(operation.name)
        told = self._settings.get(path + name)
        placed = self._placed.get(path + name) or (told.on if told else None)
        if told and told.optional:
            nctx.optional[name] = told.optional
        if placement.runs_on_primary(operation, implementation, placed):
            await nctx.instantiate(operation, given, opimp=implementation)
            if told and told.timeout:
                nctx.limits[name] = told.timeout
            return
        private = self._alone or not placement.is_to_be_had(operation, implementation)
        labels = placed.labels if placed else ()
        if labels and private and not self._alone:
            raise OperationError(
                f"{path}{name} is for nodes with {shown(labels)}, and only this process has it",
                hint="install it as an entry point of dffml.operation, there and here",
            )
        contents = {} if private else await self._store_files(placement.as_plain(given))
        record = placement.record(
            operation,
            given,
            private_to=f"{self.id}/{id(dataflow)}/{name}" if private else "",
            batch=told.batch if told else 32,
            concurrency=told.concurrency if told else 1,
            labels=labels,
            timeout=told.timeout if told else 0.0,
            contents=contents,
            learning=told.learning if told else None,
        )
        known = self._records.get(record.key)
        if told and told.optional and (known is None or known.optional):
            record = msgspec.structs.replace(record, optional=True)
        nctx.remote[name] = self._records[record.key] = record
        if private:
            self._offer(record.key, Given(implementation, given))

    async def _store_files(self, plain: dict[str, Any]) -> dict[str, tuple[str, str]]:
        contents: dict[str, tuple[str, str]] = {}
        for key, value in plain.items():
            if isinstance(value, Path):
                try:
                    content = await asyncio.to_thread(value.read_bytes)
                except OSError as error:
                    raise OperationError(f"cannot read {value}: {error.strerror}") from error
                contents[key] = (value.name, await files.put(self._connected, content))
        return contents

    def _offer(self, key: str, given: Given) -> None:
        """Have a node in this process run an operation."""
        if self._node is None:
            self._node = Node(self._connected, [])
            self._tasks.append(asyncio.ensure_future(self._node.run()))
        self._node.offer(key, given)

    async def _tell_nodes(self) -> None:
        if set(self._records) != self._told:
            if not self._watching and not all(record.private for record in self.records):
                self._watching = True
                self._tasks.append(asyncio.ensure_future(self._watch()))
            self._told = set(self._records)
            await self._bucket.put(self._key, self._record().encode())

    def _record(self) -> FlowRecord:
        return FlowRecord(
            flow=self.flow,
            revision=self.revision,
            operations=self.records,
            primary=self.dispatcher.id,
            version=chatbot.__version__,
        )

    async def _watch(self) -> None:
        """Say once what no node offers."""
        async with AsyncExitStack() as stack:
            if self._roster is None:
                follow = Roster.follow(self._connected)
                self._roster = await stack.enter_async_context(follow)
            shortage = Shortage(self._roster)
            while True:
                await asyncio.sleep(1.0)
                public = [record for record in self.needed if not record.private]
                shortage.look(public, waits=self.dispatcher.waits)

    def _offers(self, key: str) -> bool:
        """Whether a node offers an operation; while nobody knows, it is taken for granted."""
        if self._roster is None or self._records[key].private:
            return True
        return self._roster.offers(key)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(FLOW_KEPT / 4)
            if self._told:
                try:
                    await self._bucket.put(self._key, self._record().encode())
                except BrokerError as error:
                    log.warning("cannot renew the flow %s: %s", self.flow, error)


def _load(name: str) -> Implementation:
    """Return an implementation by its name, also by `module:function` as DFFML does.

    The name comes from a dataflow of this process, never from the wire.
    """
    if name in installed():
        return find(name)
    try:
        found: Implementation | None = OperationImplementation.load(name)
    except FailedToLoadOperationImplementation as error:
        raise OperationImplementationNotInstantiable(name) from error
    if found is None:
        raise OperationImplementationNotInstantiable(name)
    return found


def _temporary_folder() -> Any:
    import tempfile

    return tempfile.TemporaryDirectory(prefix="chatbot-", ignore_cleanup_errors=True)
