"""DFFML's operation implementation network, on a primary.

| DFFML's interface | here |
|---|---|
| operation implementation network | instantiates what runs here, and sends the rest to nodes |
| input network | `inputs.py` |
| lock network | `locks.py` |
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dffml.base import config
from dffml.df.base import BaseOperationImplementationNetwork
from dffml.util.entrypoint import entrypoint

from chatbot.broker.subjects import Lane
from chatbot.messages import OperationRecord
from chatbot.nodes.implementations import ContextMaker, ImplementationNetworkContext
from chatbot.orchestrator import locked
from chatbot.orchestrator.call import Call
from chatbot.orchestrator.dispatch import Dispatcher, Route
from chatbot.orchestrator.locks import NatsPrimaryLockNetworkContext
from chatbot.orchestrator.optional import Optional
from chatbot.orchestrator.plan import Step
from chatbot.orchestrator.trials import Trials


@config
class NatsPrimaryOperationImplementationNetworkConfig:
    pass


class NatsPrimaryOperationImplementationNetworkContext(ImplementationNetworkContext):
    """Runs what runs here, and sends the rest to nodes.

    `remote` maps instance names to what nodes were told of them; an operation that is not in
    it is instantiated here.
    """

    def __init__(self, config: Any, parent: Any) -> None:
        super().__init__(config, parent)
        self.remote: dict[str, OperationRecord] = {}
        self.limits: dict[str, float] = {}
        """Seconds that a call of an instance that runs here may take; those that have a limit."""
        self.optional: dict[str, float] = {}
        """Seconds that a message waits for an instance; those that it goes on without."""
        self.offers: Callable[[str], bool] = lambda _: True
        """Whether a node offers the operation with this key."""

    async def contains(self, operation: Any) -> bool:
        return operation.instance_name in self.remote or await super().contains(operation)

    async def operation_completed(self) -> None:
        raise TypeError("a context is told of each result itself")

    async def dispatch(self, octx: Any, operation: Any, parameter_set: Any) -> None:
        raise TypeError("calls are dispatched with `send`")

    def route(
        self,
        dispatcher: Dispatcher,
        flow: str,
        lane: Lane,
        lctx: NatsPrimaryLockNetworkContext,
        step: Step,
        *,
        locks: bool,
        trials: Trials | None = None,
    ) -> Route:
        """Return what has a call of `step` run, here or on a node; its context gets the result.

        With `locks`, its values are looked through for those that it has to lock first; with
        `trials`, what runs here waits for its turn there.
        """
        record = self.remote.get(step.name)
        if record is not None:
            queue = dispatcher.queue(flow, lane, record.key)
            send: Route = functools.partial(dispatcher.send, queue)
        else:
            send = dispatcher.turn.route(self.begin(step.operation), lane)
            if step.name in self.limits:
                dispatcher.turn.limits[step] = self.limits[step.name]
        if locks and step.parameters:
            send = functools.partial(self._lock_first, dispatcher, lctx, send)
        if trials and record is None:
            send = trials.route(send)
        seconds = self.optional.get(step.name)
        if not seconds:
            return send

        def offered() -> bool:
            return record is None or self.offers(record.key)

        def gone_on() -> None:
            dispatcher.turn.run()
            dispatcher.flush()

        forget, patient = dispatcher.forget, lane is Lane.BULK
        return Optional(step.name, send, seconds, offered, gone_on, forget, patient=patient)

    def _lock_first(
        self,
        dispatcher: Dispatcher,
        lctx: NatsPrimaryLockNetworkContext,
        send: Route,
        call: Call,
    ) -> None:
        dispatcher.spawn(locked.run(lctx, send, dispatcher.forget, call))


@entrypoint("nats_primary")
class NatsPrimaryOperationImplementationNetwork(BaseOperationImplementationNetwork, ContextMaker):
    """Instantiates what runs on the primary, and sends the rest to nodes."""

    CONTEXT = NatsPrimaryOperationImplementationNetworkContext
    CONFIG = NatsPrimaryOperationImplementationNetworkConfig
