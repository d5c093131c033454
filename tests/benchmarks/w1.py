"""W1: three trivial operations over messages of 80 characters, classify on a node, all durable."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from dffml import MemoryOrchestrator

from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.benchmarks import flows, raw
from tests.benchmarks.companion import Companion
from tests.benchmarks.figures import (
    Ask,
    Contender,
    Figure,
    Sample,
    Scale,
    Tell,
    compared,
    interleaved,
    timed,
)
from tests.benchmarks.raw_ends import Ends
from tests.benchmarks.site import FsyncingServer, Site

FLOW = "w1"
OURS = "octx.run, classify on a node"
STRICT = "octx.run, fsync on every write"
WHOLE = "octx.run, all on the primary"
MEMORY = "MemoryOrchestrator"
RAW = "raw nats-py, one by one"
RAW_TOGETHER = "raw nats-py, 16 in a message"

MEMORY_COUNT, COUNT, WARM = 2_000, 30_000, 2_000


async def run(octx: Any, count: int) -> Sample:
    """Run `count` contexts through `octx.run`."""
    inputs = {str(number): flows.message(number) for number in range(count)}

    async def body() -> None:
        done = 0
        async for _, result in octx.run(inputs):
            assert result == flows.EXPECTED
            done += 1
        assert done == count

    return await timed(count, body())


def ours(octx: Any, scale: Scale, count: int = COUNT) -> Contender:
    return lambda: run(octx, scale.count(count, 200))


def memory(orchestrator: Any, scale: Scale) -> Contender:
    """A new context each round: DFFML's never frees anything, and slows down."""

    async def contender() -> Sample:
        async with orchestrator(flows.dataflow()) as octx:
            return await run(octx, scale.count(MEMORY_COUNT, 100))

    return contender


def raw_path(ends: Ends, scale: Scale, count: int = COUNT, together: int = 1) -> Contender:
    full = scale.count(count, 320) // together * together
    return lambda: timed(full, ends.rate(full, together))


async def on_node(stack: AsyncExitStack, site: Site) -> Any:
    """Return the flow's octx with a node process that runs its classify."""
    enter = stack.enter_async_context
    orchestrator = await enter(NatsOrchestrator.over(site.broker, FLOW))
    octx = await enter(orchestrator(flows.dataflow()))
    await enter(flows.nodes(site.folder, site.url, "bench_classify"))
    await flows.offered(site.roster, "bench_classify", FLOW)
    return octx


async def on_primary(stack: AsyncExitStack, site: Site) -> Any:
    orchestrator = await stack.enter_async_context(
        NatsOrchestrator.over(site.broker, f"{FLOW}-whole", placement={"bench_classify": "primary"})
    )
    return await stack.enter_async_context(orchestrator(flows.dataflow()))


async def raw_worker(stack: AsyncExitStack, site: Site) -> Ends:
    enter = stack.enter_async_context
    client = await enter(raw.connected(site.url))
    await raw.create_streams(client)
    await enter(Companion.start("raw", "worker", site.url))
    return await enter(Ends.open(client, raw.WORK, raw.DONE))


async def measure(scale: Scale, tell: Tell) -> list[Figure]:
    tell("starting")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        site, strict = await enter(Site.open()), await enter(Site.open(FsyncingServer))
        near, far = await on_primary(stack, site), await on_node(stack, site)
        synced, ends = await on_node(stack, strict), await raw_worker(stack, site)
        for octx in (near, far, synced):
            await run(octx, scale.count(WARM, 100))
        found = await interleaved(
            scale.rounds,
            {
                MEMORY: memory(await enter(MemoryOrchestrator.withconfig({})), scale),
                OURS: ours(far, scale),
                STRICT: ours(synced, scale),
                WHOLE: ours(near, scale),
                RAW: raw_path(ends, scale),
                RAW_TOGETHER: raw_path(ends, scale, 4 * COUNT, 16),
            },
            tell,
        )
    base = found[MEMORY]
    return [
        compared("w1", OURS, found[OURS], MEMORY, base, Ask("ratio", least=15.0)),
        compared("w1", STRICT, found[STRICT], MEMORY, base, Ask("ratio", least=10.0)),
        compared("w1", WHOLE, found[WHOLE], MEMORY, base, Ask("ratio", least=25.0)),
        compared("w1", OURS, found[OURS], RAW, found[RAW]),
        compared("w1", OURS, found[OURS], RAW_TOGETHER, found[RAW_TOGETHER]),
    ]
