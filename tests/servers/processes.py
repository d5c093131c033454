"""The program itself, in processes of its own, as a person would start them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "tests" / "plugin"


def environment(data: Path, **extra: str) -> dict[str, str]:
    """Return what a process is told: a data folder of its own, and no server but that one."""
    ours = ("CHATBOT_", "MAKE", "MFLAGS", "PYTHONDONTWRITEBYTECODE")  # compiled, as installed
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {
        **kept,
        "CHATBOT_DATA": str(data),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join((str(PLUGIN), str(ROOT))),  # this tree, wherever it lies
        "COLUMNS": "200",
        **extra,
    }


class Process:
    """A running `chatbot` with its output."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self.process = process
        self.name = name
        self.out = ""
        self.err = ""
        self._changed = asyncio.Event()
        self._readers = [
            asyncio.ensure_future(self._read(process.stdout, "out")),
            asyncio.ensure_future(self._read(process.stderr, "err")),
        ]

    @property
    def pid(self) -> int:
        return self.process.pid

    async def wait_for(self, text: str, timeout: float = 60.0) -> None:
        """Wait until `text` was printed, on either stream."""
        async with asyncio.timeout(timeout):
            while text not in self.out and text not in self.err:
                if self.process.returncode is not None:
                    raise AssertionError(f"{self.name} ended\n{self.out}\n{self.err}")
                self._changed.clear()
                await self._changed.wait()

    async def ended(self, timeout: float = 170.0) -> int:
        async with asyncio.timeout(timeout):
            await self.process.wait()
            await asyncio.gather(*self._readers)
        assert self.process.returncode is not None
        return self.process.returncode

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.process.wait()

    async def _read(self, stream: asyncio.StreamReader | None, name: str) -> None:
        assert stream is not None
        while data := await stream.read(65536):
            setattr(self, name, getattr(self, name) + data.decode(errors="replace"))
            self._changed.set()
        self._changed.set()


class Program:
    """Starts the program with a data folder of the test's own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.entry = ["chatbot"]
        """What stands behind `python -m`, before the arguments."""

    @asynccontextmanager
    async def start(self, *arguments: str, **extra: str) -> AsyncIterator[Process]:
        """Run `chatbot` with `arguments` for the block's duration."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # as the installed command has it: what lies here is no module
            "-m",
            *self.entry,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(self.data, **extra),
            cwd=self.data,
        )
        running = Process(process, f"chatbot {' '.join(arguments)}")
        try:
            yield running
        except BaseException:
            sys.stderr.write(f"--- {running.name}\n{running.out}\n{running.err}\n")
            raise
        finally:
            running.signal(signal.SIGTERM)
            try:
                await running.ended(30.0)
            except TimeoutError:
                await running.kill()
                raise

    async def run(self, *arguments: str, stdin: str = "", **extra: str) -> tuple[int, str, str]:
        """Run `chatbot` to its end; return its exit code and output."""
        async with self.start(*arguments, **extra) as running:
            assert running.process.stdin is not None
            running.process.stdin.write(stdin.encode())
            running.process.stdin.close()
            return await running.ended(), running.out, running.err

    async def status(self) -> dict[str, Any]:
        code, out, err = await self.run("status", "--json")
        assert code == 0, err
        found: dict[str, Any] = json.loads(out)
        return found


@pytest.fixture
def program(tmp_path: Path) -> Program:
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    return Program(data)


async def until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)
