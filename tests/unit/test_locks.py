"""The lock network: one order for all, and nothing held that nobody waits for."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from dffml import Definition, Input
from dffml.df.base import StringInputSetContext
from dffml.df.memory import MemoryParameterSet, MemoryParameterSetConfig
from dffml.df.types import Parameter

from chatbot.orchestrator.locks import LocalLocks, NatsPrimaryLockNetwork

LOCKED = Definition(name="locked", primitive="string", lock=True)
FREE = Definition(name="free", primitive="string")


def values(count: int, definition: Definition = LOCKED) -> list[Input]:
    """Return values whose uids are in their order."""
    return [
        Input(value=str(number), definition=definition, uid=f"{definition.name} {number}")
        for number in range(count)
    ]


async def hold(lctx: Any, items: list[Input], held: list[str], leave: asyncio.Event) -> None:
    async with lctx.hold(items):
        held.append("".join(item.value for item in items))
        await leave.wait()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_every_order_of_three_values_is_taken_without_blocking() -> None:
    items = values(3)
    held: list[str] = []
    leave = asyncio.Event()
    leave.set()
    async with NatsPrimaryLockNetwork.withconfig({}) as network, network() as lctx:
        async with asyncio.timeout(5):
            await asyncio.gather(
                *(
                    hold(lctx, list(order), held, leave)
                    for size in (2, 3)
                    for order in itertools.permutations(items, size)
                )
            )
    assert len(held) == 12


async def test_whoever_shares_a_value_waits_and_nobody_else() -> None:
    one, two, three = values(3)
    free = values(1, FREE)
    held: list[str] = []
    first, second = asyncio.Event(), asyncio.Event()
    async with NatsPrimaryLockNetwork.withconfig({}) as network, network() as lctx:
        tasks = [
            asyncio.ensure_future(hold(lctx, [one, two], held, first)),
            asyncio.ensure_future(hold(lctx, [two, three], held, second)),
            asyncio.ensure_future(hold(lctx, [two], held, second)),
            asyncio.ensure_future(hold(lctx, [three, *free], held, second)),
            asyncio.ensure_future(hold(lctx, free, held, second)),
        ]
        await turns()
        assert "01" in held
        assert "0" in held, "what is not to be locked is nobody's"
        assert "1" not in held
        assert "12" not in held
        second.set()
        await turns()
        assert "20" in held
        first.set()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks)
        assert sorted(held) == ["0", "01", "1", "12", "20"]


async def test_a_locked_ancestor_is_locked_with_what_was_made_of_it() -> None:
    (root,) = values(1)
    child = Input(value="c", definition=FREE, parents=[root])
    grandchild = Input(value="g", definition=FREE, parents=[child])
    held: list[str] = []
    leave = asyncio.Event()
    async with NatsPrimaryLockNetwork.withconfig({}) as network, network() as lctx:
        tasks = [
            asyncio.ensure_future(hold(lctx, [each], held, leave)) for each in (grandchild, child)
        ]
        await turns()
        assert held == ["g"]
        leave.set()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks)
    assert held == ["g", "c"]


async def test_whoever_is_cancelled_while_waiting_or_holding_leaves_it_free() -> None:
    items = values(2)
    held: list[str] = []
    leave = asyncio.Event()
    async with NatsPrimaryLockNetwork.withconfig({}) as network, network() as lctx:
        tasks = [asyncio.ensure_future(hold(lctx, items, held, leave)) for _ in range(3)]
        await turns()
        tasks[1].cancel()
        await turns()
        tasks[0].cancel()
        await turns()
        assert held == ["01", "01"]
        leave.set()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
            await hold(lctx, items, held, leave)
    assert len(held) == 3


async def test_a_parameter_set_is_locked_as_dffml_asks_for_it() -> None:
    (root,) = values(1)
    child = Input(value="c", definition=FREE, parents=[root])
    parameters = MemoryParameterSet(
        MemoryParameterSetConfig(
            ctx=StringInputSetContext("x"),
            parameters=[Parameter(key="c", value="c", origin=child, definition=FREE)],
        )
    )
    held: list[str] = []
    leave = asyncio.Event()
    async with NatsPrimaryLockNetwork.withconfig({}) as network, network() as lctx:
        async with lctx.acquire(parameters):
            task = asyncio.ensure_future(hold(lctx, [root], held, leave))
            await turns()
            assert held == []
        leave.set()
        async with asyncio.timeout(5):
            await task
    assert held == ["0"]


async def test_a_lock_of_this_process_is_held_by_one_at_a_time_and_then_forgotten() -> None:
    locks, within, most = LocalLocks(), 0, 0

    async def use(name: str, waits: int) -> None:
        nonlocal within, most
        for _ in range(waits):
            await asyncio.sleep(0)
        async with locks.hold(name):
            within += 1
            most = max(most, within)
            await turns()
            within -= 1

    # Some come while others leave: the lock must stay the same one as long as anybody has it.
    await asyncio.gather(*(use("a", waits) for waits in (0, 1, 15, 25, 45, 50)))
    assert most == 1
    await asyncio.gather(use("a", 0), use("b", 0))
    assert most == 2, "other names are other locks"
    assert locks._locks == {}


async def test_a_seed_is_locked_for_all_who_run_the_flow_here_where_nobody_else_does() -> None:
    async with NatsPrimaryLockNetwork.withconfig({}) as network:
        order: list[str] = []

        async def use(name: str) -> None:
            async with network.hold_seed("seed"):
                order.append(f"{name} has it")
                await turns()
                order.append(f"{name} had it")

        await asyncio.gather(use("one"), use("two"))
        assert order == ["one has it", "one had it", "two has it", "two had it"]
