"""`chatbot doctor` finds what is wrong, says what to do about it, and changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.js.api import RetentionPolicy

from chatbot.broker import Broker, EmbeddedServer, connect, streams, subjects
from chatbot.broker.buckets import open_bucket
from chatbot.broker.clock import Clock, of_server
from chatbot.broker.migration import FORMAT, FORMAT_KEY
from chatbot.broker.server import _executable
from chatbot.commands.doctor import clocks, disk, doctor, look
from chatbot.flowfile.load import load
from chatbot.settings import NATS_URL
from chatbot.storage import Storage
from chatbot.units import DAY
from tests.integration.test_broker_roster import NODE, PRIMARY
from tests.integration.test_intake import gated, hear, message, outcomes, settled, taking
from tests.integration.test_nodes import serving
from tests.integration.test_storage import (
    IN,
    OUT,
    as_before,
    cluster,
    config,
    ensure,
    have_a_leader,
)
from tests.servers.irc import free_port
from tests.servers.processes import Program

SERVED = ["server", "settings", "copies", "room", "clocks", "nodes", "primaries", "versions"]


async def found(broker: Broker, flow: Path | None = None, *overrides: str) -> Any:
    """Return what is found at the broker's server: (severity, what, remedy) by check."""
    checks = await look(broker, load(flow, overrides=overrides) if flow else None)
    return {
        check.name: [(each.severity, each.what, each.remedy) for each in check.findings]
        for check in checks
        if check.findings
    }


async def only(broker: Broker, check: str, flow: Path | None = None, *overrides: str) -> Any:
    """Return the one finding that there is."""
    (all_of,) = (await found(broker, flow, *overrides)).items()
    assert all_of[0] == check
    (one,) = all_of[1]
    return one


async def test_without_a_bot_it_says_how_to_get_one_and_makes_no_folder(program: Program) -> None:
    nowhere = program.data / "nowhere"
    code, out, err = await program.run("doctor", "--data", str(nowhere), "--json")
    assert (code, err) == (1, "")
    seen = json.loads(out)
    assert not seen["healthy"]
    ((finding,),) = [check["findings"] for check in seen["checks"]]
    assert finding["severity"] == "error"
    assert f"no bot runs with the data folder {nowhere}" in finding["what"]
    assert "chatbot run" in finding["remedy"]
    assert not nowhere.exists()


async def test_a_server_that_is_down_is_a_finding_and_a_wrong_command_line_is_none(
    program: Program,
) -> None:
    code, out, err = await program.run("doctor", "--nats", f"nats://s3cret@127.0.0.1:{free_port()}")
    assert (code, err) == (1, "")
    assert "no NATS server answers at" in out
    assert "is it running" in out
    assert "s3cret" not in out
    code, out, err = await program.run("doctor", "--nats", "http://x")
    assert (code, out) == (2, "")
    assert "not a NATS address" in err
    code, out, err = await program.run("doctor", "nosuch")
    assert (code, out) == (2, "")
    assert "no flow of that name" in err


