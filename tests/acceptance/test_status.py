"""`chatbot status`: what runs and what waits, from NATS alone."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import sysconfig
from pathlib import Path
from time import monotonic
from typing import Any

from chatbot.broker import EmbeddedServer
from tests.servers.processes import Process, Program, environment

SERVER = Path(sysconfig.get_path("scripts")) / "nats-server"

QUEUE = {"queue", "consumer", "waiting", "in_progress", "stored", "redelivered"}
NODE = {"id", "host", "pid", "version", "started", "offers", "operations", "protocol"}
PRIMARY = {
    *("id", "flow", "host", "pid", "version", "started", "contexts", "done", "rate"),
    *("listeners", "protocol"),
}


async def test_without_a_bot_it_says_so_at_once(program: Program) -> None:
    code, out, err = await program.run("status")
    assert (code, out) == (2, "")
    assert f"no bot runs with the data folder {program.data}" in err
    assert "chatbot run" in err


async def test_a_server_that_is_down_is_told_within_seconds(program: Program) -> None:
    started = monotonic()
    code, out, err = await program.run("status", "--nats", "nats://s3cret@127.0.0.1:1")
    assert (code, out) == (2, "")
    assert "no NATS server answers at" in err
    assert "127.0.0.1:1" in err
    assert "s3cret" not in err
    assert monotonic() - started < 6.0


async def test_an_empty_server_is_an_empty_status(
    program: Program, nats_server: EmbeddedServer
) -> None:
    code, out, err = await program.run("status", CHATBOT_NATS_URL=nats_server.url)
    assert (code, err) == (0, "")
    assert "Nothing runs. Start a bot with: chatbot run support" in out
    code, out, err = await program.run("status", "--json", CHATBOT_NATS_URL=nats_server.url)
    assert (code, err) == (0, "")
    seen = await program_status(program, nats_server.url)
    assert {name: seen[name] for name in ("flows", "primaries", "nodes", "queues")} == {
        name: [] for name in ("flows", "primaries", "nodes", "queues")
    }


async def test_a_server_without_jetstream_is_told(program: Program) -> None:
    async with asyncio.timeout(20.0):
        server = await asyncio.create_subprocess_exec(
            *(SERVER, "-a", "127.0.0.1", "-p", "-1"), stderr=asyncio.subprocess.PIPE
        )
    try:
        assert server.stderr is not None
        async for line in server.stderr:
            if b"Listening for client connections on" in line:
                port = int(line.rpartition(b":")[2])
                break
        code, out, err = await program.run("status", "--nats", f"nats://127.0.0.1:{port}")
    finally:
        server.terminate()
        await server.communicate()
    assert code in {1, 2}
    assert out == ""
    assert "JetStream" in err
    assert "Traceback" not in err


async def test_what_runs_is_shown_and_goes_within_seconds(program: Program) -> None:
    async with program.start("run", "support", "--no-node") as bot:
        await bot.wait_for("listens: console")
        code, out, err = await program.run("status", COLUMNS="80")
        assert (code, err) == (0, "")
        assert "none: its work waits" in out
        assert "start a node with: chatbot node run classify_text" in out
        assert bot.process.stdin is not None
        bot.process.stdin.write(b"thanks!\n")
        await waits(program)
        async with program.start("node", "run", "classify_text") as node:
            await node.wait_for("running classify_text")
            await bot.wait_for("welcome")
            await shown(program, bot, node)
            node.signal(signal.SIGKILL)
            await gone(program, "nodes")
        assert (await program.status())["primaries"]


async def waits(program: Program) -> None:
    """Wait until the work waits, visibly."""
    async with asyncio.timeout(20.0):
        while not (await program.status())["primaries"][0]["contexts"]:
            pass


async def shown(program: Program, bot: Process, node: Process) -> None:
    async with asyncio.timeout(20.0):
        while not done(seen := await program.status()):
            pass
    assert set(seen) == {"server", "flows", "primaries", "nodes", "queues"}
    [primary], [one], [flow] = seen["primaries"], seen["nodes"], seen["flows"]
    assert set(primary) == PRIMARY
    assert (primary["flow"], primary["pid"], primary["listeners"]) == (
        "support",
        bot.pid,
        ["console"],
    )
    assert set(one) == NODE
    assert (one["pid"], one["offers"]) == (node.pid, ["classify_text"])
    assert [each["key"] for each in flow["operations"]] == list(one["operations"])
    assert all(set(queue) == QUEUE for queue in seen["queues"])
    waiting = {(q["queue"], q["consumer"]): q["waiting"] for q in seen["queues"]}
    assert waiting["IN support", "primaries-people"] == 0
    code, out, err = await program.run("status", COLUMNS="80")
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    for text in ("Flows", "Primaries", "Listeners", "Nodes", "Queues", f":{bot.pid}", "the lag"):
        assert text in out
    [row] = [line for line in out.splitlines() if f":{node.pid}" in line]
    assert row.split()[-5:-2] == ["classify_text", "support", "1"]


def done(seen: dict[str, Any]) -> bool:
    """Whether all say that they did the one message."""
    [primary], [node] = seen["primaries"], seen["nodes"]
    counts = [primary["done"], *(each["done"] for each in node["operations"].values())]
    return counts == [1, 1]


async def gone(program: Program, kind: str) -> None:
    async with asyncio.timeout(15.0):
        while (await program.status())[kind]:
            pass


async def program_status(program: Program, url: str) -> dict[str, Any]:
    _, out, _ = await program.run("status", "--json", CHATBOT_NATS_URL=url)
    found: dict[str, Any] = json.loads(out)
    return found


async def test_the_reader_may_go_early(program: Program, nats_server: EmbeddedServer) -> None:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"{sys.executable} -m chatbot status --json | head -n 1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(program.data, CHATBOT_NATS_URL=nats_server.url),
    )
    async with asyncio.timeout(30.0):
        out, err = await process.communicate()
    assert (out, err) == (b"{\n", b"")
