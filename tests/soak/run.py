"""One run: the log is replayed at rate while the events happen, and then the auditor reads."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chatbot.broker import EmbeddedServer, connect
from chatbot.commands import chatlog
from tests.servers.crashing import PARTS, Site
from tests.soak.fleet import FLEET, Fleet
from tests.soak.schedule import draw

TICK = 0.1
PATIENCE = 60.0
"""Seconds, after the last event, in which everything must have been answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What to do: events drawn by `seed` for so many `seconds`, `rate` messages a second."""

    seed: int
    seconds: float
    rate: float
    log: Path


async def soak(plan: Soak, folder: Path, tell: Callable[[str], None]) -> str:
    """Run `plan` in `folder`; return what was found, for people.

    Raises `AssertionError` with what the auditor does not find as it must be, or when a process
    ended that nobody had ended.
    """
    (folder / "data").mkdir()
    async with (
        EmbeddedServer.start(folder / "data") as server,
        connect(server.url, name="soak") as broker,
    ):
        site = Site(folder, server, broker)
        site.quick = False  # as people run it
        async with Fleet.open(site) as fleet:
            await fleet.rest()
            count, events = await _play(plan, site, fleet, tell)
            _, seconds = await asyncio.gather(fleet.rest(), _answered(site, count))
            await site.settled()
        await site.audit()
    happened = ", ".join(f"{number} × {what}" for what, number in sorted(events.items()))
    return (
        f"{count} messages, {count * PARTS} replies: each was heard, decided and said once.\n"
        f"Meanwhile: {happened}. The last answer came {seconds:.1f} s after the last message."
    )


async def _play(
    plan: Soak, site: Site, fleet: Fleet, tell: Callable[[str], None]
) -> tuple[int, Counter[str]]:
    texts = _texts(plan.log)
    coming = draw(plan.seed, plan.seconds, tuple(FLEET))
    begun = time.monotonic()
    count, happened = 0, Counter[str]()
    while (now := time.monotonic() - begun) < plan.seconds:
        while coming and coming[0].at <= now:
            event = coming.pop(0)
            tell(str(event))
            happened[f"{event.what} {event.whom.partition('-')[0]}"] += 1
            fleet.do(event)
        due = int(now * plan.rate) - count
        site.post(*itertools.islice(texts, due))
        count += due
        await asyncio.sleep(TICK)
    return count, happened


async def _answered(site: Site, count: int) -> float:
    """Wait until everything is answered; return how many seconds that took."""
    begun = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            while len(site.said()) < count * PARTS:
                await asyncio.sleep(TICK)
    except TimeoutError:
        pass  # the auditor says what is missing
    return time.monotonic() - begun


def _texts(log: Path) -> Iterator[str]:
    """Yield what people said, a line each, again and again."""
    said = [" ".join(message.text.split()) for message in chatlog.read(log, "bot")]
    return itertools.cycle([text for text in said if text])
