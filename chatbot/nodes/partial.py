"""Partial results, to be seen while a context still runs.

    async with partial_results(broker, flow, context) as parts:
        async for operation, outputs in parts:
            ...

shows what operations that yield have given so far, wherever they run. It is a preview, over plain
NATS: each at most once, and only from the moment on when the block was entered; what counts is
the context's result. The owner of the context publishes it, so that it is in order, and a part
that a second node sends again is not there twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from chatbot.broker import Broker
from chatbot.broker.subjects import partial_subject
from chatbot.encoding import Place, is_packed, pack, unpack
from chatbot.errors import EncodingError
from chatbot.messages import Partial

log = logging.getLogger(__name__)

HELD = 1024
"""Previews that wait for a slow reader; further ones push the oldest out."""

Previews = AsyncIterator[tuple[str, dict[str, Any]]]


@asynccontextmanager
async def partial_results(broker: Broker, flow: str, context: str) -> AsyncIterator[Previews]:
    """Listen, for the block's duration, to what the context of that name gives bit by bit.

    Yields an iterator of (operation instance, one set of outputs), which ends when the context
    does. Values over 256 KiB, and those that cannot cross, are left out; a record is a dict of
    its fields.
    """
    waiting: asyncio.Queue[Partial] = asyncio.Queue()

    def receive(data: bytes) -> None:
        try:
            partial = Partial.decode(data)
        except msgspec.MsgspecError:
            log.debug("pass over a partial result that is not understood")
            return
        if waiting.qsize() >= HELD:
            waiting.get_nowait()
        waiting.put_nowait(partial)

    async with broker.listen(partial_subject(flow, context), receive):
        yield _read(waiting)


async def show(broker: Broker, flow: str, context: str, partial: Partial) -> None:
    """Publish a preview; one that cannot be sent is passed over."""
    with contextlib.suppress(*broker.errors):
        await broker.nc.publish(partial_subject(flow, context), partial.encode())


def preview(operation: str, outputs: dict[str, Any]) -> Partial:
    """Return one output set as a preview, without what is large or cannot cross."""
    shown: dict[str, Any] = {}
    for name, value in outputs.items():
        try:
            packed = pack({name: value}, "", Place("output", operation))
        except EncodingError:
            continue
        if not packed.large:
            shown |= packed.values
    return Partial(operation, shown)


async def _read(waiting: asyncio.Queue[Partial]) -> Previews:
    while not (partial := await waiting.get()).ended:
        outputs = partial.outputs
        if is_packed(outputs):
            try:
                outputs = unpack(outputs, None, Place("output", partial.operation))
            except EncodingError as error:
                log.debug("pass over a partial result: %s", error)
                continue
        yield partial.operation, outputs
