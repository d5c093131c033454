"""A process of the benchmark's own, asked over its stdin, answering over its stdout.

A line of JSON each; the first one that it prints says that it is ready. Standard library only:
what other systems are measured with runs under their own environment's Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600.0
"""Seconds that an answer may take: a million contexts on a slow machine."""

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Companion:
    """The other end of a running `serve`. Made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name

    @classmethod
    @asynccontextmanager
    async def start(
        cls, module: str, *arguments: str, python: str | Path = sys.executable
    ) -> AsyncIterator[Companion]:
        """Run `module` of this package for the block's duration; inside, it is ready."""
        process = await asyncio.create_subprocess_exec(
            str(python),
            "-m",
            f"{__package__}.{module}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "plugin"))),
            },
            limit=64 * 1024 * 1024,
        )
        companion = cls(process, module)
        try:
            await companion._answer()
            yield companion
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it ends when it reads the end
            try:
                async with asyncio.timeout(10.0):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Return its answer to `request`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await self._process.stdin.drain()
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with status {await self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


async def serve(answer: Answer) -> None:
    """Say that we are ready, and answer until the other end closes."""
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    _say({"ready": True})
    while line := await reader.readline():
        _say(await answer(json.loads(line)))


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
