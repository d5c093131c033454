"""Two nodes in processes of their own change their mind under load, and survive a kill."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatbot.broker import Broker, EmbeddedServer, subjects
from chatbot.broker.buckets import open_bucket
from chatbot.broker.corrections import Corrections
from chatbot.broker.heads import Heads
from chatbot.broker.trained import Chosen, Training
from chatbot.commands.labels import whoami
from chatbot.flowfile.load import load
from chatbot.inference.backends.export import accompany
from chatbot.inference.models import described
from chatbot.messages import Outcome
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.intake import Intake
from chatbot.orchestrator.primary import primary
from chatbot.settings import NATS_URL
from tests.servers.crashing import killed_itself
from tests.servers.lessons import BEN, becomes, flow_file, ready, revision_of
from tests.servers.processes import Process, Program, until
from tests.servers.rooms import Room

pytestmark = pytest.mark.crash

SAID, TAUGHT = "flux warp flux", "install"
SWAPPED = 5.0
"""Seconds until nodes have changed their mind, to what people taught or to what was trained."""

AT_ONCE = 24
SLOWEST = 2.5
"""Seconds that a message may take on a busy machine, while nothing is killed."""


@dataclass
class Load:
    """People who say something again as soon as they have their answer."""

    room: Room
    begun: list[str] = field(default_factory=list)
    done: list[tuple[float, float, Outcome]] = field(default_factory=list)
    """When it was said, how long it took, and what became of it."""
    count: Iterator[int] = field(default_factory=itertools.count)

    async def person(self, number: int) -> None:
        while True:
            text = SAID if next(self.count) % 3 == 0 else f"hello zoom {number}"
            said = time.monotonic()
            message_id = await self.room.hear(text, sender=f"person{number}")
            self.begun.append(message_id)
            outcome = await self.room.outcome(message_id, 60.0)
            self.done.append((said, time.monotonic() - said, outcome))

    def since(self, instant: float) -> list[Outcome]:
        return [outcome for said, _, outcome in self.done if said >= instant]

    def slow(self, begin: float, end: float) -> list[float]:
        return [took for said, took, _ in self.done if begin <= said < end]

    async def learned(self, instant: float, count: int = 200) -> str:
        """Wait until all that is said gets one revision, and that is not what it was; return it."""
        before = {outcome.revision for said, _, outcome in self.done if said < instant}
        while True:
            last = {outcome.revision for _, _, outcome in self.done[-count:]}
            if len(last) == 1 and not last & before:
                return last.pop()
            await asyncio.sleep(0.02)

    def swapped(self, revision: str) -> float:
        """Return when the last message was said that did not get this revision."""
        return max(said for said, _, outcome in self.done if outcome.revision != revision)


@dataclass
class Site:
    room: Room
    intake: Intake
    roster: Roster
    nodes: list[Process]
    load: Load

    async def heads(self, broker: Broker) -> Heads:
        [record] = self.intake.records
        assert record.learning is not None
        return await Heads.open(broker, record.learning.name, record.key)

    def done(self) -> list[int]:
        return [sum(s.done for s in node.operations.values()) for node in self.roster.nodes]


@asynccontextmanager
async def site(
    broker: Broker, server: EmbeddedServer, program: Program, folder: Path
) -> AsyncIterator[Site]:
    """Two nodes at work on what people say, for the block's duration."""
    flow = load(flow_file(folder), environment=lambda _: None)
    told = {NATS_URL: server.url, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    async with (
        Roster.follow(broker) as roster,
        primary(broker, flow, roster) as intake,
        Room.open(broker, flow.rules) as room,
        program.start("node", "run", "classify_text", **told) as one,
        program.start("node", "run", "classify_text", **told) as two,
    ):
        await ready(intake, roster)
        for process in (one, two):
            await process.wait_for("running classify_text")
        crowd = Load(room)
        people = [asyncio.ensure_future(crowd.person(number)) for number in range(AT_ONCE)]
        try:
            made = Site(room, intake, roster, [one, two], crowd)
            await until(lambda: len(crowd.done) > 300 and min(made.done(), default=0) > 20)
            yield made
        finally:
            for person in people:
                person.cancel()
            await asyncio.gather(*people, return_exceptions=True)


async def correct(made: Site, broker: Broker) -> float:
    """Have somebody correct the bot; return when they did."""
    last = next(o for _, _, o in reversed(made.load.done) if o.text == SAID)
    instant = time.monotonic()
    told = await made.room.ask(f"!label {TAUGHT}", reply_to=last.id, **BEN)
    assert "noted" in told
    return instant


async def all_answered(made: Site) -> None:
    """Have everybody end; see that each message has its outcome, and no other."""
    wanted = set(made.load.begun)
    async with asyncio.timeout(30):
        while not wanted <= {outcome.id for _, _, outcome in made.load.done}:
            await asyncio.sleep(0.02)
    assert not [outcome.error for _, _, outcome in made.load.done if outcome.error]


def labels(outcomes: list[Outcome]) -> set[str]:
    return {str(o.understood["label"]) for o in outcomes if o.text == SAID}


async def test_two_nodes_change_their_mind_within_seconds_and_no_work_waits(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with site(broker, nats_server, program, tmp_path) as made:
        begun, first = time.monotonic() - 1.5, made.load.done[-1][2].revision
        before = labels(made.load.since(0))
        assert TAUGHT not in before
        instant = await correct(made, broker)
        async with asyncio.timeout(30):
            revision = await made.load.learned(instant)
        swapped = made.load.swapped(revision) - instant
        assert swapped < SWAPPED, swapped
        counts = made.done()
        await until(lambda: all(now > then for now, then in zip(made.done(), counts, strict=True)))
        assert labels(made.load.since(instant + swapped + 0.001)) == {TAUGHT}
        usual = statistics.median(made.load.slow(begun, instant))
        meanwhile = made.load.slow(instant, instant + swapped)
        assert statistics.median(meanwhile) < 4 * usual + 0.1, (usual, meanwhile)
        assert max(meanwhile) < SLOWEST
        print(
            f"swapped after {swapped:.2f} s; a message took {usual:.3f} s, meanwhile "
            f"{statistics.median(meanwhile):.3f} s, at most {max(meanwhile):.3f} s"
        )

        undone = time.monotonic()
        assert "taken back" in await made.room.ask("!undo", **BEN)
        async with asyncio.timeout(30):
            while {o.revision for _, _, o in made.load.done[-100:]} != {first}:
                await asyncio.sleep(0.02)
        assert made.load.swapped(first) - undone < SWAPPED
        assert labels(made.load.since(made.load.swapped(first) + 0.001)) == before
        await all_answered(made)


async def test_a_node_killed_during_the_swap_loses_nothing(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with site(broker, nats_server, program, tmp_path) as made:
        published = asyncio.Event()
        heads = await made.heads(broker)
        async with heads.watch(published.set):
            instant = await correct(made, broker)
            async with asyncio.timeout(20):
                await published.wait()
            await made.nodes[0].kill()
        async with asyncio.timeout(30):
            revision = await made.load.learned(instant)
        assert made.load.swapped(revision) - instant < SWAPPED
        assert labels(made.load.since(made.load.swapped(revision) + 0.001)) == {TAUGHT}
        await all_answered(made)


async def test_where_the_node_that_learns_is_killed_another_does(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with site(broker, nats_server, program, tmp_path) as made:
        heads = await made.heads(broker)
        leases = await open_bucket(broker, subjects.LEASES)
        killed: list[int] = []

        def kill(_: str, value: bytes) -> None:
            found = re.search(rb":(\d+)\)", value)
            if found and not killed:
                killed.append(int(found[1]))
                os.kill(killed[0], signal.SIGKILL)

        async with leases.watch(kill, "learn.>"):
            instant = await correct(made, broker)
            await until(lambda: killed)
        assert await heads.current() is None, "it had not learned yet"
        assert killed[0] in [node.pid for node in made.nodes]
        async with asyncio.timeout(40):
            revision = await made.load.learned(instant)
        assert labels(made.load.since(made.load.swapped(revision) + 0.001)) == {TAUGHT}
        current = await heads.current()
        assert current is not None
        assert str(killed[0]) not in current.by
        await all_answered(made)


@pytest.mark.parametrize("killed", [False, True])
async def test_nodes_without_pytorch_take_over_what_was_trained_though_one_is_killed(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path, killed: bool
) -> None:
    path = flow_file(tmp_path)
    await asyncio.to_thread(accompany, described(tmp_path / "tiny"))
    place, kept = await asyncio.to_thread(revision_of, path)
    training = await Training.open(broker, place)
    program.entry = ["tests.servers.bare"]
    async with site(broker, nats_server, program, tmp_path) as made:
        instant = await correct(made, broker)
        async with asyncio.timeout(30):
            before = await made.load.learned(instant)
        instant = time.monotonic()
        await training.choose(Chosen(kept.about.revision, datetime.now(UTC)), kept.folder)
        if killed:
            await made.nodes[0].kill()
        async with asyncio.timeout(30):
            revision = await made.load.learned(instant)
        swapped = made.load.swapped(revision) - instant
        assert swapped < SWAPPED, swapped
        assert revision != before
        assert labels(made.load.since(instant)) == {TAUGHT}, "nothing that was taught is missing"
        await all_answered(made)
        meanwhile = made.load.slow(instant, instant + swapped)
        if not killed:
            assert max(meanwhile) < SLOWEST
        print(f"swapped after {swapped:.2f} s; a message took {max(meanwhile):.3f} s at most")


@pytest.mark.parametrize("point", ["before OUT", "stored OUT"])
async def test_a_primary_killed_at_a_correction_neither_loses_it_nor_learns_it_twice(
    broker: Broker, nats_server: EmbeddedServer, program: Program, point: str
) -> None:
    path = flow_file(program.data)
    flow = load(path, environment=lambda _: None)
    cache = str(program.data / "cache")
    told = {NATS_URL: nats_server.url, "XDG_CACHE_HOME": cache, "OMP_NUM_THREADS": "1"}
    primary_of = ("run", str(path), "--no-node", "--no-listeners")
    async with (
        Room.open(broker, flow.rules) as room,
        program.start("node", "run", "classify_text", **told),
    ):
        program.entry = ["tests.servers.failing", point, "kill"]
        async with program.start(*primary_of, **told) as first:
            said = await room.hear(SAID)
            assert (await room.outcome(said, 60)).understood["label"] != TAUGHT
            command = await room.hear(f"!label {TAUGHT}", reply_to=said, **BEN)
            await killed_itself(first)
        corrections = await Corrections.open(broker, "test", "classify")
        [stored] = await corrections.all()
        assert [vote.cause for vote in stored.votes] == [command], "it died behind the point"
        program.entry = ["tests.servers.failing", "-", "kill"]
        async with program.start(*primary_of, **told):
            outcome = await room.outcome(command, 60)
            assert [reply.text for reply in outcome.replies] == [
                f"ben: noted: what anna said is {TAUGHT}; !undo takes it back"
            ]
            await becomes(room, SAID, TAUGHT, 30)
        assert await corrections.all() == [stored]


async def test_who_sits_at_the_terminal_teaches_there_and_is_the_same_the_next_time(
    program: Program,
) -> None:
    path = flow_file(program.data)
    text = path.read_text().replace("net: {kind: irc}", "console: {}")
    path.write_text(text.replace("net/ben, net/carl", f"console/{whoami()}"))
    told = {"XDG_CACHE_HOME": str(program.data / "cache")}
    for name in (TAUGHT, "bug"):
        said = f"{SAID}\n!label {name}\n"
        code, out, err = await program.run("run", str(path), stdin=said, **told)
        assert code == 0, err
        assert f"is {name}; !undo takes it back" in out
