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

import msgspec

from chatbot.broker import Broker, EmbeddedServer
from chatbot.broker.buckets import open_bucket
from chatbot.broker.subjects import FLOWS, ROSTER, done_subject
from chatbot.messages import Result, Results
from tests.servers.processes import Process, Program, environment

SERVER = Path(sysconfig.get_path("scripts")) / "nats-server"

SECTIONS = ("flows", "primaries", "nodes", "queues", "strangers", "mutes")
QUEUE = {
    *("queue", "consumer", "waiting", "in_progress", "stored", "redelivered"),
    *("oldest", "flow", "lane"),
}
NODE = {
    "id",
    "host",
    "pid",
    "version",
    "started",
    "offers",
    "operations",
    "protocol",
    "labels",
    "doing",
    "time",
}
PRIMARY = {
    *("id", "flow", "host", "pid", "version", "started", "contexts", "done", "rate"),
    *("listeners", "protocol", "dropped", "skipped", "time", "revision"),
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
    program: Program, nats_server: EmbeddedServer, broker: Broker
) -> None:
    code, out, err = await program.run("status", CHATBOT_NATS_URL=nats_server.url)
    assert (code, err) == (0, "")
    assert "Nothing runs. Start a bot with: chatbot run support" in out
    code, out, err = await program.run("status", "--json", CHATBOT_NATS_URL=nats_server.url)
    assert (code, err) == (0, "")
    seen = await program_status(program, nats_server.url)
    assert seen.pop("server")
    assert seen.pop("dead") == 0
    assert seen == {name: [] for name in SECTIONS}
    assert await broker.js.streams_info() == [], "looking has made nothing"


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
        assert out.count("none: its work waits") == 1
        assert out.count("none: it is done without") == 2, "the FAQ and the index"
        command = "chatbot node run answer_from_faq classify_text similar_questions"
        assert f"start a node with: {command}" in " ".join(out.split())
        assert bot.process.stdin is not None
        bot.process.stdin.write(b"thanks!\n")
        await waits(program)
        async with program.start("node", "run") as node:
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
    assert set(seen) == {*SECTIONS, "server", "dead"}
    assert seen["strangers"] == []
    [primary], [one], [flow] = seen["primaries"], seen["nodes"], seen["flows"]
    assert set(primary) == PRIMARY
    assert (primary["flow"], primary["pid"], primary["listeners"]) == (
        "support",
        bot.pid,
        ["console"],
    )
    assert set(one) == NODE
    assert one["pid"] == node.pid
    assert {"classify_text", "answer_from_faq", "clean_text"} <= set(one["offers"])
    assert one["labels"] == [f"host={one['host']}"]
    assert primary["dropped"] <= 2, "of what is optional"
    assert {each["key"] for each in flow["operations"]} == one["operations"].keys()
    assert all(set(queue) == QUEUE for queue in seen["queues"])
    waiting = {(q["queue"], q["consumer"]): q["waiting"] for q in seen["queues"]}
    assert waiting["IN support", "primaries-people"] == 0
    code, out, err = await program.run("status", COLUMNS="80")
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    for text in ("Flows", "Primaries", "Listeners", "Nodes", "Queues", f":{bot.pid}", "the lag"):
        assert text in out
    rows = [line for line in out.splitlines() if f":{node.pid}" in line]
    assert len(rows) == 3
    [row] = [row for row in rows if "classify_text" in row]
    assert row.split()[-5:-2] == ["classify_text", "support", "1"]


def done(seen: dict[str, Any]) -> bool:
    """Whether all say that they did the one message."""
    [primary], [node] = seen["primaries"], seen["nodes"]
    counts = [primary["done"], *(each["done"] for each in node["operations"].values())]
    return counts == [1, 1, 1, 1]


async def gone(program: Program, kind: str) -> None:
    async with asyncio.timeout(30.0):
        while (await program.status())[kind]:
            pass


async def program_status(program: Program, url: str) -> dict[str, Any]:
    _, out, _ = await program.run("status", "--json", CHATBOT_NATS_URL=url)
    found: dict[str, Any] = json.loads(out)
    return found


ON_GPU = "operations.understand.operations.classify.on=[gpu, size=large]"


