"""The listeners of a bot: those that its flow names, each while this process has its lease."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any

from chatbot.broker import Broker, lease
from chatbot.broker.state import State
from chatbot.errors import UsageError
from chatbot.flowfile.flow import Flow, ListenerSection
from chatbot.listeners.bridge import Listener, NatsBridge, always
from chatbot.listeners.gate import Conduct, Gate
from chatbot.policy import Policy, Rules

LISTENERS = "chatbot.listener"
CONSOLE = "console"
JSONL = "jsonl"
TERMINALS = (CONSOLE, JSONL)

Make = Callable[[ListenerSection], Listener]


def sections_of(flow: Flow, *, console: bool = False, jsonl: bool = False) -> list[ListenerSection]:
    """Return the sections of the listeners to run: those that are on.

    With `console`, and where there is no other, the console is one of them; with `jsonl`, lines
    of JSON are instead.
    """
    sections = [e for e in flow.listeners.values() if e.kind not in TERMINALS and e.on]
    if jsonl:
        given = [each for each in flow.listeners.values() if each.kind == JSONL]
        sections += given or [ListenerSection(JSONL, JSONL, {})]
    elif console or not any(hears(each) for each in sections):
        given = [each for each in flow.listeners.values() if each.kind == CONSOLE]
        sections += given or [ListenerSection(CONSOLE, CONSOLE, {})]
    return sections


def hears(section: ListenerSection) -> bool:
    """Whether anybody can talk to it; some only do what the flow wants."""
    return bool(getattr(_kind(section), "hears", True))


class Listening:
    """The listeners that run; some may be replaced while the others stay connected."""

    def __init__(
        self, sections: Sequence[ListenerSection], rules: Rules, make: Make | None = None
    ) -> None:
        """Make the listeners; raises `UsageError` for settings that they do not accept.

        `make` makes one of a section, where it is not to be the one that is installed.
        """
        self._make = make or made
        self._stations: list[_Station] = []
        self._changed = asyncio.Event()
        self.prepare(sections, rules)()

    @property
    def names(self) -> list[str]:
        """What the listeners are, for people."""
        return [station.listener.describe() for station in self._stations]

    def prepare(self, sections: Sequence[ListenerSection], rules: Rules) -> Callable[[], None]:
        """Make the listeners that are new or have other settings; return what puts them in.

        Those that only have another policy, or other rules, stay connected. Raises `UsageError`
        for settings that they do not accept, and then nothing has changed.
        """
        known = {station.section.name: station for station in self._stations}
        stations = []
        for section in sections:
            station = known.get(section.name)
            same = station is not None and _settings(station.section) == _settings(section)
            if station is None or not same:
                station = _Station(section, self._make(section), Conduct(section.policy, rules))
            stations.append(station)

        def put_in() -> None:
            for station, section in zip(stations, sections, strict=True):
                station.conduct.policy, station.conduct.rules = section.policy, rules
            self._stations = stations
            self._changed.set()

        return put_in

    async def run(self, broker: Broker, flow: str) -> None:
        """Listen for `flow`; return when one that can end (a console) has ended, else never."""
        tasks: dict[asyncio.Task[None], _Station] = {}
        try:
            while True:
                self._changed.clear()
                self._adjust(tasks, broker, flow)
                await self._wait(set(tasks))
                for task in [task for task in tasks if task.done()]:
                    if tasks.pop(task) in self._stations:
                        return task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _adjust(self, tasks: dict[asyncio.Task[None], _Station], broker: Broker, flow: str) -> None:
        for task, station in tasks.items():
            if station not in self._stations:
                task.cancel()
        running = list(tasks.values())
        for station in self._stations:
            if station not in running:
                tasks[asyncio.ensure_future(_run_one(broker, flow, station))] = station

    async def _wait(self, tasks: set[asyncio.Task[None]]) -> None:
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({change, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await change


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Station:
    section: ListenerSection
    listener: Any
    conduct: Conduct


def _settings(section: ListenerSection) -> ListenerSection:
    return dataclasses.replace(section, policy=Policy())


def _kind(section: ListenerSection) -> Any:
    """Return the class of a listener; raises `UsageError` where it is not one and only one."""
    points = {point.value: point for point in entry_points(group=LISTENERS, name=section.kind)}
    if len(points) != 1:
        told = " and ".join(sorted(points)) or "no package"
        raise UsageError(
            f"listeners.{section.name}: the kind {section.kind} is of {told}",
            hint="uninstall all packages with that kind but one" if points else "",
        )
    [point] = points.values()
    return point.load()


def made(section: ListenerSection) -> Listener:
    """Return the listener of a section; raises `UsageError` for settings that it refuses."""
    kind = _kind(section)
    listener: Listener = kind(*terms(section, kind))
    return listener


def terms(section: ListenerSection, kind: Any) -> tuple[str, Any]:
    """Return what a listener of the class `kind` is made of: its network's name, its settings.

    A `transient` one, which is this process's alone, has a network of its own. Raises
    `UsageError`.
    """
    known = {field.name for field in dataclasses.fields(kind.settings_type)}
    own = kind.settings_type(**{k: v for k, v in section.settings.items() if k in known})
    problems = own.problems() if hasattr(own, "problems") else []
    if problems:
        told = "; ".join(f"{key} {wrong}" for key, wrong in problems)
        raise UsageError(f"listeners.{section.name}: {told}")
    transient = getattr(kind, "transient", False)
    return f"{section.name}-{secrets.token_hex(4)}" if transient else section.name, own


async def _run_one(broker: Broker, flow: str, station: _Station) -> None:
    listener = station.listener
    transient = getattr(listener, "transient", False)
    bulk = station.section.priority == "bulk"

    async def body(is_ours: Callable[[], bool] = always) -> None:
        state = None if transient else await State.open(broker, flow)
        async with (
            NatsBridge.open(
                broker, flow, listener.network, transient=transient, bulk=bulk, is_ours=is_ours
            ) as bridge,
            Gate.open(
                bridge,
                station.conduct,
                flow=flow,
                network=listener.network,
                name=station.section.name,
                state=state,
            ) as gate,
        ):
            await listener.run(gate)

    if transient:
        await body()
        return
    fence = lease.Fence()
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    await lease.hold(
        broker, f"{flow}.{listener.network}", owner, lambda: body(fence.is_ours), fence
    )
