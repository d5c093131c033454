"""`chatbot run`: a server if need be, a node if wanted, the primary, and the listeners."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
import shlex
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

from chatbot import service, settings
from chatbot.broker import Broker, EmbeddedServer, connect, lease
from chatbot.broker.server import Listen
from chatbot.commands.screen import Screen
from chatbot.commands.server import serving
from chatbot.errors import UsageError
from chatbot.flowfile.flow import Flow, ListenerSection
from chatbot.flowfile.load import load
from chatbot.labels import fits, of_this_machine
from chatbot.listeners.bridge import Listener, NatsBridge, always
from chatbot.messages import OperationRecord
from chatbot.nodes.roster import Roster
from chatbot.nodes.shortage import may_run, start_commands
from chatbot.orchestrator.primary import primary

LISTENERS = "chatbot.listener"
CONSOLE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line of `chatbot run` says."""

    flow: str
    overrides: Sequence[str] = ()
    nats: str | None = None
    data: Path | None = None
    listen: Listen | None = None
    node: bool = True
    console: bool = False
    listeners: bool = True


async def run(options: RunOptions, screen: Screen) -> int:
    """Run a bot until its console ends or a signal drains it; return the exit code.

    The flow is checked before anything is started or connected to.
    """
    flow = load(options.flow, overrides=options.overrides)
    listeners = make_listeners(flow, options)
    async with AsyncExitStack() as stack:
        with screen.busy("starting"):
            url, server = await stack.enter_async_context(
                serving(options.nats, options.data, options.listen)
            )
            broker = await stack.enter_async_context(connect(url, name=f"chatbot-{flow.name}"))
            roster = await stack.enter_async_context(Roster.follow(broker))
            names = [listener.describe() for listener in listeners]
            intake = await stack.enter_async_context(
                primary(broker, flow, roster, listeners=lambda: names)
            )
            here = for_this_machine(intake.records) if options.node else []
            failure = None
            if here:
                failure = await stack.enter_async_context(local_node(url, here))
        _say_how_to_join(screen, server, intake.records)
        if here:
            with screen.busy(f"starting {', '.join(names_of(here))} on a node"):
                await service.unless(failure, make_ready(here, roster))
        elsewhere = [each for each in intake.records if each not in here]
        if options.node:
            say_what_is_missing(elsewhere, roster, screen)
        for name in names:
            screen.say(f"{flow.name} listens: {name}")
        await service.unless(
            broker.closed, service.unless(failure, _listen(broker, flow, listeners))
        )
    return 0


def make_listeners(flow: Flow, options: RunOptions) -> list[Any]:
    """Return the listeners to run: those that are on; the console where there is no other."""
    if not options.listeners:
        return []
    sections = [
        section for section in flow.listeners.values() if section.kind != CONSOLE and section.on
    ]
    if options.console or not sections:
        given = [s for s in flow.listeners.values() if s.kind == CONSOLE]
        sections += given or [ListenerSection(CONSOLE, CONSOLE, {})]
    return [_make(section) for section in sections]


def _make(section: ListenerSection) -> Listener:
    (point,) = entry_points(group=LISTENERS, name=section.kind)
    kind = point.load()
    known = {field.name for field in dataclasses.fields(kind.settings_type)}
    own = kind.settings_type(**{k: v for k, v in section.settings.items() if k in known})
    problems = own.problems() if hasattr(own, "problems") else []
    if problems:
        told = "; ".join(f"{key} {wrong}" for key, wrong in problems)
        raise UsageError(f"listeners.{section.name}: {told}")
    transient = getattr(kind, "transient", False)
    network = f"{section.name}-{secrets.token_hex(4)}" if transient else section.name
    made: Listener = kind(network, own)
    return made


def for_this_machine(records: Sequence[OperationRecord]) -> list[OperationRecord]:
    """Return the operations that a node on this machine may run, as it has no other labels."""
    labels = of_this_machine(())
    return [record for record in records if fits(record.labels, labels)]


def names_of(records: Sequence[OperationRecord]) -> list[str]:
    return sorted({record.name for record in records})


@asynccontextmanager
async def local_node(
    url: str, records: Sequence[OperationRecord]
) -> AsyncIterator[asyncio.Future[NoReturn]]:
    """Run a node as a process of its own; the credential goes by its environment.

    Yields a future that fails when the node says that it cannot run here.
    """
    environment = settings.child_environment(**{settings.NATS_URL: url})
    arguments = ["node", "run", "--quiet", *names_of(records)]
    async with service.child(arguments, environment) as failure:
        yield failure


async def make_ready(records: Sequence[OperationRecord], roster: Roster) -> None:
    """Wait until nodes offer all of these operations."""
    while not {record.key for record in records} <= roster.offered:
        roster.changed.clear()
        await roster.changed.wait()


def say_what_is_missing(records: Sequence[OperationRecord], roster: Roster, screen: Screen) -> None:
    """Tell people which nodes to start, where none will run an operation."""
    lacking = [r for r in records if not any(may_run(node, r) for node in roster.nodes)]
    for command in start_commands(lacking):
        screen.say(f"waiting for a node; start one with: {command}")


async def _listen(broker: Broker, flow: Flow, listeners: Sequence[Any]) -> None:
    """Run the listeners; return when one that can end (a console) has ended, else never."""
    if not listeners:
        await asyncio.Event().wait()
    tasks = [asyncio.ensure_future(_run_one(broker, flow, listener)) for listener in listeners]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run_one(broker: Broker, flow: Flow, listener: Any) -> None:
    transient = getattr(listener, "transient", False)
    section = flow.listeners.get(listener.network)
    bulk = section is not None and section.priority == "bulk"

    async def body(is_ours: Callable[[], bool] = always) -> None:
        async with NatsBridge.open(
            broker, flow.name, listener.network, transient=transient, bulk=bulk, is_ours=is_ours
        ) as bridge:
            await listener.run(bridge)

    if transient:
        await body()
        return
    fence = lease.Fence()
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    await lease.hold(
        broker, f"{flow.name}.{listener.network}", owner, lambda: body(fence.is_ours), fence
    )


def _say_how_to_join(
    screen: Screen, server: EmbeddedServer | None, records: Sequence[OperationRecord]
) -> None:
    if server is None or server.remote_url is None or not records:
        return
    screen.say("To start a node on another machine, run this there (it holds the credential):")
    for command in start_commands(records):
        screen.say(f"  {settings.NATS_URL}={shlex.quote(server.remote_url)} {command}")
