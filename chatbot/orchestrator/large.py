"""What calls carry that is not plain: encoded, stored when it is large, freed with its context.

The rule that it guards: what is stored for a context, by us or by a node, is freed when the
context ends, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chatbot.broker import Broker
from chatbot.broker.objects import LargeValues
from chatbot.encoding import Packed, Place, is_packed, owner_of, pack, stored, unpack
from chatbot.errors import BrokerError, EncodingError
from chatbot.messages import Part, Result
from chatbot.orchestrator.call import Call
from chatbot.orchestrator.context import Context

log = logging.getLogger(__name__)

CLOSING = 5.0
"""Seconds that freeing has when a primary closes; the rest expires."""

Spawn = Callable[[Coroutine[Any, Any, None]], None]


@dataclass(slots=True)
class _Held:
    """What one context has in the store, or may have, and what is surely there."""

    names: set[str] = field(default_factory=set)
    there: set[str] = field(default_factory=set)
    storing: asyncio.Lock = field(default_factory=asyncio.Lock)


class HeldValues:
    """The large values of the contexts that a primary runs. `spawn` runs what waits for NATS."""

    def __init__(self, broker: Broker, primary: str, spawn: Spawn) -> None:
        self._large = LargeValues(broker)
        self._primary = primary
        self._spawn = spawn
        self._held: dict[int, _Held] = {}

    def pack(self, call: Call, inputs: dict[str, Any]) -> Packed:
        """Return a call's inputs as they can be encoded; `EncodingError` where they cannot."""
        owner = owner_of(self._primary, call.context.number)
        return pack(inputs, owner, Place("input", call.step.name))

    async def store(self, context: Context, large: Mapping[str, bytes]) -> None:
        """Store contents for `context`; what it has already is not stored again."""
        held = self._hold(context)
        held.names.update(large)
        async with held.storing:
            await self._large.put(
                {name: content for name, content in large.items() if name not in held.there}
            )
            held.there.update(large)
        if context.over:  # it ended meanwhile, and was freed of what it had
            await self._large.free(large)

    def references(self, outputs: Iterable[Mapping[str, Any]]) -> list[str]:
        """Return the names of what is stored of `outputs`, in so far as it is ours."""
        names = [name for each in outputs for name in stored(each)]
        return [name for name in names if name.startswith(f"{self._primary}.")]

    async def fetch(self, context: Context, names: Iterable[str]) -> dict[str, bytes]:
        """Return contents that a node stored; they are the context's from now on."""
        held = self._hold(context)
        held.names.update(names)
        try:
            found = {name: await self._large.get(name) for name in names}
            held.there.update(found)
            return found
        finally:
            if context.over:
                await self._large.free(names)

    def drop(self, result: Result | Part) -> None:
        """Free what nobody waits for, unless its context still has it."""
        if not any(map(is_packed, result.outputs)):
            return
        held = self._held.get(result.context, _Held())
        try:
            names = [name for name in self.references(result.outputs) if name not in held.names]
        except EncodingError as error:
            log.debug("cannot free what a dropped result names: %s", error)
            return
        if names:
            self._spawn(self._large.free(names))

    async def close(self) -> None:
        """Free all that is left."""
        names = [name for held in self._held.values() for name in held.names]
        if names:
            with contextlib.suppress(TimeoutError, BrokerError):
                async with asyncio.timeout(CLOSING):
                    await self._large.free(names)

    def _hold(self, context: Context) -> _Held:
        held = self._held.get(context.number)
        if held is None:
            held = self._held[context.number] = _Held()
            context.when_over(lambda: self._spawn(self._release(context.number)))
        return held

    async def _release(self, number: int) -> None:
        try:
            await self._large.free(list(self._held[number].names))
        except BrokerError as error:
            log.warning("cannot free the large values of a context: %s", error)
        self._held.pop(number, None)


def unpack_outputs(
    call: Call, outputs: Iterable[dict[str, Any]], contents: Mapping[str, bytes]
) -> list[dict[str, Any]]:
    """Return output sets as the operation gave them; raises `EncodingError`."""
    operation = call.step.operation
    place = Place("output", call.step.name)
    return [unpack(each, operation.outputs, place, contents) for each in outputs]
