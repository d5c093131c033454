"""W3: one message at a time, beside a raw JetStream hop there and back."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any

from tests.benchmarks import flows
from tests.benchmarks.figures import Ask, Figure, Scale, Tell, percentile
from tests.benchmarks.site import Site
from tests.benchmarks.w1 import on_node, raw_worker, run

COUNT, CHUNK = 2_000, 50


async def lone(octx: Any, number: int) -> float:
    """Run one context; return how many ms that took."""
    inputs = {f"lone {number}": flows.message(number)}
    began = time.perf_counter()
    async for _, result in octx.run(inputs):
        assert result == flows.EXPECTED
    return (time.perf_counter() - began) * 1000


async def measure(scale: Scale, tell: Tell) -> list[Figure]:
    tell("starting")
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(Site.open())
        octx, ends = await on_node(stack, site), await raw_worker(stack, site)
        await run(octx, 200)
        await ends.rate(200)
        ours: list[float] = []
        hop: list[float] = []
        count = scale.count(COUNT, 2 * CHUNK)
        while len(ours) < count:
            tell(f"{len(ours)} of {count}")
            ours += [await lone(octx, number) for number in range(CHUNK)]
            hop += [await ends.lone() for _ in range(CHUNK)]
    return latencies(
        "w3",
        "a lone message",
        ours,
        "a raw JetStream hop there and back",
        hop,
        p50=(Ask("value", most=1.0), Ask("ratio", most=1.6)),
        p99=(Ask("value", most=5.0),),
    )


def latencies(
    section: str,
    what: str,
    ours: list[float],
    against: str,
    theirs: list[float],
    *,
    p50: tuple[Ask, ...],
    p99: tuple[Ask, ...],
) -> list[Figure]:
    """Return the lines that compare two lists of durations in ms."""
    return [
        Figure(
            section,
            f"{what}, {name}",
            percentile(ours, place),
            "ms",
            against,
            percentile(theirs, place),
            asks,
        )
        for name, place, asks in (("p50", 0.5, p50), ("p99", 0.99, p99))
    ]
