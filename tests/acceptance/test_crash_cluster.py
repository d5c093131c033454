"""Three NATS servers with replicated streams, one of which dies under load: a stream's leader."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from chatbot.broker import Broker, connect, subjects
from chatbot.nodes.roster import Roster
from tests.acceptance.test_crash_drain import talking
from tests.servers.cluster import Cluster
from tests.servers.crashing import FLOW, Site
from tests.servers.processes import until

T = TypeVar("T")
COPIES = 3

STREAMS = {
    "IN": subjects.in_stream(FLOW),
    "OUT": subjects.out_stream(FLOW),
    "WORK": subjects.WORK,
    "DONE": subjects.DONE,
    "leases": f"KV_{subjects.LEASES}",
}


@pytest.mark.crash
async def test_a_cluster_that_loses_the_leaders_of_its_streams_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    async with Cluster.start(tmp_path / "cluster") as cluster:
        await elected(cluster)
        async with (
            connect(cluster.url, name="auditor") as broker,
            Roster.follow(broker) as roster,
        ):
            site = Site(tmp_path, cluster, broker)
            async with site.start("bot") as bot:
                await site.there(roster, "bot", bot)
                async with site.start("node") as node:
                    await node.wait_for("running test_gate")
                    async with talking(lambda text: site.post(text)):
                        for name in STREAMS:
                            await leader_killed(cluster, broker, site, STREAMS[name])
                    await site.finished()
                    await site.audit()


async def leader_killed(cluster: Cluster, broker: Broker, site: Site, stream: str) -> None:
    """Kill the leader of `stream` while people talk; start it again when others go on."""
    info = await answered(lambda: broker.js.stream_info(stream))
    assert info.config.num_replicas == COPIES, stream
    assert info.cluster is not None
    leader = str(info.cluster.leader)
    before = len(site.said())
    cluster.kill(leader)
    await until(lambda: len(site.said()) > before + 20, 40.0)
    cluster.launch(leader)
    async with asyncio.timeout(40):
        while not await current(broker, stream):
            await asyncio.sleep(0.1)


async def current(broker: Broker, stream: str) -> bool:
    """Whether all three have what is stored."""
    info = await answered(lambda: broker.js.stream_info(stream))
    found = info.cluster
    replicas = (found and found.replicas) or []
    return len(replicas) == COPIES - 1 and all(each.current for each in replicas)


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until a leader answers."""
    async with asyncio.timeout(40):
        while True:
            try:
                return await ask()
            except Broker.errors:
                await asyncio.sleep(0.1)


async def elected(cluster: Cluster) -> None:
    """Wait until the cluster has a leader: it takes streams from then on."""
    async with asyncio.timeout(40), connect(cluster.url, name="test") as broker:
        while True:
            try:
                await broker.js.add_stream(name="probe", subjects=["probe"], num_replicas=COPIES)
                await broker.js.delete_stream("probe")
                return
            except Broker.errors:
                await asyncio.sleep(0.1)
