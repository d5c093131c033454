"""The model: a flow with a classifier on a node, beside the bare model in a loop.

Both have the same texts, the same back end and all cores. Texts are lines of chat, the first half
of one and the second half of another, so that none is like another, and as long as what people
write: what was said before is answered from a cache.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from dffml.df.base import StringInputSetContext

from chatbot import settings
from chatbot.broker.subjects import Lane
from chatbot.commands import chatlog
from chatbot.flowfile.load import load
from chatbot.inference import models
from chatbot.inference.backends.export import exported
from chatbot.messages import ChatMessage
from chatbot.orchestrator.decision import fields_of, inputs_of
from chatbot.orchestrator.primary import orchestrator
from tests.benchmarks import cpu, flows
from tests.benchmarks.companion import ROOT, Companion
from tests.benchmarks.figures import (
    Ask,
    Figure,
    Sample,
    Scale,
    Tell,
    compared,
    interleaved,
    percentile,
    timed,
)
from tests.benchmarks.raw_ends import Ends
from tests.benchmarks.site import Site
from tests.benchmarks.w4 import NETWORK, RAW, raw_hops
from tests.benchmarks.w4 import Path as Chat
from tests.servers.processes import Program

LOG = ROOT / "flows" / "logs" / "ubuntu-2012-02-03.txt"
BACKENDS = {"onnx": 3.5, "onnx-int8": 8.0}
"""The exact one and the fast one, and how many times faster than PyTorch one by one it is to be."""

COUNT, ONE_BY_ONE, WARM = 2048, 154, 256
"""Texts of a round: so many that beginning and end count for little; one by one, each line once."""

LONE, EVERY = 60, 0.05
ROUND = 4096
"""Texts from one round's first to the next one's."""

TORCH = "PyTorch, one by one"
BARE = "the bare model"
EACH = "the bare model, a batch on each core"
FLOW = """\
version: 1
name: {name}
operations:
  classify:
    run: classify_text
    inputs: {{text: message.text}}
    config: {{examples: {examples}, backend: {backend}}}
  respond: {{run: bench_reply, inputs: {{label: classify.label}}}}
