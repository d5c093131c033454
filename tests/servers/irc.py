"""A real ngircd, and real and raw clients to talk to it with."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.frozen import freeze

Predicate = Callable[[str], bool]


def binary(name: str) -> str:
    """Return the path of a program; where it is missing, skip at a desk and fail in CI."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed")
    pytest.skip(f"{name} is not installed")


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate for localhost, and its key, as PEM files."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        """Write a certificate that is its own authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        made = cls(folder / "cert.pem", folder / "key.pem")
        made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made


@dataclass
class Ngircd:
    """An ngircd on a port of its own, which it keeps when it is started again."""

    folder: Path
    password: str = ""
    certificate: Certificate | None = None
    penalty: int = 0
    """Seconds of ngircd's flood penalty at most; 0 is none, -1 its own default."""
    port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Ngircd:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start it; return once it takes connections."""
        config = self.folder / "ngircd.conf"
        config.write_text(self._config())
        self._process = await asyncio.create_subprocess_exec(
            binary("ngircd"),
            "-n",
            "-f",
            str(config),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await reachable(self.port)

    async def stop(self) -> None:
        """End it in order."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it without a chance to say goodbye."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Kill it and start it again on the same port."""
        await self.kill()
        await self.start()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze it: connections stay, nothing is answered."""
        assert self._process is not None
        freeze(self._process.pid)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):  # killed meanwhile
                self._process.send_signal(signal.SIGCONT)

    async def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()

    def _config(self) -> str:
        listen = [
            "[Global]",
            "Name=irc.test.local",
            "Info=test",
            "Listen=127.0.0.1",
            "MotdPhrase=hi",
        ]
        if os.geteuid() == 0:
            listen += ["ServerUID=root", "ServerGID=root"]
        if self.password:
            listen += [f"Password={self.password}"]
        plain = [f"Ports={self.port if not self.certificate else free_port()}"]
        limits = ["[Limits]", "MaxConnectionsIP=0", "MaxNickLength=30", "MaxJoins=0"]
        limits += [f"MaxPenaltyTime={self.penalty}"] if self.penalty >= 0 else []
        options = ["[Options]", "DNS=no", "Ident=no", "PAM=no"]
        return "\n".join([*listen, *plain, *limits, *options, *self._tls(), ""])

    def _tls(self) -> list[str]:
        if self.certificate is None:
            return []
        files = [f"CertFile={self.certificate.certificate}", f"KeyFile={self.certificate.key}"]
        return ["[SSL]", *files, f"Ports={self.port}"]


