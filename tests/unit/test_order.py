"""Who waits for whom in a primary, without a server to ask: none is asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from chatbot.messages import ChatMessage
from chatbot.orchestrator.order import Order

NOBODY: Any = None


def after(former: str) -> ChatMessage:
    return ChatMessage("2", "net", "#room", "anna", "hi", datetime.now(UTC), after=former)


async def test_what_runs_here_is_waited_for_without_a_question() -> None:
    here = {"1"}
    order = Order(NOBODY, "test", here)
    turns = [asyncio.ensure_future(order.turn(after("1"), 10.0)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not await order.is_due(after("1"))
    order.ended("another", decided=True)
    await asyncio.sleep(0)
    assert not any(turn.done() for turn in turns)
    order.ended("1", decided=True)
    async with asyncio.timeout(1.0):
        await asyncio.gather(*turns)


async def test_who_is_cancelled_while_it_waits_leaves_the_others_waiting() -> None:
    order = Order(NOBODY, "test", {"1"})
    turns = [asyncio.ensure_future(order.turn(after("1"), 10.0)) for _ in range(2)]
    await asyncio.sleep(0)
    turns[0].cancel()
    await asyncio.sleep(0)
    order.ended("1", decided=True)
    async with asyncio.timeout(1.0):
        await turns[1]
    assert turns[0].cancelled()