"""


def texts(count: int) -> list[str]:
    """Return lines of chat, made of halves: none is like another."""
    lines = [message.text.split() for message in chatlog.read(LOG, "bot")]
    halves = [(line[: len(line) // 2], line[len(line) // 2 :]) for line in lines]
    pairs = (
        (first, halves[(place + shift) % len(halves)][1])
        for shift in range(len(halves))
        for place, (first, _) in enumerate(halves)
    )
    found = dict.fromkeys(" ".join(first + second) for first, second in pairs)
    made = (f"{text} {lap}" if lap else text for lap in itertools.count() for text in found)
    return list(itertools.islice(made, count))


@dataclass(slots=True)
class Place:
    """Where a back end is measured: the flow with its node, and the bare loop."""

    octx: Any
    chat: Chat
    raw: Companion
    texts: Sequence[str]
    _used: int = field(default=0)

    async def flow(self, first: int, count: int) -> Sample:
        """Run texts through the flow, all at once, as `chatbot replay` does."""
        fields = fields_of(self.octx.config.dataflow)
        own = self.texts[first : first + count]
        inputs = {
            StringInputSetContext(f"{first + number}"): inputs_of(message(text), fields)
            for number, text in enumerate(own)
        }

        async def body() -> None:
            seen = 0
            async for _ in self.octx.run(inputs):
                seen += 1
            assert seen == count

        return await timed(count, body())

    async def loop(self, first: int, count: int) -> Sample:
        return await asked(self.raw, first, count)

    async def each(self, first: int, count: int) -> Sample:
        return await asked(self.raw, first, count, each=True)

    async def heard(self, first: int, count: int) -> Sample:
        return await self.chat.rate(count, texts=self.texts[first : first + count])


def message(text: str) -> ChatMessage:
    from datetime import UTC, datetime

    return ChatMessage(
        id="", network=NETWORK, room="#room", sender="anna", text=text, time=datetime.now(UTC)
    )


async def asked(companion: Companion, first: int, count: int, **how: bool) -> Sample:
    before = cpu.seconds()
    seconds = (await companion.ask(first=first, count=count, **how))["seconds"]
    return Sample(count, seconds, cpu.seconds() - before)


async def measure(scale: Scale, tell: Tell) -> list[Figure]:
    figures: list[Figure] = []
    for backend in BACKENDS:
        figures += await _measure(backend, scale, lambda what, b=backend: tell(f"{b}: {what}"))
    return figures


async def _measure(backend: str, scale: Scale, tell: Tell) -> list[Figure]:
    tell("starting")
    least = BACKENDS[backend]
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        site = await enter(Site.open())
        place, torch = await _place(stack, site, backend, scale)
        count, few = scale.count(COUNT, 64), scale.count(ONE_BY_ONE, 16)
        await place.flow(scale.rounds * ROUND, scale.count(WARM, 32))
        firsts: dict[str, itertools.count[int]] = {}

        def at(name: str, run: Any, count: int) -> Any:
            numbers = firsts.setdefault(name, itertools.count(0, ROUND))
            return lambda: run(next(numbers), count)

        ours, heard = f"{backend}, the flow", f"{backend}, listener to actuator"
        found = await interleaved(
            scale.rounds,
            {
                BARE: at(BARE, place.loop, count),
                EACH: at(EACH, place.each, count),
                ours: at(ours, place.flow, count),
                TORCH: at(TORCH, lambda first, n: asked(torch, first, n), few),
                heard: at(heard, lambda first, n: place.heard(first + count, n), count),
            },
            tell,
        )
        tell("a lone message")
        ends = await raw_hops(stack, site)
        lone, alone, hops = await _lone(place, ends, scale.count(LONE, 10))
    return [
        compared("model", ours, found[ours], BARE, found[BARE], Ask("ratio", least=0.95)),
        compared("model", ours, found[ours], EACH, found[EACH]),
        compared("model", ours, found[ours], TORCH, found[TORCH], Ask("ratio", least=least)),
        compared("model", heard, found[heard], BARE, found[BARE]),
        compared("model", heard, found[heard], TORCH, found[TORCH]),
        Figure(
            "model",
            f"{backend}, a lone message: beyond the model",
            percentile(lone, 0.5) - percentile(alone, 0.5),
            "ms",
            RAW,
            percentile(hops, 0.5),
            asks=(Ask("value", most=3.0),),
        ),
        Figure(
            "model",
            f"{backend}, a lone message, p50",
            percentile(lone, 0.5),
            "ms",
            "the bare model at the same pace",
            percentile(alone, 0.5),
        ),
    ]


async def _lone(place: Place, ends: Ends, count: int) -> tuple[list[float], ...]:
    """Return the ms that each of `count` messages took, apart from each other; the bare model;
    and nats-py alone, with the hops that a message makes.
    """
    lone: list[float] = []
    alone: list[float] = []
    hops: list[float] = []
    first = len(place.texts) - count
    for start in range(first, first + count, 10):
        own = place.texts[start : start + 10]
        lone += await place.chat.lone(len(own), texts=own, every=EVERY)
        found = await place.raw.ask(first=start, count=len(own), every=EVERY)
        alone += [seconds * 1000 for seconds in found["seconds"]]
        for _ in own:
            await asyncio.sleep(EVERY)
            hops.append(await ends.lone())
    return lone, alone, hops


async def _place(
    stack: AsyncExitStack, site: Site, backend: str, scale: Scale
) -> tuple[Place, Companion]:
    enter = stack.enter_async_context
    files = models.described(models.find(models.DEFAULT))
    export = exported(files, int8=backend.endswith("int8"))
    given = texts((scale.rounds + 2) * ROUND)
    path = site.folder / "texts.json"
    path.write_text(json.dumps(given))
    flow = site.folder / "model.yaml"
    examples = ROOT / "flows" / "support-labels.yaml"
    flow.write_text(FLOW.format(name="model", examples=examples, backend=backend))
    program = Program(site.folder)
    await enter(
        program.start(
            "run", str(flow), "--no-listeners", "--no-node", **{settings.NATS_URL: site.url}
        )
    )
    await enter(flows.nodes(site.folder, site.url, "classify_text"))
    await flows.offered(site.roster, "classify_text", "model")
    while not site.roster.primaries:
        site.roster.changed.clear()
        await site.roster.changed.wait()
    running = await enter(orchestrator(site.broker, load(str(flow)), Lane.BULK, site.roster))
    octx = await enter(running(load(str(flow)).dataflow))
    ends = [
        await enter(Companion.start("chat", role, site.url, "model", NETWORK))
        for role in ("listener", "actuator")
    ]
    arguments = (str(files.folder), str(export), str(path))
    raw = await enter(Companion.start("raw_model", "onnx", *arguments))
    torch = await enter(Companion.start("raw_model", "torch", *arguments))
    return Place(octx, Chat(*ends), raw, given), torch