async def test_labels_are_shown_and_which_are_wanted(program: Program) -> None:
    command = "chatbot node run classify_text --label gpu --label size=large"
    async with program.start("run", "support", "--set", ON_GPU) as bot:
        await bot.wait_for("listens: console")
        assert f"waiting for a node; start one with: {command}\n" in bot.err
        async with program.start("node", "run", "classify_text", "--label", "gpu") as plain:
            await plain.wait_for("classify_text for support is for nodes with gpu, size=large")
            code, out, err = await program.run("status")
            assert (code, err) == (0, "")
            assert f"start a node with: {command}\n" in out
            (row,) = [line for line in out.splitlines() if f":{plain.pid}" in line]
            assert row.split()[1] == "gpu"
            (row,) = [line for line in out.splitlines() if "none: its work waits" in line]
            assert "gpu, size=large" in row
        async with program.start(*command.split()[1:]) as node:
            await node.wait_for("running classify_text")
            code, out, err = await program.run("status", COLUMNS="80")
            assert "its work waits" not in out
            assert max(len(line) for line in out.splitlines()) <= 80
            found = (await program.status())["nodes"]
            [one] = [each for each in found if "gpu" in each["labels"]]
            assert one["labels"][0] == "gpu"
            assert one["labels"][-1] == "size=large"


FUTURE = {"protocol": 99, "version": "9.9.9", "host": "elsewhere", "pid": 7, "flow": "future"}


async def test_processes_of_another_version_are_refused_clearly_and_once(
    program: Program, nats_server: EmbeddedServer, broker: Broker
) -> None:
    url = {"CHATBOT_NATS_URL": nats_server.url}
    told = "it speaks protocol 99 (chatbot 9.9.9), this program speaks protocol "
    roster, flows = [await open_bucket(broker, name) for name in (ROSTER, FLOWS)]
    future = {"id": "n", "offers": {"another": "shape"}, **FUTURE, "flow": ""}

    async def announce(times: int) -> None:
        for _ in range(times):
            await roster.put("node.future", msgspec.msgpack.encode(future))
            await roster.put("primary.future", msgspec.msgpack.encode(FUTURE))
            await flows.put("future.primary", msgspec.msgpack.encode(FUTURE))
            await flows.put("odd.primary", b"\xc1")

    async with program.start("run", "support", "--no-node", **url) as bot:
        await bot.wait_for("listens: console")
        await announce(3)
        await bot.wait_for(f"ignore the node on elsewhere (process 7): {told}")
        await bot.wait_for("ignore the primary of the flow future on elsewhere (process 7)")
        async with program.start("node", "run", "clean_text", **url) as node:
            await node.wait_for(f"ignore the flow future on elsewhere (process 7): {told}")
            await node.wait_for("ignore the flow odd.primary: what it announces is not understood")
            assert "upgrade chatbot here" in node.err
            assert "no bot there can be talked with" not in node.err, "support is one of ours"
            await announce(3)
            seen = await shown_strangers(program, url)
            assert {each["key"]: each["protocol"] for each in seen["strangers"]} == {
                "node.future": 99,
                "primary.future": 99,
                "future.primary": 99,
                "odd.primary": 0,
            }
            assert [flow["flow"] for flow in seen["flows"]] == ["support"]
            assert node.err.count("ignore the flow future") == 1
        assert bot.err.count("ignore the node") == bot.err.count("ignore the primary") == 1


async def shown_strangers(program: Program, url: dict[str, str]) -> dict[str, Any]:
    code, out, err = await program.run("status", **url)
    assert (code, err) == (0, "")
    assert "Not understood: this is chatbot" in out
    (row,) = [line for line in out.splitlines() if line.startswith("node")]
    assert row.split() == ["node", "node.future", "elsewhere:7", "9.9.9", "99", *REMEDY.split()]
    return await program_status(program, url["CHATBOT_NATS_URL"])


REMEDY = "upgrade chatbot here"


async def test_a_node_that_can_talk_to_no_bot_says_so(
    program: Program, nats_server: EmbeddedServer, broker: Broker
) -> None:
    flows = await open_bucket(broker, FLOWS)
    await flows.put("future.primary", msgspec.msgpack.encode(FUTURE))
    url = {"CHATBOT_NATS_URL": nats_server.url}
    async with program.start("node", "run", "clean_text", **url) as node:
        await node.wait_for("waiting: no bot there can be talked with; upgrade chatbot here")


async def test_results_that_nobody_waits_for_are_counted(
    program: Program, nats_server: EmbeddedServer, broker: Broker
) -> None:
    url = {"CHATBOT_NATS_URL": nats_server.url}
    async with program.start("run", "support", "--no-node", **url) as bot:
        await bot.wait_for("listens: console")
        [flow] = (await program_status(program, nats_server.url))["flows"]
        strange = Results("n", "op", 0.1, [Result(10**6, 1, [{"text": "x"}]), Result(1, 1, [])])
        await broker.publish(done_subject(flow["primary"]), strange.encode())
        async with asyncio.timeout(20.0):
            while (await program_status(program, nats_server.url))["primaries"][0]["dropped"] != 2:
                pass
        _, out, _ = await program.run("status", **url)
        (row,) = [
            line for line in out.splitlines() if f":{bot.pid}" in line and "console" not in line
        ]
        assert row.split()[-1] == "2"


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
