"""The processes that events happen to, each in a slot where it is started again when it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager

from tests.servers.crashing import Site
from tests.servers.processes import Process
from tests.soak.schedule import SERVER, Event, What

FLEET: Mapping[str, str] = {
    "bot-1": "bot",
    "bot-2": "bot",
    "primary-1": "primary",
    "node-1": "node",
    "node-2": "node",
    "node-3": "node",
}
"""What runs in each slot."""


class Fleet:
    """Runs a process in each slot, and has events happen to them. Made by `open`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._slots = {name: _Slot(site, name, kind) for name, kind in FLEET.items()}
        self._group: asyncio.TaskGroup
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, site: Site) -> AsyncIterator[Fleet]:
        """Run the fleet for the block's duration; raises what nobody did to it."""
        fleet = cls(site)
        async with asyncio.TaskGroup() as group:
            for slot in fleet._slots.values():
                group.create_task(slot.keep())
            fleet._group = group
            yield fleet
            await fleet.rest()
            for slot in fleet._slots.values():
                slot.close()

    def do(self, event: Event) -> None:
        """Have an event happen; what of it takes time goes on by itself."""
        task = self._group.create_task(self._do(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def rest(self) -> None:
        """Wait until nothing happens any more, and every slot has a process that runs."""
        await asyncio.gather(*self._tasks)
        for slot in self._slots.values():
            await slot.running.wait()

    async def _do(self, event: Event) -> None:
        if event.whom == SERVER:
            number = signal.SIGKILL if event.what is What.KILL else signal.SIGTERM
            await self._site.restart_server(number)
        elif event.what is What.JOIN:
            extra = _Slot(self._site, f"{event.whom}+", FLEET[event.whom])
            asyncio.get_running_loop().call_later(event.seconds, extra.close)
            await extra.keep()
        elif event.what is What.FREEZE:
            await self._slots[event.whom].freeze(event.seconds)
        else:
            number = signal.SIGKILL if event.what is What.KILL else signal.SIGTERM
            self._slots[event.whom].end(number, event.seconds)


class _Slot:
    """A place for one process; where nobody ended it, its end is a failure."""

    def __init__(self, site: Site, name: str, kind: str) -> None:
        self._site = site
        self._name = name
        self._kind = kind
        self._process: Process | None = None
        self._pause: float | None = None
        self.running = asyncio.Event()
        self._closed = asyncio.Event()

    async def keep(self) -> None:
        """Run a process, and another when it was ended, until the slot is closed."""
        while not self._closed.is_set():
            async with self._site.start(self._kind) as own:
                self._process, self._pause = own, None
                self.running.set()
                await _first(own.process.wait(), self._closed.wait())
                self.running.clear()
                if self._closed.is_set():
                    return
                if self._pause is None:
                    code = own.process.returncode
                    raise AssertionError(f"{self._name} ended by itself ({code}):\n{own.err}")
            await asyncio.sleep(self._pause)

    def close(self) -> None:
        """Have its process drained, and no other started."""
        self._closed.set()

    def end(self, number: signal.Signals, pause: float) -> None:
        if self._process is not None and self.running.is_set():
            self._pause = pause
            self._process.signal(number)

    async def freeze(self, seconds: float) -> None:
        process = self._process
        if process is None or not self.running.is_set():
            return
        process.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        process.signal(signal.SIGCONT)


async def _first(*bodies: Coroutine[object, object, object]) -> None:
    """Return when one of them has."""
    tasks = [asyncio.ensure_future(body) for body in bodies]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