class RawClient:
    """A person's client that sends and shows the very bytes. Always `close` it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines: list[str] = []
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, nick: str, *channels: str, password: str = "") -> RawClient:
        """Connect, register and join."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        if password:
            client.send(f"PASS {password}")
        client.send(f"NICK {nick}", f"USER {nick} 0 * :{nick}")
        await client.wait_for(" 001 ")
        for channel in channels:
            client.send(f"JOIN {channel}")
            await client.wait_for(" 366 ")
        return client

    def send(self, *lines: str | bytes) -> None:
        """Send lines as they are; text as UTF-8."""
        for line in lines:
            self._writer.write((line.encode() if isinstance(line, str) else line) + b"\r\n")

    def say(self, target: str, *texts: str) -> None:
        """Say each of `texts`."""
        self.send(*(f"PRIVMSG {target} :{text}" for text in texts))

    async def wait_for(self, wanted: str | Predicate, timeout: float = 30.0) -> str:
        """Return the next line with (or for which) `wanted`; older ones are not looked at."""
        matches = _predicate(wanted)
        async with asyncio.timeout(timeout):
            while not matches(line := await self.next_line()):
                pass
        return line

    async def next_line(self) -> str:
        """Return the next line, as latin-1 where it is no UTF-8; answers a PING."""
        data = await self._reader.readline()
        if not data:
            raise ConnectionResetError("the server closed the connection")
        try:
            line = data.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            line = data.decode("latin-1").rstrip("\r\n")
        if line.startswith("PING"):
            self.send("PONG" + line[4:])
        self.lines.append(line)
        return line

    async def close(self) -> None:
        """Leave at once."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def present(port: int, nick: str = "ann", *channels: str) -> AsyncIterator[RawClient]:
    """Have a person in `channels` (or #chan) for the block."""
    client = await RawClient.connect(port, nick, *(channels or ("#chan",)))
    try:
        yield client
    finally:
        await client.close()


class RudeServer:
    """What no real server does, on purpose: the test writes each byte that the bot reads.

    One connection at a time: `accept` waits for it.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.connections = 0
        self._accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self._accepted = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> RudeServer:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await self._server.wait_closed()

    async def accept(self) -> RawClient:
        """Return the next connection: `send` to it and `wait_for` what it says."""
        async with asyncio.timeout(30):
            return RawClient(*await self._accepted.get())

    async def welcome(self, nick: str = "bot", channel: str = "#chan") -> RawClient:
        """Accept the next connection and let it in and into the channel."""
        client = await self.accept()
        await client.wait_for("USER ")
        client.send(f":rude 001 {nick} :hi")
        await client.wait_for("JOIN ")
        client.send(f":{nick}!u@h JOIN :{channel}")
        return client

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self._accepted.put_nowait((reader, writer))


class IiClient:
    """A person who uses ii, a real client that is driven through files."""

    def __init__(self, folder: Path, port: int, nick: str) -> None:
        self._home = folder / f"ii-{nick}"
        self._server = self._home / "127.0.0.1"
        self._port = port
        self._nick = nick
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> IiClient:
        self._home.mkdir()
        command = [binary("ii"), "-i", self._home, "-s", "127.0.0.1", "-p", self._port]
        self._process = await asyncio.create_subprocess_exec(
            *map(str, command), "-n", self._nick, stdout=asyncio.subprocess.DEVNULL
        )
        await self.wait_for("hi", room="")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()

    async def join(self, channel: str) -> None:
        """Join a channel; return once we are in it."""
        self._write(self._server / "in", f"/j {channel}")
        await self.wait_for(f"{self._nick}(", room=channel)

    def say(self, room: str, text: str) -> None:
        """Say one line."""
        self._write(self._server / room.lower() / "in", text)

    def shown(self, room: str) -> list[str]:
        """Return what ii shows of a room (of the server, where `room` is empty)."""
        out = self._server / room.lower() / "out"
        return out.read_text(errors="replace").splitlines() if out.exists() else []

    async def wait_for(self, wanted: str | Predicate, *, room: str, timeout: float = 30.0) -> str:
        """Return the first line of the room with (or for which) `wanted`."""
        matches = _predicate(wanted)
        async with asyncio.timeout(timeout):
            while True:
                for line in self.shown(room):
                    if matches(line):
                        return line
                await asyncio.sleep(0.02)  # a file says no word when it grows

    def _write(self, pipe: Path, line: str) -> None:
        with pipe.open("w") as target:
            target.write(line + "\n")


@pytest.fixture
async def ngircd(tmp_path: Path) -> AsyncIterator[Ngircd]:
    """A fresh ngircd without TLS and without penalties."""
    async with Ngircd(tmp_path) as server:
        yield server


@pytest.fixture
async def ngircd_tls(tmp_path: Path) -> AsyncIterator[Ngircd]:
    """A fresh ngircd with TLS alone and a certificate that no authority vouches for."""
    async with Ngircd(tmp_path, certificate=Certificate.make(tmp_path)) as server:
        yield server


def _predicate(wanted: str | Predicate) -> Predicate:
    if isinstance(wanted, str):
        return lambda line: wanted in line
    return wanted


async def reachable(port: int) -> None:
    """Return once something takes connections at `port`."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return
