"""`make bench`: the orchestrator beside DFFML's own, on the same flow, in the same run.

W1: three trivial operations (format, classify, respond) over messages of 80 characters; with
NatsOrchestrator `classify` runs in another process, and each step is on file-backed JetStream.
W3: the same, one message at a time, beside a raw JetStream hop there and back.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "plugin"))

from chatbot_test_operations import ANSWER, TEXT, bench_classify, bench_format, bench_respond
from dffml import DataFlow, GetSingle, Input, MemoryOrchestrator
from rich.console import Console
from rich.table import Table

from chatbot import service, settings
from chatbot.broker import Broker, EmbeddedServer, Pull, Taken, connect, streams, subjects
from chatbot.broker.subjects import Lane
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.servers.processes import environment

ROUNDS = 3
MEMORY_MESSAGES = 2_000
NATS_MESSAGES = 30_000
LONE_MESSAGES = 1_000


def flow() -> DataFlow:
    made = DataFlow.auto(bench_format, bench_classify, bench_respond, GetSingle)
    made.seed.append(Input(value=[ANSWER.name], definition=GetSingle.op.inputs["spec"]))
    return made


def messages(count: int) -> dict[str, list[Input]]:
    return {
        str(n): [Input(value=f"{n:08} how do I do this? {'x' * 80}"[:80], definition=TEXT)]
        for n in range(count)
    }


async def rate(octx: Any, count: int) -> float:
    """Return messages a second through `octx.run`."""
    inputs = messages(count)
    started = time.perf_counter()
    done = 0
    async for _, result in octx.run(inputs):
        assert result == {ANSWER.name: "that is a question"}
        done += 1
    assert done == count
    return count / (time.perf_counter() - started)


async def latencies(step: Callable[[int], Awaitable[None]], count: int) -> list[float]:
    """Return how long each of `count` steps took, one after the other, in milliseconds."""
    found = []
    for number in range(count):
        started = time.perf_counter()
        await step(number)
        found.append((time.perf_counter() - started) * 1000)
    return sorted(found[count // 10 :])  # the first ones warm up


async def lone(octx: Any) -> list[float]:
    async def step(number: int) -> None:
        inputs = {f"lone {number}": [Input(value="is it?", definition=TEXT)]}
        async for _ in octx.run(inputs):
            pass

    return await latencies(step, LONE_MESSAGES)


async def raw_hop(broker: Broker) -> list[float]:
    """A message to WORK and one back to DONE, each acknowledged after it was stored."""
    back: asyncio.Queue[Taken] = asyncio.Queue()
    there = subjects.work_subject("raw", Lane.PEOPLE, "raw")
    here = subjects.done_subject("raw")

    async def answer(taken: Taken) -> None:
        await broker.publish(here, taken.data)
        await taken.ack()

    pending: set[asyncio.Task[None]] = set()

    def serve(taken: Taken) -> None:
        task = asyncio.ensure_future(answer(taken))
        pending.add(task)
        task.add_done_callback(pending.discard)

    async def step(_: int) -> None:
        await broker.publish(there, b"x" * 80)
        await (await back.get()).ack()

    done = Pull.open(broker, subjects.DONE, streams.done_consumer("raw"), back.put_nowait, limit=64)
    work = Pull.open(
        broker, subjects.WORK, streams.work_consumer("raw", Lane.PEOPLE, "raw"), serve, limit=64
    )
    async with done, work:
        return await latencies(step, LONE_MESSAGES)


async def measure() -> dict[str, Any]:
    found: dict[str, Any] = {"memory": [], "nats": []}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with (
            EmbeddedServer.start(Path(folder)) as server,
            connect(server.url, name="bench") as broker,
            service.child(
                ["node", "run", "--quiet", "bench_classify"],
                environment(Path(folder), **{settings.NATS_URL: server.url}),
            ),
            Roster.follow(broker) as roster,
            NatsOrchestrator.over(broker, "bench") as nats,
            nats(flow()) as nats_octx,
            MemoryOrchestrator.withconfig({}) as memory,
        ):
            while not all(roster.offers(record.key) for record in nats.records):
                roster.changed.clear()
                await roster.changed.wait()
            await rate(nats_octx, 1000)
            for _ in range(ROUNDS):
                async with memory(flow()) as memory_octx:  # a fresh one: it never frees anything
                    found["memory"].append(await rate(memory_octx, MEMORY_MESSAGES))
                found["nats"].append(await rate(nats_octx, NATS_MESSAGES))
            found["lone"] = await lone(nats_octx)
            found["hop"] = await raw_hop(broker)
    return found


async def main() -> int:
    show(await measure())
    return 0


def show(found: dict[str, Any]) -> None:
    memory, nats = statistics.median(found["memory"]), statistics.median(found["nats"])
    lone, hop = found["lone"], found["hop"]
    table = Table(
        title=f"median of {ROUNDS}; {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    for column in ("what", "measured", "compared with", "that", "ratio"):
        table.add_column(column, justify="left" if column in {"what", "compared with"} else "right")
    table.add_row(
        "W1, one operation on a node, durable",
        f"{nats:,.0f}/s",
        "MemoryOrchestrator, one process",
        f"{memory:,.0f}/s",
        f"{nats / memory:.1f} x",
    )
    for name, place in (("p50", 0.5), ("p99", 0.99)):
        ours, theirs = lone[int(len(lone) * place)], hop[int(len(hop) * place)]
        table.add_row(
            f"W3, a lone message, {name}",
            f"{ours:.2f} ms",
            "a raw JetStream hop and back",
            f"{theirs:.2f} ms",
            f"{ours / theirs:.2f} x",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    service.run(main)
