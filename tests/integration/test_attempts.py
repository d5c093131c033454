"""Work that was delivered before is tried singly, on record, and given up after three nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from chatbot.broker import Broker
from chatbot.messages import Call, Result, Work
from chatbot.nodes import attempts as module
from chatbot.nodes.attempts import AGAIN, BACK_OFF, Attempts, still_wanted
from chatbot.nodes.parts import UNWANTED, WANTED

WORK = Work("primary", [Call(1, number, {"text": f"text {number}"}) for number in range(3)])
LIMIT = 60.0


class Trier:
    """A node that tries `WORK`; it hangs at those numbers of calls that are in `poison`."""

    def __init__(self, attempts: Attempts, poison: set[int]) -> None:
        self.attempts = attempts
        self.poison = poison
        self.ran: list[int] = []
        self.refused: list[Result] = []
        self.hangs = asyncio.Event()

    async def go(self) -> float | None:
        async with asyncio.timeout(10):
            return await self.attempts.try_singly(WORK, LIMIT, self._run, self._refuse)

    async def _run(self, calls: list[Call], work: Work) -> None:
        (call,) = calls
        self.ran.append(call.number)
        if call.number in self.poison:
            self.hangs.set()
            await asyncio.Event().wait()

    async def _refuse(self, primary: str, results: list[Result]) -> None:
        assert primary == WORK.primary
        self.refused += results


@asynccontextmanager
async def trier(broker: Broker, name: str, poison: set[int]) -> AsyncIterator[Trier]:
    async with Attempts.open(broker, name) as attempts:
        yield Trier(attempts, poison)


async def died(broker: Broker, name: str, stack: AsyncExitStack, poison: set[int]) -> Trier:
    """Have a node try until it hangs, and nobody hear of it any more."""
    async with trier(broker, name, poison) as one:
        going = asyncio.ensure_future(one.go())
        stack.push_async_callback(asyncio.gather, going, return_exceptions=True)
        stack.callback(going.cancel)
        async with asyncio.timeout(5):
            await one.hangs.wait()
    return one


async def test_each_call_is_tried_by_itself_and_nothing_is_left(broker: Broker) -> None:
    async with trier(broker, "a", set()) as one:
        assert await one.go() is None
        assert one.ran == [0, 1, 2]
        assert await one.go() is None
        assert one.ran == [0, 1, 2, 0, 1, 2]
    assert one.refused == []


async def test_after_three_nodes_a_call_is_refused_and_the_others_run(broker: Broker) -> None:
    async with AsyncExitStack() as stack:
        first = await died(broker, "a", stack, {1})
        assert first.ran == [0, 1]
        async with trier(broker, "b", {1}) as second:
            assert await second.go() == BACK_OFF, "it pauses before the next node"
            assert second.ran == []
        second = await died(broker, "c", stack, {1})
        assert second.ran == [1], "what is done is not done again"
        async with trier(broker, "d", {1}) as third:
            assert await third.go() is None
        assert third.ran == [2]
        (result,) = third.refused
        assert result.number == 1
        assert result.error is not None
        assert result.error.kind == "PoisonError"
        assert len(result.error.nodes) == 3


async def test_what_another_node_is_at_is_left_to_it(broker: Broker) -> None:
    async with (
        trier(broker, "a", {0}) as one,
        trier(broker, "b", set()) as other,
        asyncio.TaskGroup() as group,
    ):
        going = group.create_task(one.go())
        await one.hangs.wait()
        assert await other.go() == AGAIN
        assert other.ran == []
        going.cancel()
        await asyncio.wait([going])
        assert await other.go() is None, "it was handed back: nobody died of it"
        assert other.ran == [0, 1, 2]


async def test_a_node_that_does_not_answer_is_waited_for_as_long_as_a_call_may_take(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER", 0.05)
    async with AsyncExitStack() as stack:
        await died(broker, "a", stack, {0})
        # Frozen: it is there, and says nothing.
        await stack.enter_async_context(broker.answer("chatbot.alive.a", lambda _: None))
        async with trier(broker, "b", set()) as other:
            assert await other.go() == AGAIN
            monkeypatch.setattr("tests.integration.test_attempts.LIMIT", 0.001)
            monkeypatch.setattr(module, "GRACE", 0.0)
            assert await other.go() == BACK_OFF
            assert await other.go() is None
        assert other.ran == [0, 1, 2]


async def test_calls_that_nobody_waits_for_are_left_out(broker: Broker) -> None:
    def answer(question: bytes) -> bytes:
        return UNWANTED if question.endswith(b"\x01") else WANTED

    assert await still_wanted(broker, WORK) == WORK, "who does not answer is taken to wait"
    async with broker.answer("chatbot.wanted.primary", answer):
        left = await still_wanted(broker, WORK)
        assert left is not None
        assert [call.number for call in left.calls] == [0, 2]
        async with trier(broker, "a", set()) as one:
            assert await one.go() is None
        assert one.ran == [0, 2]
    async with broker.answer("chatbot.wanted.primary", lambda _: UNWANTED):
        assert await still_wanted(broker, WORK) is None
