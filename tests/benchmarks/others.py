"""The same hop with what people would use instead, in an environment of its own.

FastStream: JetStream pull subscribers as its documentation has them, acknowledged after the
answer is published. Ray: an actor in a process of its own, many calls in flight; nothing of it
is durable. Both have format and respond done by the caller, as ours has.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.companion import ROOT, Companion
from tests.benchmarks.figures import (
    Contender,
    Figure,
    Sample,
    Scale,
    Tell,
    compared,
    interleaved,
    timed,
)
from tests.benchmarks.site import Site
from tests.benchmarks.w1 import OURS, on_node, ours, run

ENVIRONMENT = ROOT / ".bench" / "venv"
PYTHON = ENVIRONMENT / "bin" / "python"
INSTALLING = 300.0
"""Seconds that an installation may take."""


@dataclass(frozen=True, slots=True)
class Other:
    """A system to compare with: what pip calls it, the module that measures it, how much."""

    name: str
    requirements: tuple[str, ...]
    module: str
    count: int


OTHERS = (
    Other(
        "FastStream, JetStream", ("faststream[nats]>=0.7,<0.8", "uvloop"), "faststream_hop", 4_000
    ),
    Other("a Ray actor, not durable", ("ray>=2.40,<3",), "ray_hop", 4_000),
)


async def measure(scale: Scale, tell: Tell) -> list[Figure]:
    installed = []
    for other in OTHERS:
        tell(f"installing {other.requirements[0]}, once")
        if await install(other):
            installed.append(other)
        else:
            tell(f"skipped: {other.name} cannot be installed here")
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(Site.open())
        octx = await on_node(stack, site)
        await run(octx, 1000)
        contenders = {OURS: ours(octx, scale)}
        contenders |= {each.name: _hop(each, site, scale) for each in installed}
        found = await interleaved(scale.rounds, contenders, tell)
    return [compared("others", OURS, found[OURS], o.name, found[o.name]) for o in installed]


async def install(other: Other) -> bool:
    """Install what `other` needs, unless it is there; say whether it is there now."""
    if not PYTHON.exists():
        await _succeeds(sys.executable, "-m", "venv", str(ENVIRONMENT))
    module = other.module.partition("_")[0]
    if await _succeeds(str(PYTHON), "-c", f"import {module}"):
        return True
    return await _succeeds(str(PYTHON), "-m", "pip", "install", "--quiet", *other.requirements)


async def _succeeds(*command: str) -> bool:
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(INSTALLING):
            return await process.wait() == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False


def _hop(other: Other, site: Site, scale: Scale) -> Contender:
    """A new start each round: some of them are not idle when they have nothing to do."""
    count = scale.count(other.count, 200)

    async def contender() -> Sample:
        async with Companion.start(other.module, site.url, python=PYTHON) as hop:
            await hop.ask(count=count // 4)
            return await timed(count, hop.ask(count=count))

    return contender


def versions() -> dict[str, str]:
    """Return the versions of what is installed to compare with."""
    found = {}
    for path in sorted(Path(ENVIRONMENT).glob("lib/*/site-packages/*.dist-info")):
        name, _, version = path.name.removesuffix(".dist-info").rpartition("-")
        if name in {"faststream", "ray"}:
            found[name] = version
    return found
