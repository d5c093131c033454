"""Children and signals."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from chatbot import service
from chatbot.errors import ChildError
from tests.servers.processes import environment


async def test_a_child_that_says_trying_again_is_useless_ends_what_needs_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with asyncio.timeout(20):
        async with service.child(["node", "run", "nosuch"], environment(tmp_path)) as failure:
            with pytest.raises(ChildError, match="node run nosuch"):
                await service.unless(failure, asyncio.Event().wait())
    assert "no operation 'nosuch'" in capfd.readouterr().err


async def test_what_is_run_unless_something_fails_gives_its_result(tmp_path: Path) -> None:
    arguments = ["node", "run", "test_shout"]
    async with service.child(arguments, environment(tmp_path)) as failure:
        assert await service.unless(failure, asyncio.sleep(0, "done")) == "done"


def test_the_first_signal_drains() -> None:
    left: list[str] = []

    async def main() -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            left.append("in order")
        return 1

    assert service.run(main, draining=lambda: left.append("draining")) == 0
    assert left == ["draining", "in order"]


def test_an_exit_code_is_passed_on() -> None:
    async def main() -> int:
        return 3

    assert service.run(main) == 3
