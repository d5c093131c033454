"""W2: classify takes 20 ms, one at a time on each node: a remote GPU's stand-in."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from chatbot_test_benchmarks import bench_slow

from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.benchmarks import flows, raw
from tests.benchmarks.companion import Companion
from tests.benchmarks.figures import (
    Ask,
    Figure,
    Scale,
    Tell,
    compared,
    interleaved,
)
from tests.benchmarks.raw_ends import Ends
from tests.benchmarks.site import Site
from tests.benchmarks.w1 import ours, raw_path, run

FLOW = "w2"
NODES, ADDED = 16, 4
CEILING = NODES / 0.02
COUNT, GROWING = 8_000, 8_000
BEFORE = 3.0
"""Seconds from the start until nodes are added."""

WINDOW = 0.5
"""Seconds over which a rate is taken."""

OURS = f"{NODES} nodes of 20 ms, of {CEILING:.0f}/s"
PLAIN = "raw nats-py, the plain way"


async def measure(scale: Scale, tell: Tell) -> list[Figure]:
    tell("starting nodes")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        site = await enter(Site.open())
        orchestrator = await enter(NatsOrchestrator.over(site.broker, FLOW))
        octx = await enter(orchestrator(flows.dataflow(bench_slow)))
        await enter(flows.nodes(site.folder, site.url, "bench_slow", count=NODES - ADDED))
        await flows.offered(site.roster, "bench_slow", FLOW, NODES - ADDED)
        await run(octx, 100)
        tell("adding nodes in mid-run")
        growth = await _grow(stack, site, octx)
        ends = await _plain_workers(stack, site)
        found = await interleaved(
            scale.rounds,
            {OURS: ours(octx, scale, COUNT), PLAIN: raw_path(ends, scale, COUNT)},
            tell,
        )
    whole = Ask("value", least=0.95 * CEILING)
    return [compared("w2", OURS, found[OURS], PLAIN, found[PLAIN], whole), *growth]


async def _plain_workers(stack: AsyncExitStack, site: Site) -> Ends:
    enter = stack.enter_async_context
    client = await enter(raw.connected(site.url))
    await raw.create_streams(client)
    for _ in range(NODES):
        await enter(Companion.start("raw", "sleeper", site.url))
    return await enter(Ends.open(client, raw.WORK, raw.DONE))


async def _grow(stack: AsyncExitStack, site: Site, octx: Any) -> list[Figure]:
    """Add nodes while the flow runs; return how long until the rate has risen."""
    done: list[float] = []

    async def go() -> None:
        inputs = {str(number): flows.message(number) for number in range(GROWING)}
        async for _ in octx.run(inputs):
            done.append(time.perf_counter())

    running = asyncio.ensure_future(go())
    await asyncio.sleep(BEFORE)
    added = time.perf_counter()
    await stack.enter_async_context(flows.nodes(site.folder, site.url, "bench_slow", count=ADDED))
    await flows.offered(site.roster, "bench_slow", FLOW, NODES)
    ready = time.perf_counter()
    await running
    risen = _risen(done, added, ready)
    what = f"the rate rises when {NODES - ADDED} nodes become {NODES}"
    return [
        Figure(
            "w2",
            f"{what}: since they are ready",
            risen - ready,
            "s",
            asks=(Ask("value", most=2.0),),
        ),
        Figure("w2", f"{what}: since their processes started", risen - added, "s"),
    ]


def _risen(done: Sequence[float], added: float, ready: float) -> float:
    """Return when the rate was first, after `ready`, three quarters of the way to the new one."""
    before = sum(added - 2.0 <= at < added for at in done) / 2.0
    wanted = before * (1 + 0.75 * ADDED / (NODES - ADDED)) * WINDOW
    for at in itertools.count():
        end = ready + at * 0.05
        if sum(end - WINDOW <= each < end for each in done) >= wanted:
            return end
        if end > done[-1]:
            return float("inf")
    raise AssertionError("unreachable")
