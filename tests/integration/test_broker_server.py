"""The embedded server: private, alone in its folder, started again, and TLS with a pin."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbot.broker import Broker, EmbeddedServer, connect
from chatbot.broker.address import Address
from chatbot.broker.buckets import open_bucket
from chatbot.broker.nats_compat import Client
from chatbot.broker.server import Listen, running
from chatbot.broker.subjects import LEASES
from chatbot.errors import ConnectError, ServerError
from tests.servers.frozen import freeze
from tests.servers.irc import free_port
from tests.servers.processes import ROOT, environment, until

STARTER = """
import asyncio, sys
from pathlib import Path
from chatbot.broker import EmbeddedServer
async def main():
    async with EmbeddedServer.start(Path(sys.argv[1])) as server:
        print(server.pid, server.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def refused(url: str) -> ConnectError:
    with pytest.raises(ConnectError) as raised:
        async with asyncio.timeout(10), connect(url, name="test"):
            pass
    return raised.value


async def test_what_it_stores_is_private(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir(mode=0o755)
    listen = Listen("127.0.0.1", free_port())
    async with EmbeddedServer.start(tmp_path, listen=listen):
        folder = tmp_path / "nats"
        assert mode(folder) == 0o700
        for name in ("token", "nats.conf", "server.json", "server.key", "server.crt"):
            assert mode(folder / name) == 0o600, name
    assert not (folder / "server.json").exists()


async def test_its_token_is_on_no_command_line_and_in_no_log(
    nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    token = Address.parse(nats_server.url).token
    assert token
    commands = b"".join(_read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
    assert token.encode() not in commands
    assert token not in (tmp_path / "data" / "nats" / "nats.log").read_text()


@pytest.mark.parametrize("credential", ["", "wrong@", "user:wrong@"])
async def test_nobody_gets_in_without_the_token(
    nats_server: EmbeddedServer, credential: str
) -> None:
    host = nats_server.url.rpartition("@")[2]
    error = await refused(f"nats://{credential}{host}")
    assert "refuses our credentials" in str(error)
    assert "wrong" not in f"{error}{error.hint}"


async def test_a_folder_is_one_servers_at_a_time(tmp_path: Path) -> None:
    async with EmbeddedServer.start(tmp_path) as first:
        with pytest.raises(ServerError) as raised:
            async with EmbeddedServer.start(tmp_path):
                pass
        assert "--data" in raised.value.hint
        async with connect(first.url, name="test"):
            assert running(tmp_path) == first.url
    assert running(tmp_path) is None
    async with EmbeddedServer.start(tmp_path):
        pass


async def test_a_killed_server_is_started_again_where_it_was(
    nats_server: EmbeddedServer, broker: Broker
) -> None:
    bucket = await open_bucket(broker, LEASES)
    await bucket.put("a", b"kept")
    url, first = nats_server.url, nats_server.pid
    for _ in range(2):
        killed = nats_server.pid
        os.kill(killed, signal.SIGKILL)
        await until(lambda: nats_server.pid != killed, 5.0)  # noqa: B023
        async with connect(nats_server.url, name="again") as again:
            entry = await (await open_bucket(again, LEASES)).get("a")
            assert entry is not None
            assert entry.value == b"kept"
    assert nats_server.url == url
    assert nats_server.pid != first


async def test_it_ends_with_its_block_even_if_it_was_just_killed(tmp_path: Path) -> None:
    async with EmbeddedServer.start(tmp_path) as server:
        os.kill(server.pid, signal.SIGKILL)
    await until(lambda: not alive(server.pid), 5.0)


async def test_a_start_that_is_cancelled_leaves_no_server_behind(tmp_path: Path) -> None:
    async def serve() -> None:
        async with EmbeddedServer.start(tmp_path):
            await asyncio.Event().wait()

    serving = asyncio.ensure_future(serve())
    await until((tmp_path / "nats" / "nats.log").exists)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert _servers_in(tmp_path) == []
    async with EmbeddedServer.start(tmp_path):
        pass


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A process that runs a server; the server is frozen, so that no signal but one ends it."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(tmp_path),
    ) as process:
        assert process.stdout is not None
        pid, url = process.stdout.readline().split()
        yield process, int(pid), url
        process.kill()


async def test_a_killed_starter_leaves_no_server_behind(
    starter: tuple[subprocess.Popen[str], int, str], tmp_path: Path
) -> None:
    process, pid, url = starter
    assert running(tmp_path) == url
    process.kill()
    process.wait()
    await until(lambda: not alive(pid), 5.0)
    assert running(tmp_path) is None, "what it left behind names no server"


async def test_a_server_that_outlived_its_starter_is_ended_on_the_next_start(
    starter: tuple[subprocess.Popen[str], int, str], tmp_path: Path
) -> None:
    process, pid, _ = starter
    freeze(pid)  # it cannot take the signal that ends it with its starter
    process.kill()
    process.wait()
    assert alive(pid)
    async with EmbeddedServer.start(tmp_path) as server:
        assert not alive(pid)
        assert server.pid != pid
        async with connect(server.url, name="test"):
            pass
    assert _servers_in(tmp_path) == []


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    port = free_port()
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with taken:
        with pytest.raises(ServerError) as raised:
            async with EmbeddedServer.start(tmp_path, listen=Listen("127.0.0.1", port)):
                pass
    assert "in use" in raised.value.hint
    async with EmbeddedServer.start(tmp_path):
        pass


async def test_other_machines_come_in_with_the_pinned_certificate_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot.broker.connection.PATIENCE", 0.5)
    listen = Listen("127.0.0.1", free_port())
    async with EmbeddedServer.start(tmp_path, listen=listen) as server:
        url = server.remote_url
        assert url is not None
        assert url.startswith("tls://")
        async with connect(url, name="node") as broker:
            await (await open_bucket(broker, LEASES)).put("a", b"x")
        right = Address.parse(url).pin
        assert right
        wrong = await refused(url.replace(right, "0" * 64))
        assert "another certificate" in str(wrong)
        unpinned = await refused(url.partition("?")[0])
        assert "refuses our credentials" not in str(unpinned), "the token was not even sent"
        in_the_clear = await refused(url.partition("?")[0].replace("tls://", "nats://"))
        assert str(Address.parse(url).token) not in f"{wrong}{unpinned}{in_the_clear}"
    async with EmbeddedServer.start(tmp_path, listen=listen) as server:
        assert server.remote_url == url, "nodes' commands stay the same"


async def test_a_node_with_a_pin_comes_back_when_the_server_was_killed(tmp_path: Path) -> None:
    listen = Listen("127.0.0.1", free_port())
    async with EmbeddedServer.start(tmp_path, listen=listen) as server:
        async with connect(server.url, name="node") as broker:
            bucket = await open_bucket(broker, LEASES)
            os.kill(server.pid, signal.SIGKILL)
            async with asyncio.timeout(10):
                await bucket.put("a", b"x")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def _servers_in(folder: Path) -> list[str]:
    found = [_read(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    return [
        command.decode(errors="replace")
        for command in found
        if str(folder).encode() in command and b"nats-server" in command
    ]


async def test_the_next_server_of_a_folder_has_the_same_address(tmp_path: Path) -> None:
    """So a node that was there before is there again when the bot is."""
    async with EmbeddedServer.start(tmp_path / "data") as server:
        url = server.url
    async with EmbeddedServer.start(tmp_path / "data") as server:
        assert server.url == url


async def test_a_port_that_another_has_taken_is_given_up(tmp_path: Path) -> None:
    async with EmbeddedServer.start(tmp_path / "data") as server:
        port = int(server.url.rpartition(":")[2])
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with taken, EmbeddedServer.start(tmp_path / "data") as server:
        assert int(server.url.rpartition(":")[2]) != port


async def test_a_server_that_stands_still_has_one_connection_at_a_time(
    nats_server: EmbeddedServer,
) -> None:
    failed = asyncio.Queue[Exception]()

    async def on_error(error: Exception) -> None:
        failed.put_nowait(error)

    client = Client()
    await client.connect(
        nats_server.url,
        connect_timeout=0.1,  # type: ignore[arg-type]
        reconnect_time_wait=0.01,  # type: ignore[arg-type]
        ping_interval=0.1,  # type: ignore[arg-type]
        max_outstanding_pings=1,
        max_reconnect_attempts=-1,
        error_cb=on_error,
    )
    before = sockets()
    freeze(nats_server.pid)
    try:
        async with asyncio.timeout(20):
            for _ in range(8):
                await failed.get()
        assert sockets() <= before + 1
    finally:
        os.kill(nats_server.pid, signal.SIGCONT)
        await client.close()


def sockets() -> int:
    """Return how many sockets this process has open."""
    found = 0
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # what the folder itself was read with
            found += path.readlink().name.startswith("socket:")
    return found
