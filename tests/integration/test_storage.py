"""What a flow's `storage` says is what the streams do, and a change of it loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.errors import Error
from nats.js.api import (
    DiscardPolicy,
    KeyValueConfig,
    ObjectStoreConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError

from chatbot.broker import Broker, EmbeddedServer, connect, files, streams, subjects
from chatbot.broker.buckets import open_bucket
from chatbot.broker.migration import FORMAT, FORMAT_KEY
from chatbot.broker.objects import LargeValues
from chatbot.broker.server import _executable
from chatbot.broker.subjects import Lane
from chatbot.errors import StorageError
from chatbot.flowfile.load import load
from chatbot.messages import Outcome, Reply
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.primary import primary
from chatbot.storage import Storage
from chatbot.units import DAY
from tests.integration.test_intake import gated, hear, message, outcomes, settled, taking
from tests.integration.test_nodes import serving
from tests.servers.irc import free_port
from tests.servers.processes import until

Server = asyncio.subprocess.Process
IN, OUT = subjects.in_stream("test"), subjects.out_stream("test")


async def config(broker: Broker, stream: str) -> StreamConfig:
    return (await broker.js.stream_info(stream)).config


async def ages(broker: Broker) -> dict[str, float | None]:
    found = {name: (await config(broker, name)).max_age for name in (IN, OUT, subjects.DEAD)}
    return {name.removeprefix("CHATBOT_"): age for name, age in found.items()}


async def ensure(broker: Broker, storage: Storage, flow: str = "test") -> None:
    shared = streams.account_streams(flow, storage)
    await streams.ensure(broker, shared + streams.flow_streams(flow, storage))


async def test_a_changed_storage_section_migrates_what_is_there_without_loss(
    broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "open").touch()
    path = gated(tmp_path)
    said = [message(f"text {number}") for number in range(20)]
    async with taking(broker, path), serving(broker, "test_gate"):
        assert await ages(broker) == {"IN_test": 7 * DAY, "OUT_test": 14 * DAY, "DEAD": 30 * DAY}
        await hear(broker, *said)
        first = await outcomes(broker, 20)
        await settled(broker)
    later = message("later")
    await hear(broker, later)  # while nobody is there
    overrides = ["storage={keep: 2d, outcomes: 3d, dead: 60d, size: 50MB, replicas: 1}"]
    flow = load(path, overrides=overrides)
    async with Roster.follow(broker) as roster, primary(broker, flow, roster):
        assert await ages(broker) == {"IN_test": 2 * DAY, "OUT_test": 3 * DAY, "DEAD": 60 * DAY}
        assert [(await config(broker, name)).max_bytes for name in (IN, OUT)] == [50_000_000] * 2
        async with serving(broker, "test_gate"):
            assert await outcomes(broker, 21) == {**first, later.id: (await one(broker, 21))}
            await hear(broker, *said)
            await settled(broker)
            assert len(await outcomes(broker, 21)) == 21, "none was answered a second time"


async def one(broker: Broker, sequence: int) -> object:
    return Outcome.decode((await broker.js.get_msg(OUT, sequence)).data or b"")


async def test_outcomes_are_kept_for_longer_at_every_step_of_a_change(broker: Broker) -> None:
    seen: list[tuple[float, float]] = []
    long, short = Storage(keep=20 * DAY), Storage(keep=1 * DAY)
    await ensure(broker, short)

    async def watch() -> None:
        while True:
            found = [(await config(broker, name)).max_age or 0.0 for name in (IN, OUT, IN)]
            if found[0] == found[2]:  # both are of one moment
                seen.append((found[0], found[1]))

    watching = asyncio.ensure_future(watch())
    for storage in [long, short] * 10:
        await ensure(broker, storage)
    await until(lambda: len(seen) > 20)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert all(decided > heard for heard, decided in seen)


async def test_the_flow_that_wants_dead_letters_longest_wins(broker: Broker) -> None:
    async def kept() -> float | None:
        return (await config(broker, subjects.DEAD)).max_age

    await ensure(broker, Storage(dead=10 * DAY), "one")
    assert await kept() == 10 * DAY, "shorter than the default: no other flow is there"
    await ensure(broker, Storage(dead=60 * DAY), "two")
    await ensure(broker, Storage(dead=10 * DAY), "one")
    assert await kept() == 60 * DAY
    await streams.ensure(broker, streams.account_streams())  # as a node does
    assert await kept() == 60 * DAY
    await ensure(broker, Storage(dead=5 * DAY), "two")
    assert await kept() == 10 * DAY


async def test_what_an_operator_has_set_beside_ours_stays(broker: Broker) -> None:
    await ensure(broker, Storage())
    await broker.js.update_stream(
        (await config(broker, IN)).evolve(description="ours", max_msg_size=1000)
    )
    await ensure(broker, Storage(keep=8 * DAY))
    found = await config(broker, IN)
    assert (found.description, found.max_msg_size, found.max_age) == ("ours", 1000, 8 * DAY)
    assert found.discard_new_per_subject


async def test_what_was_altered_by_hand_is_set_right(broker: Broker) -> None:
    await ensure(broker, Storage())
    await broker.js.update_stream((await config(broker, OUT)).evolve(max_age=DAY))
    await ensure(broker, Storage())
    assert (await config(broker, OUT)).max_age == 14 * DAY


async def test_a_limit_that_is_passed_already_is_refused_with_the_reason(broker: Broker) -> None:
    await ensure(broker, Storage())
    await heard(broker, "x" * 3000)
    with pytest.raises(StorageError, match=r"keeps 3\.\d+ KB already.*limit it to 2 KB") as error:
        await ensure(broker, Storage(size=2000))
    assert "larger `size`" in error.value.hint
    assert (await config(broker, IN)).max_bytes == -1
    await ensure(broker, Storage(size=4_000_000))


async def heard(broker: Broker, text: str) -> None:
    subject = subjects.in_subject("test", Lane.PEOPLE, "net", text)
    async with asyncio.timeout(10):
        await broker.publish(subject, message(text, key=text[:3]).encode())


async def test_more_than_there_is_room_for_is_refused_with_the_reason(broker: Broker) -> None:
    with pytest.raises(StorageError, match="no room for 1e"):
        await ensure(broker, Storage(size=10**15))
    await ensure(broker, Storage())
    with pytest.raises(StorageError, match="no room for 1e") as error:
        await ensure(broker, Storage(size=10**15))
    assert "max_file_store" in error.value.hint


async def test_copies_that_no_server_is_there_for_are_refused(broker: Broker) -> None:
    with pytest.raises(StorageError, match="has not 3 servers for 3 copies") as error:
        await ensure(broker, Storage(replicas=3))
    assert "auto" in error.value.hint
    await ensure(broker, Storage())
    with pytest.raises(StorageError, match="has not 3 servers for 3 copies"):
        await ensure(broker, Storage(replicas=3))


async def test_what_cannot_be_changed_in_place_is_told(broker: Broker) -> None:
    await broker.js.add_stream(
        name=IN, subjects=[subjects.in_filter("test")], retention=RetentionPolicy.WORK_QUEUE
    )
    with pytest.raises(StorageError, match=f"{IN}.*retention") as error:
        await ensure(broker, Storage())
    assert "chatbot doctor" in error.value.hint


async def as_before(broker: Broker) -> None:
    """Make all as the version before did, which said nothing of storage (678c149)."""
    file, limits = StorageType.FILE, RetentionPolicy.LIMITS
    once = {"max_msgs_per_subject": 1, "discard_new_per_subject": True, "allow_direct": True}
    shared: list[tuple[str, str, RetentionPolicy, float, dict[str, Any]]] = [
        (subjects.WORK, "chatbot.work.>", RetentionPolicy.WORK_QUEUE, 3600.0, {}),
        (subjects.DONE, "chatbot.done.*", RetentionPolicy.INTEREST, 600.0, {}),
        (subjects.DEAD, "chatbot.dead.*", limits, 30 * DAY, {"max_bytes": 256 * 1024 * 1024}),
        (IN, "chatbot.in.test.*.>", limits, 7 * DAY, {"discard": DiscardPolicy.NEW, **once}),
        (OUT, "chatbot.out.test.>", limits, 14 * DAY, {"discard": DiscardPolicy.NEW, **once}),
    ]
    for name, subject, kind, age, more in shared:
        given = {"retention": kind, "max_age": age, "storage": file, "num_replicas": 1, **more}
        await broker.js.add_stream(StreamConfig(name=name, subjects=[subject], **given))
    for name, seconds in BUCKETS.items():
        await broker.js.create_key_value(
            KeyValueConfig(bucket=name, history=1, ttl=seconds, replicas=1)
        )
    await broker.js.create_object_store(subjects.FILES, ObjectStoreConfig(replicas=1))
    await broker.js.create_object_store(
        subjects.VALUES,
        ObjectStoreConfig(description="large values of contexts that run", ttl=7200, replicas=1),
    )


BUCKETS = {subjects.FLOWS: 60, subjects.ROSTER: 10, subjects.LEASES: 5, subjects.LOCKS: 5}
WITHOUT = {"metadata": None, "num_replicas": None}


async def test_what_the_version_before_left_is_taken_over_in_place_without_a_loss(
    broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "open").touch()
    await as_before(broker)
    before = {each.config.name: each for each in await broker.js.streams_info()}
    heard, decided = message("heard"), message("decided")
    for each in (heard, decided):
        subject = subjects.in_subject("test", Lane.PEOPLE, each.network, each.id)
        await broker.publish(subject, each.encode())
    outcome = Outcome(decided.id, decided.network, decided.room, decided.sender, (Reply("old"),))
    await broker.publish(
        subjects.out_subject("test", decided.network, decided.id), outcome.encode()
    )
    await broker.publish(subjects.dead_subject("test"), b"a letter")
    content = b"a file of a flow"
    await (await broker.js.object_store(subjects.FILES)).put(files.name_of(content), content)
    async with taking(broker, gated(tmp_path)), serving(broker, "test_gate"):
        found = await outcomes(broker, 2)
        await settled(broker)
        assert found[decided.id] == outcome, "it is not answered again"
        assert found[heard.id].replies == (Reply("heard"),)
        assert await files.get(broker, files.name_of(content)) == content
        await LargeValues(broker).free(["none"])
        for name in (subjects.LEASES, subjects.LOCKS):
            await open_bucket(broker, name)
    assert (await broker.js.get_msg(subjects.DEAD, 1)).data == b"a letter"
    for now in await broker.js.streams_info():
        if (was := before.get(now.config.name)) is None:
            continue  # the version before had none
        assert (now.config.metadata or {})[FORMAT_KEY] == str(FORMAT), now.config.name
        assert now.created == was.created, "it is the same stream"
        assert now.config.evolve(**WITHOUT) == was.config.evolve(**WITHOUT)
    assert len(before) == 11


async def test_what_a_newer_version_has_set_up_is_left_alone_with_a_warning(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    await ensure(broker, Storage())
    await open_bucket(broker, subjects.ROSTER)
    newer = {FORMAT_KEY: str(FORMAT + 1)}
    names = [IN, OUT, subjects.WORK, f"KV_{subjects.ROSTER}"]
    for name in names:
        found = await config(broker, name)
        await broker.js.update_stream(found.evolve(max_age=12345, metadata=newer))
    caplog.clear()
    await ensure(broker, Storage(keep=2 * DAY))
    bucket = await open_bucket(broker, subjects.ROSTER)
    await bucket.put("a", b"it can be used")
    assert [(await config(broker, name)).max_age for name in names] == [12345] * 4
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 4
    assert all("newer" in text and "upgrade chatbot here" in text for text in told)
    assert {name for name in names if any(name in text for text in told)} == set(names)


async def test_a_full_stream_makes_listeners_wait_and_loses_nothing(broker: Broker) -> None:
    await ensure(broker, Storage(size=4000))
    await heard(broker, "x" * 3000)
    late = asyncio.ensure_future(heard(broker, "y" * 3000))
    await asyncio.wait([late], timeout=0.3)
    assert not late.done()
    await ensure(broker, Storage(size=40_000))
    await late
    assert (await broker.js.stream_info(IN)).state.messages == 2


@contextlib.asynccontextmanager
async def cluster(folder: Path, size: int = 3) -> AsyncIterator[tuple[list[str], list[Server]]]:
    """Run a cluster of real servers, `n0` and so on; yields their addresses, and the servers.

    It does not wait for a leader.
    """
    ports = [(free_port(), free_port()) for _ in range(size)]
    routes = ",".join(f"nats://127.0.0.1:{route}" for _, route in ports)
    running = []
    for number, (port, route) in enumerate(ports):
        running.append(
            await asyncio.create_subprocess_exec(
                *(_executable(), "-a", "127.0.0.1", "-p", str(port), "-js"),
                *("-sd", str(folder / f"{number}"), "-n", f"n{number}"),
                *("--cluster_name", "c", "--cluster", f"nats://127.0.0.1:{route}"),
                *("--routes", routes),
                stderr=asyncio.subprocess.DEVNULL,
            )
        )
    try:
        yield [f"nats://127.0.0.1:{port}" for port, _ in ports], running
    finally:
        for each in running:
            with contextlib.suppress(ProcessLookupError):
                each.kill()
            await each.wait()


async def have_a_leader(urls: list[str]) -> None:
    """Wait until the cluster makes streams on all its servers."""
    client = Client()
    async with asyncio.timeout(30):
        await client.connect(urls, max_reconnect_attempts=-1, error_cb=_ignore)
        while True:
            try:
                await client.jetstream(timeout=0.5).add_stream(name="x", num_replicas=3)
                await client.jetstream().delete_stream("x")
                break
            except (APIError, Error, TimeoutError):
                await asyncio.sleep(0.05)
        await client.close()


async def _ignore(_: Exception) -> None:
    """Servers that are not there yet."""


async def test_on_a_cluster_there_are_three_copies_of_everything(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (urls, _), asyncio.timeout(60):
        await have_a_leader(urls)
        async with connect(",".join(urls), name="test") as broker:
            await ensure(broker, Storage())
            await open_bucket(broker, subjects.ROSTER)
            names = [IN, OUT, subjects.WORK, subjects.DEAD, f"KV_{subjects.ROSTER}"]
            assert [(await config(broker, name)).num_replicas for name in names] == [3] * 5
            await ensure(broker, Storage(replicas=1))
            copies = [(await config(broker, name)).num_replicas for name in names]
            assert copies == [1, 1, 3, 3, 3], "what all share has the most that any flow wants"
            await ensure(broker, Storage())
            assert (await config(broker, IN)).num_replicas == 3, "auto again"


async def test_the_data_of_a_former_version_is_taken_over(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    old = StreamConfig(
        name=subjects.DEAD, subjects=["chatbot.dead.*"], max_age=30 * DAY, max_bytes=256 * 2**20
    )
    await broker.js.add_stream(old)
    await broker.publish(subjects.dead_subject("test"), b"letter")
    await ensure(broker, Storage(dead=40 * DAY))
    info = await broker.js.stream_info(subjects.DEAD)
    assert (info.config.max_age, info.state.messages) == (40 * DAY, 1)
