"""One context that receives many inputs, one after the other; and ancestors on a diamond."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from dffml import DataFlow, Definition, Input, MemoryOrchestrator, op
from dffml.df.base import StringInputSetContext

from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.orchestrator.values import Value
from tests.benchmarks.figures import Ask, Figure, Scale, Tell
from tests.benchmarks.site import Site

COUNT, BEARABLE = 10_000, 300
DEPTH = 30
GATE = Definition(name="bench.gate", primitive="string")
NUMBER = Definition(name="bench.number", primitive="int")
SEEN = Definition(name="bench.seen", primitive="int")


class Feed:
    """A flow whose one context stays open, so that inputs can be added to it."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()
        self.seen: asyncio.Queue[int] = asyncio.Queue()

    def dataflow(self) -> DataFlow:
        @op(name="bench_hold", inputs={"gate": GATE}, outputs={})
        async def bench_hold(gate: str) -> None:
            await self.closing.wait()

        @op(name="bench_see", inputs={"number": NUMBER}, outputs={"seen": SEEN})
        async def bench_see(number: int) -> dict[str, int]:
            self.seen.put_nowait(number)
            return {"seen": number}

        return DataFlow.auto(bench_hold, bench_see)

    async def costs(self, octx: Any, count: int) -> list[float]:
        """Add `count` inputs, each when the one before was seen; return µs an input by tenth."""
        ctx = StringInputSetContext("one")
        running = asyncio.ensure_future(
            _drain(octx.run({ctx: [Input(value="shut", definition=GATE)]}))
        )
        await asyncio.sleep(0.1)  # until it has begun
        tenths = []
        for tenth in range(10):
            began = time.perf_counter()
            for number in range(tenth * count // 10, (tenth + 1) * count // 10):
                await octx.ictx.cadd(ctx, Input(value=number, definition=NUMBER))
                assert await self.seen.get() == number
            tenths.append((time.perf_counter() - began) / (count // 10) * 1e6)
        self.closing.set()
        await running
        return tenths


async def measure(scale: Scale, tell: Tell) -> list[Figure]:
    count = scale.count(COUNT, 500)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        site = await enter(Site.open())
        places = {"bench_hold": "primary", "bench_see": "primary"}
        nats = await enter(NatsOrchestrator.over(site.broker, "inputs", placement=places))
        memory = await enter(MemoryOrchestrator.withconfig({}))
        tell(f"{count} inputs")
        ours = await _costs(nats, count)
        tell(f"{BEARABLE} inputs")
        theirs = await _costs(memory, BEARABLE)
    what = "one more input of a context"
    return [
        Figure(
            "inputs",
            f"{what}: last tenth of {count:,}",
            ours[-1],
            "µs",
            "the first tenth",
            ours[0],
            (Ask("ratio", most=1.25),),
        ),
        Figure(
            "inputs",
            f"{what}: last tenth of {count:,}",
            ours[-1],
            "µs",
            f"MemoryOrchestrator, last tenth of {BEARABLE}",
            theirs[-1],
        ),
        Figure(
            "inputs",
            f"MemoryOrchestrator: last tenth of {BEARABLE}",
            theirs[-1],
            "µs",
            "its first tenth",
            theirs[0],
        ),
        Figure(
            "inputs",
            f"get_parents on a diamond of depth {DEPTH}",
            _diamond(),
            "ms",
            asks=(Ask("value", most=1.0),),
        ),
    ]


async def _costs(orchestrator: Any, count: int) -> list[float]:
    feed = Feed()
    async with orchestrator(feed.dataflow()) as octx:
        return await feed.costs(octx, count)


async def _drain(results: Any) -> None:
    async for _ in results:
        pass


def _diamond() -> float:
    item = Value(0, NUMBER)
    for _ in range(DEPTH):
        item = Value(
            0,
            NUMBER,
            parents=(Value(0, NUMBER, parents=(item,)), Value(0, NUMBER, parents=(item,))),
        )
    began = time.perf_counter()
    assert len(item.get_parents()) == 3 * DEPTH
    return (time.perf_counter() - began) * 1000
