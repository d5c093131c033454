"""Several primaries of one flow, as processes: each does its share, and a killed one's is done."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from chatbot.broker import Broker, EmbeddedServer, subjects
from chatbot.nodes.roster import Roster
from chatbot.settings import NATS_URL
from tests.integration.test_intake import (
    hear,
    message,
    outcomes,
    primary_process,
    settled,
    written,
)
from tests.integration.test_nodes import started
from tests.servers.processes import Program, until

MESSAGES = 2500

GATE_ON_PRIMARIES = """\
version: 1
name: test
operations:
  gate:
    run: test_gate
    on: primary
    inputs: {{text: message.text}}
    config: {{folder: {folder}}}
  say: {{run: test_say, inputs: {{text: gate.text}}}}
"""


@pytest.mark.crash
async def test_three_primaries_share_a_load_and_a_killed_ones_part_is_done_once(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    path = written(tmp_path, GATE_ON_PRIMARIES.format(folder=tmp_path))
    said = [message(f"text {number}") for number in range(MESSAGES)]
    async with Roster.follow(broker) as roster:
        async with (
            primary_process(program, nats_server, path, roster) as one,
            primary_process(program, nats_server, path, roster) as two,
        ):
            for start in range(0, MESSAGES, 500):
                await hear(broker, *said[start : start + 500])
            await until(lambda: started(tmp_path, one.pid) and started(tmp_path, two.pid))
            async with primary_process(program, nats_server, path, roster) as three:
                announced = time.monotonic()
                await until(lambda: started(tmp_path, three.pid))
                assert time.monotonic() - announced < 3.0, "it helps as soon as it is there"
                shares = await in_flight(program, nats_server, 3)
                assert set(shares) == {one.pid, two.pid, three.pid}
                (tmp_path / "open").touch()
                async with asyncio.timeout(20):
                    while await stored(broker) < 300:
                        await asyncio.sleep(0.01)
                await two.kill()
                assert await stored(broker) < MESSAGES, "it was killed in the middle"
                found = await outcomes(broker, MESSAGES, timeout=60.0)
                await settled(broker, timeout=30.0)
    assert set(found) == {each.id for each in said}
    assert not any(each.error for each in found.values())


async def in_flight(
    program: Program, nats_server: EmbeddedServer, count: int
) -> dict[int, dict[str, Any]]:
    """Return the primaries by process, as `chatbot status` says when `count` have contexts."""
    async with asyncio.timeout(30):
        while True:
            code, out, err = await program.run("status", "--json", **{NATS_URL: nats_server.url})
            assert code == 0, err
            found = {each["pid"]: each for each in json.loads(out)["primaries"]}
            if sum(each["contexts"] > 0 for each in found.values()) == count:
                return found


async def stored(broker: Broker) -> int:
    return int((await broker.js.stream_info(subjects.out_stream("test"))).state.messages)
