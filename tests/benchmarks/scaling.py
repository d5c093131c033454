"""What another node gives: classify takes 20 ms, and nodes are added from one to sixteen."""

from __future__ import annotations

from contextlib import AsyncExitStack

from chatbot_test_benchmarks import bench_slow

from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.benchmarks import flows
from tests.benchmarks.figures import Figure, Scale, Tell
from tests.benchmarks.site import Site
from tests.benchmarks.w1 import run

FLOW = "scaling"
NODES = (1, 2, 4, 8, 16)
EACH = 50.0
"""Calls a second that a node of 20 ms can do, and no more."""

SECONDS = 5.0
"""Of each number of nodes, were they to lose no time."""


async def measure(scale: Scale, tell: Tell) -> list[Figure]:
    found: list[Figure] = []
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        site = await enter(Site.open())
        orchestrator = await enter(NatsOrchestrator.over(site.broker, FLOW))
        octx = await enter(orchestrator(flows.dataflow(bench_slow)))
        running = 0
        for count in NODES:
            tell(f"{count} nodes")
            await enter(flows.nodes(site.folder, site.url, "bench_slow", count=count - running))
            running = count
            await flows.offered(site.roster, "bench_slow", FLOW, count)
            await run(octx, 4 * count)
            most = EACH * count
            sample = await run(octx, scale.count(int(most * SECONDS), 4 * count))
            what = f"{count} nodes of 20 ms" if count > 1 else "1 node of 20 ms"
            limit = f"{most:.0f}/s, their limit"
            figure = Figure(
                "scaling", what, sample.rate, "/s", against=limit, other=most, cpu=sample.cpu_us
            )
            found.append(figure)
    return found
