"""Clocks that are wrong, and that jump: nothing is decided by what a wall clock says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from chatbot.broker import subjects
from chatbot.messages import ChatMessage
from tests.acceptance.test_crash_network import wired
from tests.servers.crashing import FLOW, LAST
from tests.servers.processes import ROOT

TEXTS = [f"text {number}" for number in range(6)]
YEAR = 365 * 86400


class Clock:
    """The wall clock of a process that is started with `environment`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.clock"
        self._library = folder / "clock.so"
        self.jump(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "TEST_CLOCK": str(self._path)}

    def jump(self, seconds: int) -> None:
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))


def build(folder: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make a clock with")
    source = ROOT / "tests" / "servers" / "clock.c"
    library = folder / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)


@pytest.mark.crash
async def test_clocks_that_are_apart_and_jump_lose_and_repeat_nothing(tmp_path: Path) -> None:
    build(tmp_path)
    bots, nodes = Clock(tmp_path, "bot"), Clock(tmp_path, "node")
    bots.jump(-20 * YEAR)
    nodes.jump(20 * YEAR)
    async with wired(tmp_path) as (site, roster, _):
        async with (
            site.start("bot", **bots.environment) as bot,
            site.start("node", **nodes.environment),
        ):
            await site.there(roster, "bot", bot)
            site.post(*TEXTS)
            await site.finished()
            bots.jump(20 * YEAR)
            nodes.jump(-20 * YEAR)
            site.post(LAST)
            await site.finished()
            await site.audit()
            assert "lost" not in bot.err, "no clock took the lease away"
        heard = await site.stored(subjects.in_stream(FLOW), ChatMessage)
        years = [each.time.year for each in heard]
        assert years[-1] - years[0] == 40, "its clock was wrong, and jumped"
