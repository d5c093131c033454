"""A million contexts through one primary: what stays in its memory.

python -m tests.benchmarks.memory URL     the primary, a process of its own
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from chatbot import service
from chatbot.broker import connect
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.benchmarks import flows
from tests.benchmarks.companion import Companion, serve
from tests.benchmarks.figures import Ask, Figure, Scale, Tell
from tests.benchmarks.site import Site

FLOW = "memory"
COUNT = 1_000_000
MIB = 1024 * 1024


async def measure(scale: Scale, tell: Tell) -> list[Figure]:
    count = scale.count(COUNT, 1000)
    tell(f"{count:,} contexts")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        site = await enter(Site.open())
        await enter(flows.nodes(site.folder, site.url, "bench_classify"))
        primary = await enter(Companion.start("memory", site.url))
        found = await primary.ask(count=count)
    return [
        Figure(
            "memory",
            f"grown from context {count // 10:,} to {count:,}",
            found["grown"],
            "MB",
            asks=(Ask("value", most=32.0),),
        ),
        Figure("memory", f"resident after {count:,} contexts", found["last"], "MB"),
    ]


def resident() -> float:
    """Return this process's resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


async def _inputs(count: int) -> AsyncIterator[dict[str, Any]]:
    for number in range(count):
        yield {str(number): flows.message(number)}


async def _primary() -> int:
    async with (
        connect(sys.argv[1], name="memory") as broker,
        Roster.follow(broker) as roster,
        NatsOrchestrator.over(broker, FLOW) as orchestrator,
        orchestrator(flows.dataflow()) as octx,
    ):
        await flows.offered(roster, "bench_classify", FLOW)

        async def answer(request: dict[str, Any]) -> dict[str, Any]:
            done, first = 0, 0.0
            async for _ in octx.run(_inputs(request["count"])):
                done += 1
                if done == request["count"] // 10:
                    first = resident()
            last = resident()
            return {"grown": last - first, "last": last}

        await serve(answer)
    return 0


if __name__ == "__main__":
    sys.exit(service.run(_primary))
