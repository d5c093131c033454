"""A NATS server without room: nothing is lost, and all goes on when there is some again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer, connect
from chatbot.nodes.roster import Roster
from tests.servers.crashing import Site
from tests.servers.processes import until

TEXTS = [f"text {number}" for number in range(6)]
SIZE = 420
"""MiB; the dead letters may take 256 of the three quarters that the server takes for itself."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk at `folder`; where that is not allowed, skip."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a disk, and not in every container")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more can be written."""
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(1 << 16))
            except OSError:
                return


@pytest.mark.crash
async def test_a_disk_that_was_full_loses_nothing_and_is_used_again_when_there_is_room(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        async with (
            EmbeddedServer.start(disk) as server,
            connect(server.url, name="auditor") as broker,
            Roster.follow(broker) as roster,
            AsyncExitStack() as stack,
        ):
            (tmp_path / "data").mkdir()
            site = Site(tmp_path, server, broker)
            site.post(*TEXTS)
            async with site.start("bot") as bot:
                await site.there(roster, "bot", bot)
                await stack.enter_async_context(site.start("node"))
                await site.finished()
                first = server.pid
                fill(disk / "ballast")
                site.post(*(f"{text} on a full disk {'x' * 2000}" for text in TEXTS))
                await bot.wait_for("lost the lease")
                os.truncate(disk / "ballast", 300 << 20)
                await until(lambda: server.pid != first)
                # What was done when nothing could be written stays written until it is too old.
                await site.finished(emptied=False)
                await site.audit()
