"""W4: the path that users have: IN, a context, WORK, DONE, OUT; each end a process of its own."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from dffml import MemoryOrchestrator
from nats.aio.client import Client

from chatbot import settings
from tests.benchmarks import cpu, flows, raw
from tests.benchmarks.companion import Companion
from tests.benchmarks.figures import (
    Ask,
    Figure,
    Sample,
    Scale,
    Tell,
    compared,
    interleaved,
)
from tests.benchmarks.raw_ends import Ends
from tests.benchmarks.site import Site
from tests.benchmarks.w1 import MEMORY, memory, raw_path
from tests.benchmarks.w3 import latencies
from tests.servers.processes import Program

FLOW, NETWORK = "chat", "net"
OURS = "listener to actuator, through a bot"
RAW = "raw nats-py, the same streams"
COUNT, WARM = 20_000, 2_000
LONE, CHUNK = 1_000, 50
EVERY = 0.008
"""Seconds between two lone messages: one has its outcome before the next is heard."""


@dataclass(frozen=True, slots=True)
class Path:
    """A listener and an actuator, with a bot between them."""

    listener: Companion
    actuator: Companion
    _names: itertools.count[int] = field(default_factory=itertools.count)

    async def rate(self, count: int, **said: Any) -> Sample:
        """Have `count` messages heard, as fast as they can be; until the last was performed."""
        name, before = f"m{next(self._names)}", cpu.seconds()
        ended = asyncio.ensure_future(self.actuator.ask(name=name, count=count))
        heard = await self.listener.ask(name=name, count=count, **said)
        seconds = (await ended)["ended"] - heard["began"]
        return Sample(count, seconds, cpu.seconds() - before)

    async def lone(self, count: int, every: float = EVERY, **said: Any) -> list[float]:
        """Have `count` heard, apart from each other; return the ms that each took."""
        name = f"lone{next(self._names)}"
        ended = asyncio.ensure_future(self.actuator.ask(name=name, count=count, each=True))
        heard = await self.listener.ask(name=name, count=count, every=every, **said)
        began = heard["began"]
        both = zip(began, (await ended)["ended"], strict=True)
        return [(end - begin) * 1000 for begin, end in both]


async def measure(scale: Scale, tell: Tell) -> list[Figure]:
    tell("starting")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        site = await enter(Site.open())
        path, ends = await _bot(stack, site), await raw_hops(stack, site)
        await path.rate(scale.count(WARM, 100))
        found = await interleaved(
            scale.rounds,
            {
                MEMORY: memory(await enter(MemoryOrchestrator.withconfig({})), scale),
                OURS: lambda: path.rate(scale.count(COUNT, 200)),
                RAW: raw_path(ends, scale, COUNT),
            },
            tell,
        )
        lone: list[float] = []
        floor: list[float] = []
        count = scale.count(LONE, 2 * CHUNK)
        while len(lone) < count:
            tell(f"a lone message, {len(lone)} of {count}")
            lone += await path.lone(CHUNK)
            floor += [await ends.lone() for _ in range(CHUNK)]
    return [
        compared("w4", OURS, found[OURS], MEMORY, found[MEMORY], Ask("ratio", least=5.0)),
        compared("w4", OURS, found[OURS], RAW, found[RAW]),
        *latencies(
            "w4",
            "a lone message",
            lone,
            RAW,
            floor,
            p50=(Ask("value", most=2.5),),
            p99=(Ask("value", most=8.0),),
        ),
    ]


async def _bot(stack: AsyncExitStack, site: Site) -> Path:
    """Start a primary as people do, a node, a listener and an actuator."""
    enter = stack.enter_async_context
    flow = site.folder / "chat.yaml"
    flow.write_text(flows.CHAT)
    program = Program(site.folder)
    arguments = ("run", str(flow), "--no-listeners", "--no-node")
    await enter(program.start(*arguments, **{settings.NATS_URL: site.url}))
    await enter(flows.nodes(site.folder, site.url, "bench_classify"))
    await flows.offered(site.roster, "bench_classify", FLOW)
    while not site.roster.primaries:
        site.roster.changed.clear()
        await site.roster.changed.wait()
    ends = [
        await enter(Companion.start("chat", role, site.url, FLOW, NETWORK))
        for role in ("listener", "actuator")
    ]
    return Path(*ends)


async def raw_hops(stack: AsyncExitStack, site: Site) -> Ends:
    """Start the same path with bare nats-py: four streams, and next to nothing at their ends."""
    enter = stack.enter_async_context
    client: Client = await enter(raw.connected(site.url))
    await raw.create_streams(client)
    for role in ("primary", "worker"):
        await enter(Companion.start("raw", role, site.url))
    return await enter(Ends.open(client, raw.IN, raw.OUT))
