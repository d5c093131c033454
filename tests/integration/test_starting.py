"""What a node says until it is ready."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chatbot_test_operations import Warm
from dffml import DataFlow

from chatbot.broker import Broker, EmbeddedServer
from chatbot.nodes.node import Node
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.servers.processes import Program, until


async def test_a_node_says_what_it_does_until_it_is_ready(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    file, said = tmp_path / "warm", list[str]()
    flow = DataFlow(operations={"it": Warm.op}, configs={"it": {"file": str(file)}})
    node = Node(broker, ["test_warm"], progress=said.append)
    async with (
        asyncio.timeout(30),
        Roster.follow(broker) as roster,
        NatsOrchestrator.over(broker, "test") as orchestrator,
        orchestrator(flow),
    ):
        serving = asyncio.ensure_future(node.run())
        await until(lambda: any(each.doing for each in roster.nodes))
        assert roster.nodes[0].doing == "test_warm: warming up"
        assert not roster.nodes[0].operations
        code, out, err = await program.run("status", CHATBOT_NATS_URL=nats_server.url)
        assert (code, "test_warm: warming up" in out) == (0, True), out + err
        file.touch()
        await until(lambda: roster.nodes[0].operations)
        assert roster.nodes[0].doing == ""
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert said[-3:] == [
        "starting test_warm for test",
        "test_warm: warming up",
        "running test_warm for test",
    ]
