"""DFFML's networks, as a node has them.

| DFFML's interface | here |
|---|---|
| operation implementation network | instantiates what the node may run, and runs it in batches |
| input network | publishes an operation's outputs to DONE, where its owner adds them |
"""

from __future__ import annotations

import asyncio
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
from dffml.df.types import Operation
from dffml.util.entrypoint import entrypoint

from chatbot.broker import Broker
from chatbot.broker.objects import LargeValues
from chatbot.broker.subjects import done_subject
from chatbot.encoding import (
    MESSAGE,
    Place,
    is_packed,
    is_plain,
    limit_for,
    owner_of,
    pack,
    shrink,
    stored,
    unpack,
)
from chatbot.errors import BrokerError, ChatbotError, EncodingError
from chatbot.messages import Call, Result, Results
from chatbot.nodes.failure import raised
from chatbot.nodes.implementations import ContextMaker, ImplementationNetworkContext

log = logging.getLogger(__name__)


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
        self._broker: Broker
        self._large: LargeValues

    def use(self, broker: Broker) -> None:
        """Send over this connection; before the first `add`."""
        self._broker = broker
        self._large = LargeValues(broker)

    async def add(self, primary: str, operation: str, results: Results) -> None:
        """Publish `results` of the operation so named to `primary`; return when they are stored.

        A result that cannot cross becomes an error of its own call; results that are too large
        together are parted. Those with large values leave last, each when these are stored.
        """
        small: list[Result] = []
        large: list[tuple[Result, dict[str, bytes]]] = []
        packed = False
        for result in results.results:
            if _is_plain(result):
                small.append(result)
                continue
            own, contents = _pack(primary, operation, result)
            packed = True
            if contents:
                large.append((own, contents))
            else:
                small.append(own)
        if small:
            await self._publish(
                primary, msgspec.structs.replace(results, results=small, packed=packed)
            )
        for result, contents in large:
            own = await self._store(result, contents)
            await self._publish(
                primary, msgspec.structs.replace(results, results=[own], packed=True)
            )

    async def unpack(self, operation: Operation, call: Call) -> Call | ChatbotError:
        """Return `call` with its inputs as they were given, or why they cannot be had."""
        if not is_packed(call.inputs):
            return call
        place = Place("input", operation.name)
        try:
            contents = {name: await self._large.get(name) for name in stored(call.inputs)}
            inputs = unpack(call.inputs, operation.inputs, place, contents)
        except (EncodingError, BrokerError) as error:
            return error
        return Call(call.context, call.number, inputs)

    async def _store(self, result: Result, large: dict[str, bytes]) -> Result:
        await asyncio.sleep(0)  # what begins eagerly has a task from here on; storing asks for it
        try:
            await self._large.put(large)
        except BrokerError as error:
            return _refuse(result, error)
        return result

    async def _publish(self, primary: str, results: Results) -> None:
        data = results.encode()
        if len(data) <= MESSAGE:
            await self._broker.publish(done_subject(primary), data)
        elif len(results.results) > 1:
            middle = len(results.results) // 2
            for part in (results.results[:middle], results.results[middle:]):
                await self._publish(primary, msgspec.structs.replace(results, results=part))
        else:
            await self._publish_singly(primary, results)

    async def _publish_singly(self, primary: str, results: Results) -> None:
        """Publish one result whose values are too large together, though none is by itself."""
        (result,) = results.results
        owner, limit = owner_of(primary, result.context), limit_for(result.outputs)
        outputs = [shrink(each, owner, limit) for each in result.outputs]
        own = Result(result.context, result.number, [each.values for each in outputs])
        for each in outputs:
            own = await self._store(own, each.large)
        try:
            await self._broker.publish(
                done_subject(primary),
                msgspec.structs.replace(results, results=[own], packed=True).encode(),
            )
        except BrokerError as error:
            refused = msgspec.structs.replace(results, results=[_refuse(own, error)])
            await self._broker.publish(done_subject(primary), refused.encode())

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


def _is_plain(result: Result) -> bool:
    for outputs in result.outputs:
        if type(outputs) is not dict or not is_plain(outputs):
            return False
    return True


def _pack(primary: str, operation: str, result: Result) -> tuple[Result, dict[str, bytes]]:
    """Return `result` as it can be encoded, and the contents that are to be stored first."""
    owner, place = owner_of(primary, result.context), Place("output", operation)
    try:
        packed = [pack(each, owner, place) for each in result.outputs]
    except EncodingError as error:
        return _refuse(result, error), {}
    large = {name: content for each in packed for name, content in each.large.items()}
    return Result(result.context, result.number, [each.values for each in packed]), large


def _refuse(result: Result, error: Exception) -> Result:
    log.debug("refuse a result: %s", error)  # the path in it may be what somebody wrote
    return Result(result.context, result.number, [], raised(error, trace=False))
