"""`make overload`: a burst in front of nodes that are too slow for it.

    make overload                           100,000 messages; three minutes
    make overload ARGS='--count 20000'

What must hold: nothing is lost and nothing is said twice, no process's memory grows with the
burst, whoever speaks to the bot itself is answered as if there were none, and `chatbot status`
shows the lag.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot import service, settings
from tests.benchmarks import flows
from tests.benchmarks.companion import Companion
from tests.benchmarks.figures import percentile
from tests.benchmarks.site import Site
from tests.servers.processes import Program

FLOW, NETWORK = "overload", "net"
TEXT = """\
version: 1
name: overload
operations:
  format: {run: bench_format, inputs: {text: message.text}}
  wait: {run: test_wait, inputs: {text: format.clean}, config: {seconds: 0.002}}
  classify: {run: bench_classify, inputs: {clean: wait.text}, on: primary}
  respond: {run: bench_reply, inputs: {label: classify.label}}
"""
NODES = 2
"""Each does one call of a little over 2 ms after the other: some 800 messages a second."""

COUNT, WARM = 100_000, 1_000
MIB = 1024

GROWN = 48.0
"""MB that a process may grow by: what it may hold at once, whatever comes."""

KEPT = 2.5 / MIB
"""MB that nats-server may grow by, beyond that, for each message: it knows where all lie."""

PROMPT = 0.5
"""Seconds in which 99 of 100 who speak to the bot itself are answered."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one burst; times in seconds, memory in MB by process.

    `before` is what was resident after `WARM` messages, `most` at the worst moment. `lag` and
    `oldest` are the most messages that waited, and for the longest, as `chatbot status` showed.
    """

    count: int
    heard: float
    seconds: float
    done: int
    again: int
    asked: int
    took: list[float]
    lag: int
    oldest: float
    left: int
    before: Mapping[str, float]
    most: Mapping[str, float]

    def __str__(self) -> str:
        p50, p99 = (percentile(self.took, place) * 1000 for place in (0.5, 0.99))
        lines = [
            f"{self.count:,} messages were heard in {self.heard:.1f} s and done in "
            f"{self.seconds:.1f} s ({self.count / self.seconds:.0f}/s)",
            f"{self.count - self.done} lost, {self.again} done twice, {self.left} left in queues",
            f"{self.asked} spoke to the bot meanwhile: p50 {p50:.0f} ms, p99 {p99:.0f} ms",
            f"the lag in `chatbot status`: {self.lag:,} messages and {self.oldest:.0f} s at the "
            "most",
        ]
        for name, size in self.most.items():
            lines.append(f"{name}: {self.before[name]:.0f} MB, {size:.0f} MB at the most")
        return "\n".join(lines)

    @property
    def wrong(self) -> list[str]:
        """What does not hold of all that must."""
        most = {name: self.before[name] + GROWN for name in self.most}
        most["nats-server"] += KEPT * self.count
        large = [name for name, size in self.most.items() if size > most[name]]
        holds = {
            "nothing is lost": self.done == self.count and not self.left,
            "nothing is done twice": not self.again,
            f"99 of 100 are answered within {PROMPT} s": percentile(self.took, 0.99) <= PROMPT,
            f"no process grows by more than it may ({', '.join(large)})": not large,
            "the lag is shown": self.lag > 0,
        }
        return [what for what, held in holds.items() if not held]


async def burst(count: int, tell: Callable[[str], None] = lambda _: None) -> Seen:
    """Have `count` messages heard at once, and see what becomes of them and of all processes."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        site = await enter(Site.open())
        flow = site.folder / "overload.yaml"
        flow.write_text(TEXT)
        program = Program(site.folder)
        arguments = ("run", str(flow), "--no-listeners", "--no-node")
        url = {settings.NATS_URL: site.url}
        primary = await enter(program.start(*arguments, **url))
        await enter(flows.nodes(site.folder, site.url, "test_wait", count=NODES))
        await flows.offered(site.roster, "test_wait", FLOW, NODES)
        crowd = await enter(Companion.start("crowd", site.url, FLOW, NETWORK))
        pids = {"primary": primary.pid, "listener": crowd.pid, "nats-server": site.server.pid}
        pids |= {f"node {n}": node.pid for n, node in enumerate(site.roster.nodes, 1)}
        await crowd.ask(do="burst", name="warm", count=min(count, WARM))
        await _done(crowd, "warm", min(count, WARM))
        before = {name: memory(pid, "VmRSS") for name, pid in pids.items()}
        began = time.monotonic()
        await crowd.ask(do="ask")
        heard = (await crowd.ask(do="burst", name="burst", count=count))["seconds"]
        lag, oldest = await _watch(crowd, program, url, count, tell)
        seconds = time.monotonic() - began
        told = await crowd.ask(do="stop")
        return Seen(
            count=count,
            heard=heard,
            seconds=seconds,
            done=told["outcomes"]["burst"],
            again=told["again"],
            asked=len(told["took"]),
            took=told["took"],
            lag=lag,
            oldest=oldest,
            left=(await _lag(program, url))[0],
            before=before,
            most={name: memory(pid, "VmHWM") for name, pid in pids.items()},
        )


def memory(pid: int, field: str) -> float:
    """Return a process's resident memory in MB: `VmRSS` now, `VmHWM` the most so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) / MIB


async def _watch(
    crowd: Companion,
    program: Program,
    url: Mapping[str, str],
    count: int,
    tell: Callable[[str], None],
) -> tuple[int, float]:
    """Look at the status until all is done; return the largest lag, and the highest age."""
    lag, oldest = 0, 0.0
    patience = 60.0 + count / 100
    async with asyncio.timeout(patience):
        while True:
            waiting, age = await _lag(program, url)
            lag, oldest = max(lag, waiting), max(oldest, age)
            done = (await crowd.ask(do="tell"))["outcomes"]["burst"]
            tell(f"{done:,} of {count:,}")
            if done == count:
                return lag, oldest
            await asyncio.sleep(min(2.0, count / 5000))


async def _done(crowd: Companion, name: str, count: int) -> None:
    async with asyncio.timeout(60.0):
        while (await crowd.ask(do="tell"))["outcomes"][name] < count:
            await asyncio.sleep(0.05)


async def _lag(program: Program, url: Mapping[str, str]) -> tuple[int, float]:
    """Return how many messages of the flow wait in all, and for how long the oldest does."""
    code, out, err = await program.run("status", "--json", **url)
    assert code == 0, err
    queues: list[dict[str, Any]] = json.loads(out)["queues"]
    own = [queue for queue in queues if queue["flow"] == FLOW and queue["consumer"] != "-"]
    ages = [queue["oldest"] for queue in own if queue["oldest"] is not None]
    return sum(queue["waiting"] for queue in own), max(ages, default=0.0)


async def main() -> int:
    parser = argparse.ArgumentParser(prog="make overload ARGS='…'", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="messages in the burst")
    given = parser.parse_args()
    seen = await burst(given.count, lambda text: print(text, file=sys.stderr))
    print(seen)
    for what in seen.wrong:
        print(f"does not hold: {what}")
    return 1 if seen.wrong else 0


if __name__ == "__main__":
    sys.exit(service.run(main))
