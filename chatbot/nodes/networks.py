"""DFFML's networks, as a node has them.

| DFFML's interface | here |
|---|---|
| operation implementation network | instantiates what the node may run, and runs it in batches |
| input network | publishes an operation's outputs to DONE, where its owner adds them |
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from dffml.base import config
from dffml.df.base import (
    BaseConfig,
    BaseInputNetwork,
    BaseInputNetworkContext,
    BaseOperationImplementationNetwork,
)
from dffml.util.entrypoint import entrypoint

from chatbot.broker import Broker
from chatbot.broker.subjects import done_subject
from chatbot.messages import Raised, Result, Results
from chatbot.nodes.implementations import ContextMaker, ImplementationNetworkContext

log = logging.getLogger(__name__)

MARGIN = 4096
"""Bytes of a message that are not its results."""


@config
class NatsNodeOperationImplementationNetworkConfig:
    pass


class NatsNodeOperationImplementationNetworkContext(ImplementationNetworkContext):
    """The operations that this node may run."""


@entrypoint("nats_node")
class NatsNodeOperationImplementationNetwork(BaseOperationImplementationNetwork, ContextMaker):
    """Instantiates what a node may run, and runs it."""

    CONTEXT = NatsNodeOperationImplementationNetworkContext
    CONFIG = NatsNodeOperationImplementationNetworkConfig


@config
class NatsNodeInputNetworkConfig:
    pass


class NatsNodeInputNetworkContext(BaseInputNetworkContext):
    """Sends outputs to the primary that owns their context. It keeps no inputs itself."""

    def __init__(self, config: BaseConfig, parent: Any) -> None:
        super().__init__(config, parent)
        self._broker: Broker | None = None

    def use(self, broker: Broker) -> None:
        """Send over this connection; before the first `add`."""
        self._broker = broker

    async def add(self, primary: str, results: Results) -> None:
        """Publish `results` to `primary`; return when they are stored.

        A result that cannot be encoded, or is too large, becomes an error of its own call;
        results that are too large together are parted.
        """
        assert self._broker is not None
        try:
            data = results.encode()
        except (TypeError, ValueError, OverflowError):
            data = b""
        if data and len(data) + MARGIN < self._broker.max_payload:
            await self._broker.publish(done_subject(primary), data)
        elif len(results.results) > 1:
            middle = len(results.results) // 2
            for part in (results.results[:middle], results.results[middle:]):
                await self.add(primary, msgspec.structs.replace(results, results=part))
        else:
            refused = _refuse(results.operation, results.results[0], len(data))
            await self.add(primary, msgspec.structs.replace(results, results=[refused]))

    async def ctx(self) -> Any:
        raise TypeError("contexts live with their primary")

    async def added(self, ctx: Any) -> Any:
        raise TypeError("contexts live with their primary")

    async def definition(self, ctx: Any, definition: str) -> Any:
        raise TypeError("contexts live with their primary")

    def definitions(self, ctx: Any) -> Any:
        raise TypeError("contexts live with their primary")

    async def gather_inputs(self, rctx: Any, operation: Any, ctx: Any = None) -> Any:
        raise TypeError("contexts live with their primary")


@entrypoint("nats_node")
class NatsNodeInputNetwork(BaseInputNetwork, ContextMaker):
    """Publishes outputs to the primaries that own their contexts."""

    CONTEXT = NatsNodeInputNetworkContext
    CONFIG = NatsNodeInputNetworkConfig


def _refuse(operation: str, result: Result, size: int) -> Result:
    if size:
        message = f"the outputs of {operation} are {size} bytes, more than one message may have"
    else:
        message = f"{_culprit(result)} of {operation} cannot cross the wire"
    log.warning("refuse a result: %s", message)
    return Result(result.context, result.number, [], Raised("ValueError", message))


def _culprit(result: Result) -> str:
    for outputs in result.outputs:
        for key, value in outputs.items():
            try:
                msgspec.msgpack.encode(value)
            except (TypeError, ValueError, OverflowError):
                return f"the output {key!r} (a {type(value).__name__})"
    return "an output"
