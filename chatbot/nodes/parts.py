"""What an operation yields on a node, sent part by part while it still runs.

The rule that it guards: each yield has its index, so that after a redelivery, when the operation
yields from the start again, the owner drops what it has taken. (That has the effect of exactly
once where the operation yields the same again.) No more is held than one message may have: an
operation that yields faster than can be sent waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from chatbot.broker import Broker
from chatbot.broker.objects import LargeValues
from chatbot.broker.subjects import done_subject, wanted_subject
from chatbot.encoding import MESSAGE, Place, is_packed, is_plain, limit_for, owner_of, pack, shrink
from chatbot.messages import Call, Part, Raised, Results
from chatbot.nodes.failure import raised

log = logging.getLogger(__name__)

MOST_SETS = 256
MOST_BYTES = MESSAGE // 2

ASK = 2.0
"""Seconds between questions whether the owner still wants what a long operation yields."""

SILENCE = 5
"""How many of them in turn nobody answers when the owner is taken to be gone."""

WANTED, UNWANTED = b"1", b"0"
"""What the owner answers."""

_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Yielded:
    """One output set, encoded, with what is to be stored before it is sent."""

    data: bytes
    packed: bool
    large: dict[str, bytes]


class _UnwantedError(Exception):
    """The owner does not wait for the call any more."""


class PartSender:
    """Sends what one call yields to `primary`. `results` makes the message of its parts."""

    def __init__(
        self,
        broker: Broker,
        primary: str,
        place: Place,
        call: Call,
        results: Callable[[list[Part], bool], Results],
    ) -> None:
        self._broker = broker
        self._large = LargeValues(broker)
        self._primary = primary
        self._owner = owner_of(primary, call.context)
        self._place = place
        self._call = call
        self._results = results
        self._waiting: deque[_Yielded] = deque()
        self._bytes = 0
        self._first = 0
        self._ended = False
        self._error: Raised | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    async def send(self, yields: AsyncIterator[Any]) -> None:
        """Send all that `yields` gives, or raises; return when the last part is stored.

        Returns earlier where nobody wants the rest.
        """
        try:
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(self._ask())
                sending = group.create_task(self._send())
                await self._take(yields)
                await sending
                asking.cancel()
        except* _UnwantedError:
            log.info("stop %s: its context has ended", self._place.operation)

    async def _take(self, yields: AsyncIterator[Any]) -> None:
        try:
            async for outputs in yields:
                await self._add(self._encode(outputs))
        except Exception as error:  # noqa: BLE001 - it is the result of this call
            self._error = raised(error)
        self._ended = True
        self._changed.set()

    def _encode(self, outputs: Any) -> _Yielded:
        """Encode at once: the operation may change and yield the same object again."""
        if type(outputs) is dict and is_plain(outputs):
            data = _encode(outputs)
            if len(data) <= MESSAGE:
                return _Yielded(data, packed=False, large={})
        packed = pack(outputs, self._owner, self._place)
        data = _encode(packed.values)
        large = packed.large
        if len(data) > MESSAGE:
            packed = shrink(packed.values, self._owner, limit_for([packed.values]))
            data, large = _encode(packed.values), large | packed.large
        return _Yielded(data, is_packed(packed.values), large)

    async def _add(self, yielded: _Yielded) -> None:
        self._waiting.append(yielded)
        self._bytes += len(yielded.data)
        self._changed.set()
        await asyncio.sleep(0)  # an operation that never waits would keep the loop to itself
        while len(self._waiting) >= MOST_SETS or self._bytes >= MOST_BYTES:
            self._room.clear()
            await self._room.wait()

    async def _send(self) -> None:
        """Send what has gathered while the part before was on its way."""
        last = False
        while not last:
            await self._changed.wait()
            self._changed.clear()
            gathered = self._gather()
            last = self._ended and not self._waiting
            for each in gathered:
                if each.large:
                    await self._large.put(each.large)
            encoded: list[Any] = [msgspec.Raw(each.data) for each in gathered]
            part = Part(
                self._call.context,
                self._call.number,
                self._first,
                encoded,
                last,
                self._error if last else None,
            )
            results = self._results([part], any(each.packed for each in gathered))
            await self._broker.publish(done_subject(self._primary), results.encode())
            self._first += len(gathered)
            if self._waiting or self._ended:
                self._changed.set()

    def _gather(self) -> list[_Yielded]:
        gathered: list[_Yielded] = []
        size = 0
        while self._waiting and (not gathered or size + len(self._waiting[0].data) <= MOST_BYTES):
            each = self._waiting.popleft()
            size += len(each.data)
            gathered.append(each)
        self._bytes -= size
        self._room.set()
        return gathered

    async def _ask(self) -> None:
        """Ask the owner now and then whether it still waits for the call."""
        silent = 0
        question = _encode((self._call.context, self._call.number))
        while True:
            await asyncio.sleep(ASK)
            try:
                answer = await self._broker.nc.request(
                    wanted_subject(self._primary), question, timeout=ASK
                )
            except self._broker.errors:
                silent += 1
            else:
                silent = 0
                if answer.data == UNWANTED:
                    raise _UnwantedError
            if silent == SILENCE:
                raise _UnwantedError