@asynccontextmanager
async def nats(folder: Path, *lines: str) -> AsyncIterator[str]:
    """Run a server with lines of configuration of its own; yields its address."""
    port = free_port()
    path = folder / "own.conf"
    path.write_text("\n".join([f"listen: 127.0.0.1:{port}", *lines]))
    process = await asyncio.create_subprocess_exec(
        *(_executable(), "-c", str(path)), stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(20.0):
            async for line in process.stderr:
                if b"Server is ready" in line:
                    break
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.communicate()


async def test_a_server_without_jetstream_is_told(tmp_path: Path) -> None:
    async with nats(tmp_path) as url:
        ((finding,),) = [check.findings for check in (await doctor(None, (), url, None)).checks]
    assert "has no JetStream" in finding.what
    assert "nats-server -js" in finding.remedy


async def test_an_empty_server_is_well_and_stays_empty(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    report = await doctor(None, (), nats_server.url, None)
    assert report.healthy
    assert [check.name for check in report.checks] == SERVED
    assert await broker.js.streams_info() == []


async def test_a_bot_that_is_well_is_told_so(
    program: Program, broker: Broker, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    (tmp_path / "open").touch()
    path = gated(tmp_path)
    async with taking(broker, path), serving(broker, "test_gate"):
        await hear(broker, message("a"))
        await outcomes(broker, 1)
        await settled(broker)
        assert await found(broker, path) == {}
        url = {NATS_URL: nats_server.url}
        code, out, err = await program.run("doctor", str(path), COLUMNS="80", **url)
        assert (code, err) == (0, "")
        assert "All is well." in out
        assert "7 streams and buckets as they should be" in out
        assert max(len(line) for line in out.splitlines()) <= 80
        code, out, err = await program.run("doctor", "--json", **url)
        assert (code, err) == (0, "")
        seen = json.loads(out)
        assert seen["healthy"]
        assert [(each["name"], each["findings"]) for each in seen["checks"]] == [
            (name, []) for name in SERVED
        ]


async def test_the_embedded_servers_disk_is_looked_at(program: Program) -> None:
    async with program.start("run", "support", "--no-node") as bot:
        await bot.wait_for("listens: console")
        code, out, err = await program.run("doctor", "--json")
        assert (code, err) == (1, "")
        seen = {check["name"]: check for check in json.loads(out)["checks"]}
        assert str(program.data / "nats") in seen["disk"]["seen"]
        (found,) = [each["findings"] for each in seen.values() if each["findings"]]
        (told,) = [each for each in found if each["severity"] == "error"]
        assert "no node runs classify of the flow support: its work waits" in told["what"]
        assert told["remedy"] == "chatbot node run classify_text"
        others = [each["what"].partition(" of ")[0] for each in found if each != told]
        assert sorted(others) == ["no node runs earlier", "no node runs faq"]


def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path) -> None:
    assert disk(tmp_path, room=1) == []
    assert disk(tmp_path, share=0.0) == []
    (finding,) = disk(tmp_path, share=1.0, room=10**18)
    assert str(tmp_path) in finding.what
    assert "left of" in finding.what
    assert "--data" in finding.remedy


async def test_settings_that_differ_are_told_until_a_bot_sets_them_right(broker: Broker) -> None:
    await ensure(broker, Storage())
    await open_bucket(broker, subjects.LOCKS)

    async def alter(name: str, **settings: Any) -> None:
        await broker.js.update_stream((await config(broker, name)).evolve(**settings))

    await alter(OUT, max_age=10 * DAY)
    severity, what, remedy = await only(broker, "settings")
    assert severity == "warning"
    assert f"{OUT} is set up otherwise than it should be: max_age 10d → 14d" in what
    assert "start the bot again" in remedy
    await alter(OUT, max_age=5 * DAY)
    _, (severity, what, _) = (await found(broker))["settings"]
    assert severity == "error"
    assert "a message could be answered a second time" in what
    await alter(OUT, max_age=14 * DAY, discard_new_per_subject=False)
    assert (await only(broker, "settings"))[0] == "error", "it keeps a second outcome out"
    await alter(OUT, discard_new_per_subject=True)
    await alter(f"KV_{subjects.LOCKS}", max_age=60.0)
    assert f"KV_{subjects.LOCKS}" in (await only(broker, "settings"))[1]
    await broker.js.delete_stream(subjects.DEAD)
    assert "CHATBOT_DEAD is not there" in (await found(broker))["settings"][1][1]
    await ensure(broker, Storage())
    await open_bucket(broker, subjects.LOCKS)
    assert await found(broker) == {}


async def test_what_a_file_asks_for_is_compared_with_what_there_is(
    broker: Broker, tmp_path: Path
) -> None:
    await ensure(broker, Storage())
    path = gated(tmp_path)
    assert await found(broker, path) == {}
    told = (await found(broker, path, "storage.keep=3d", "storage.replicas=3"))["settings"]
    assert [what.rpartition(": ")[2] for _, what, _ in told] == [
        "max_age 7d → 3d",
        "max_age 14d → 6d",
    ]
    severity, what, remedy = await only(broker, "copies", path, "storage.replicas=3")
    assert severity == "error"
    assert what == "the flow test asks for 3 copies, and there is 1 server"
    assert "auto" in remedy


async def test_what_cannot_be_changed_in_place_is_told(broker: Broker) -> None:
    name = subjects.WORK
    await broker.js.add_stream(
        name=name, subjects=["chatbot.work.>"], retention=RetentionPolicy.LIMITS, max_age=3600
    )
    told = (await found(broker))["settings"]
    _, what, remedy = next(each for each in told if "retention" in each[1])
    assert "retention limits → workqueue" in what
    assert "cannot be changed in place" in remedy


async def test_what_another_version_has_set_up_is_told(broker: Broker) -> None:
    await as_before(broker)
    _, what, remedy = await only(broker, "settings")
    assert what.startswith("set up by an older chatbot: CHATBOT_DEAD")
    assert what.count(",") == 10
    assert "start the bot again" in remedy
    await ensure(broker, Storage())
    newer = (await config(broker, IN)).evolve(max_age=1, metadata={FORMAT_KEY: str(FORMAT + 1)})
    await broker.js.update_stream(newer.evolve(duplicate_window=1))
    told = (await found(broker))["settings"]
    assert any(f"newer chatbot, and left alone by this one: {IN}" in each[1] for each in told)
    assert not any("otherwise" in each[1] for each in told)


async def test_a_stream_that_is_nearly_full_is_told(broker: Broker) -> None:
    await ensure(broker, Storage(size=10_000))

    async def fill(name: str, size: int) -> None:
        subject = subjects.in_subject("test", subjects.Lane.PEOPLE, "net", name)
        await broker.publish(subject, b"x" * size)

    await fill("a", 7000)
    assert await found(broker) == {}
    await fill("b", 1500)
    severity, what, remedy = (await found(broker))["room"][0]
    assert severity == "warning"
    assert f"{IN} is 87% full, of 10 KB" in what
    assert "storage.size" in remedy
    await fill("c", 900)
    assert (await found(broker))["room"][0][0] == "error"


async def test_the_accounts_limits_are_told(tmp_path: Path) -> None:
    limits = "{max_mem: 1MB, max_file: 100KB, max_streams: 5}"
    account = f"accounts {{ A {{ users: [{{user: u, password: p}}], jetstream: {limits} }} }}"
    store = f"jetstream {{ store_dir: {json.dumps(str(tmp_path / 'store'))} }}"
    async with nats(tmp_path, store, account, "no_auth_user: u") as url:
        async with connect(url, name="test") as broker:
            await broker.js.add_stream(name="others", subjects=["others"])
            await broker.publish("others", b"x" * 85_000)
            severity, what, remedy = await only(broker, "room")
    assert severity == "warning"
    assert "JetStream storage of our account" in what
    assert "of 102 KB are used" in what
    assert "max_file" in remedy


async def test_messages_that_no_primary_takes_are_told(broker: Broker, tmp_path: Path) -> None:
    path = gated(tmp_path)
    async with taking(broker, path):
        pass
    await hear(broker, message("a"), message("b"))
    _, what, remedy = await only(broker, "primaries")
    assert what == "2 messages wait, and no primary runs the flow test"
    assert "chatbot run" in remedy
    async with taking(broker, path):
        _, what, remedy = await only(broker, "nodes")
        assert "no node runs gate of the flow test" in what
        assert remedy == "chatbot node run test_gate"
        async with serving(broker, "test_gate"):
            (tmp_path / "open").touch()
            await outcomes(broker, 2)
            assert await found(broker) == {}


async def test_processes_of_another_protocol_are_told(broker: Broker) -> None:
    bucket = await open_bucket(broker, subjects.ROSTER)
    stranger = {"protocol": 1, "version": "0.0.9", "host": "elsewhere", "pid": 7}
    await bucket.put("node.old", msgspec.msgpack.encode(stranger))
    severity, what, remedy = await only(broker, "versions")
    assert severity == "warning"
    assert "the node on elsewhere (process 7); it speaks protocol 1 (chatbot 0.0.9)" in what
    assert remedy == "upgrade chatbot there"


async def test_a_machine_whose_clock_is_wrong_is_told(broker: Broker) -> None:
    bucket = await open_bucket(broker, subjects.ROSTER)
    now = datetime.now(UTC)
    late, early = now - timedelta(minutes=10), now + timedelta(seconds=30)
    await bucket.put("node.n", msgspec.structs.replace(NODE, time=late).encode())
    await bucket.put("primary.p", msgspec.structs.replace(PRIMARY, time=early).encode())
    node, primary = sorted((await found(broker))["clocks"], key=lambda each: "node" not in each[1])
    assert (
        "clock of the node on elsewhere (process 1) is 10 min behind the NATS server's" in node[1]
    )
    assert "primary on here (process 2) is 30.0 s ahead of" in primary[1]
    assert "timedatectl" in node[2]


async def test_the_servers_clock_is_compared_with_this_machines(broker: Broker) -> None:
    await streams.ensure(broker, streams.account_streams())
    same = await of_server(broker, subjects.WORK)
    assert abs(same.ahead) <= same.within + 0.1, "it is on this machine"
    assert clocks(same, []) == []
    (finding,) = clocks(Clock(ahead=-90.0, within=0.1), [])
    assert finding.what == "this machine's clock is 90.0 s ahead of the NATS server's"
    assert clocks(Clock(ahead=30.0, within=29.0), []) == [], "a slow answer says nothing"


@pytest.mark.crash
async def test_a_cluster_that_lost_a_server_is_told(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (urls, servers), asyncio.timeout(60):
        await have_a_leader(urls)
        async with connect(urls[0], name="test") as broker:
            await ensure(broker, Storage())
            while await found(broker):
                pass  # copies are made
            assert broker.servers == 3
            servers[2].terminate()
            told: Any = {}
            while set(told) != {"copies"}:
                with contextlib.suppress(*broker.errors):  # leaders are elected
                    told = await found(broker)
            (copies,) = told["copies"]
            assert copies[1].startswith("the server n2 is away or behind; it has a copy of CHATBOT")
