"""Messages that have to wait for another: a person's, where the flow wants them in order.

The rule that it guards: a message is never lost to the order. What is waited for in vain (it is
stuck, or was never stored) is waited for as long as a context may take, and no longer.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Container

from chatbot.broker import Broker
from chatbot.broker.decided import is_decided
from chatbot.messages import ChatMessage

log = logging.getLogger(__name__)

FIRST, LONGEST = 0.02, 0.5
"""Seconds between questions to the server whether another primary's is done; they double."""


class Order:
    """Which messages wait for which; `here` are the ids of those that this primary holds."""

    def __init__(self, broker: Broker, flow: str, here: Container[str]) -> None:
        self._broker = broker
        self._flow = flow
        self._here = here
        self._ends: dict[str, asyncio.Future[bool]] = {}
        self.waiting = 0
        """Messages that wait now, as who has them wait counts them."""

    def ended(self, message_id: str, *, decided: bool) -> None:
        """Note that a message has ended here; if it was `decided`, its outcome is in OUT."""
        end = self._ends.pop(message_id, None)
        if end is not None and not end.done():
            end.set_result(decided)

    async def is_due(self, message: ChatMessage) -> bool:
        """Whether what `message` comes after has its outcome now."""
        if message.after in self._here:
            return False
        return await is_decided(self._broker, self._flow, message.network, message.after)

    async def turn(self, message: ChatMessage, most: float) -> None:
        """Return when what `message` comes after has its outcome, or `most` seconds have gone."""
        try:
            async with asyncio.timeout(most):
                await self._decided(message.network, message.after)
        except TimeoutError:
            log.warning("start a message out of its order: the one before took %.0f s", most)

    async def _decided(self, network: str, former: str) -> None:
        pause = FIRST
        while True:
            if former in self._here:
                if await self._end(former):
                    return
                pause = FIRST  # it was handed back, and is another's soon
            elif await is_decided(self._broker, self._flow, network, former):
                return
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
            pause = min(LONGEST, 2 * pause)

    async def _end(self, message_id: str) -> bool:
        end = self._ends.get(message_id)
        if end is None:
            end = self._ends[message_id] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(end)
