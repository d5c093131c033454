"""`chatbot run`: a server if need be, a node if wanted, the primary, and the listeners."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from chatbot import service, settings
from chatbot.broker import Broker, EmbeddedServer, connect
from chatbot.broker.server import Listen
from chatbot.commands.flow import warn
from chatbot.commands.listening import CONSOLE, Listening, sections_of
from chatbot.commands.nodes import LocalNodes, names_of, say_what_is_missing
from chatbot.commands.revisions import Revisions
from chatbot.commands.screen import Screen
from chatbot.commands.server import serving
from chatbot.commands.watching import watch
from chatbot.flowfile.flow import Flow, ListenerSection
from chatbot.flowfile.load import load
from chatbot.labels import of_this_machine
from chatbot.messages import OperationRecord
from chatbot.nodes.roster import Roster
from chatbot.nodes.shortage import may_run, start_commands
from chatbot.nodes.watchdog import watchdog
from chatbot.orchestrator.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line of `chatbot run` says."""

    flow: str
    overrides: Sequence[str] = ()
    nats: str | None = field(default=None, repr=False)
    data: Path | None = None
    listen: Listen | None = None
    node: bool = True
    labels: Sequence[str] = ()
    console: bool = False
    jsonl: bool = False
    listeners: bool = True
    watch: bool = False
    only_console: bool = False
    environment: Callable[[str], str | None] = settings.variable
    contexts: type[Context] = Context
    """Of another class where they are watched (see `chatbot.orchestrator.journey`)."""


async def run(options: RunOptions, screen: Screen) -> int:
    """Run a bot until its console ends or a signal drains it; return the exit code.

    The flow is checked before anything is started or connected to.
    """
    settings.keep_data_in(options.data)  # for listeners, too
    flow = _load(options)
    of_this_machine(options.labels)  # what is wrong with them is told before anything is started
    warn(flow, options.overrides, screen)
    listening = Listening(_sections(flow, options), flow.rules)
    async with AsyncExitStack() as stack:
        with screen.busy("starting"):
            url, server = await stack.enter_async_context(
                serving(options.nats, options.data, options.listen)
            )
            broker = await stack.enter_async_context(connect(url, name=f"chatbot-{flow.name}"))
            roster = await stack.enter_async_context(Roster.follow(broker))
            nodes = await stack.enter_async_context(LocalNodes(url, roster, options.labels))
            revisions = _revisions(options, broker, roster, nodes, listening, screen)
            intake = await stack.enter_async_context(revisions.run(flow))
            await stack.enter_async_context(watchdog(revisions.calls))
        here = await nodes.start(intake.records) if options.node else []
        failure = nodes.failure
        _say_how_to_join(screen, server, intake.records)
        if here:
            with screen.busy(f"starting {', '.join(names_of(here))} on a node"):
                await nodes.make_ready(here)
        if options.node:
            elsewhere = [each for each in intake.records if each not in here]
            say_what_is_missing(elsewhere, roster, screen)
        for name in listening.names:
            screen.say(f"{flow.name} listens: {name}")
        watching = await stack.enter_async_context(_watching(revisions, options, screen))
        body = service.unless(watching, listening.run(broker, flow.name))
        await service.unless(broker.closed, service.unless(failure, body))
    return 0


def _load(options: RunOptions) -> Flow:
    return load(options.flow, overrides=options.overrides, environment=options.environment)


def _sections(flow: Flow, options: RunOptions) -> list[ListenerSection]:
    if not options.listeners:
        return []
    if options.only_console:
        listeners = {k: each for k, each in flow.listeners.items() if each.kind == CONSOLE}
        flow = replace(flow, listeners=listeners)
    return sections_of(flow, console=options.console, jsonl=options.jsonl)


def _revisions(
    options: RunOptions,
    broker: Broker,
    roster: Roster,
    nodes: LocalNodes,
    listening: Listening,
    screen: Screen,
) -> Revisions:
    async def ready(records: Sequence[OperationRecord]) -> None:
        here = await nodes.start(records) if options.node else []
        there = [r for r in records if any(may_run(node, r) for node in roster.nodes)]
        lacking = [record for record in records if record not in here and record not in there]
        say_what_is_missing(lacking, roster, screen)
        await nodes.make_ready([record for record in records if record not in lacking])

    return Revisions(
        broker,
        roster,
        load=lambda: _load(options),
        prepare=lambda flow: listening.prepare(_sections(flow, options), flow.rules),
        ready=ready,
        listeners=lambda: listening.names,
        contexts=options.contexts,
    )


@asynccontextmanager
async def _watching(
    revisions: Revisions, options: RunOptions, screen: Screen
) -> AsyncIterator[asyncio.Future[NoReturn] | None]:
    """Watch the flow's files for the block's duration, if that is wanted."""
    if not options.watch:
        yield None
        return
    watching = asyncio.ensure_future(watch(revisions, screen.say, options.overrides))
    try:
        yield watching
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _say_how_to_join(
    screen: Screen, server: EmbeddedServer | None, records: Sequence[OperationRecord]
) -> None:
    if server is None or server.remote_url is None or not records:
        return
    screen.say("To start a node on another machine, run this there (it holds the credential):")
    for command in start_commands(records):
        screen.say(f"  {settings.NATS_URL}={shlex.quote(server.remote_url)} {command}")
