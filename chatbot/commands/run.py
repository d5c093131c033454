"""`chatbot run`: a server if need be, a node if wanted, the primary, and the listeners."""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from chatbot import service, settings
from chatbot.broker import Broker, EmbeddedServer, connect
from chatbot.broker.server import Listen
from chatbot.commands.flow import warn
from chatbot.commands.listening import CONSOLE, TERMINALS, Listening, Make, hears, sections_of
from chatbot.commands.nodes import LocalNodes, names_of, say_what_is_missing
from chatbot.commands.revisions import Revisions, Together
from chatbot.commands.screen import Screen
from chatbot.commands.server import serving
from chatbot.commands.steps import nick_of
from chatbot.commands.watching import watch
from chatbot.errors import UsageError
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
    """What the command line of `chatbot run` says; `others` are flows that run beside."""

    flow: str
    others: Sequence[str] = ()
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

    make: Make | None = None
    """Makes a listener of its section, where it is not to be the one that is installed."""

    taken_up: Callable[[Flow], None] | None = None
    """Told of each flow from which on it is listened for, the first one, too."""


@dataclass(slots=True)
class _Bot:
    """One of the flows that run here: what the file said at first, and what it has become."""

    name: str
    flow: Flow
    options: RunOptions
    terminal: bool
    listening: Listening

    def sections(self, flow: Flow) -> list[ListenerSection]:
        """Return the listeners of `flow` that run here; a terminal has one flow only."""
        if not self.options.listeners:
            return []
        if self.terminal:
            options = self.options
            return sections_of(flow, console=options.console, jsonl=options.jsonl)
        return [each for each in flow.listeners.values() if each.on and each.kind not in TERMINALS]

    def prepare(self, flow: Flow) -> Callable[[], None]:
        """Make the listeners of `flow` that are new; return what puts them in."""
        put_in = self.listening.prepare(self.sections(flow), flow.rules)

        def take_up() -> None:
            put_in()
            if self.options.taken_up is not None:
                self.options.taken_up(flow)

        return take_up


async def run(options: RunOptions, screen: Screen) -> int:
    """Run bots until a console ends or a signal drains them; return the exit code.

    The flows are checked before anything is started or connected to.
    """
    settings.keep_data_in(options.data)  # for listeners, too
    bots = _bots(options)
    of_this_machine(options.labels)  # what is wrong with them is told before anything is started
    for bot in bots:
        warn(bot.flow, options.overrides, screen)
    async with AsyncExitStack() as stack:
        with screen.busy("starting"):
            url, server = await stack.enter_async_context(
                serving(options.nats, options.data, options.listen)
            )
            name = f"chatbot-{bots[0].flow.name}"
            broker = await stack.enter_async_context(connect(url, name=name))
            roster = await stack.enter_async_context(Roster.follow(broker))
            nodes = await stack.enter_async_context(LocalNodes(url, roster, options.labels))
            records: list[OperationRecord] = []
            started = []
            for bot in bots:
                revisions = _revisions(bot, broker, roster, nodes, screen)
                intake = await stack.enter_async_context(revisions.run(bot.flow))
                records += intake.records
                started.append(revisions)
            await stack.enter_async_context(watchdog(Together(started)))
        here = await nodes.start(records) if options.node else []
        failure = nodes.failure
        _say_how_to_join(screen, server, records)
        if here:
            with screen.busy(f"starting {', '.join(names_of(here))} on a node"):
                await nodes.make_ready(here)
        if options.node:
            elsewhere = [each for each in records if each not in here]
            say_what_is_missing(elsewhere, roster, screen)
        for bot in bots:
            for name in bot.listening.names:
                screen.say(f"{bot.flow.name} listens: {name}{_commands(bot, name)}")
            if not bot.listening.names:
                screen.say(_hears_nothing(bot, bots))
        watching = None
        for revisions in started:
            watching = await stack.enter_async_context(
                _watching(revisions, options, screen, watching)
            )
        body = service.unless(watching, _listen(bots, broker))
        await service.unless(broker.closed, service.unless(failure, body))
    return 0


def _hears_nothing(bot: _Bot, bots: Sequence[_Bot]) -> str:
    owner = next((each.flow.name for each in bots if each.terminal), "")
    where = f": the terminal is for {owner}" if owner else ""
    return (
        f"warning: {bot.flow.name} hears nothing{where}\n"
        f"  give it a network under `listeners`, or run it by itself: chatbot run {bot.name}"
    )


def _load(options: RunOptions, name: str) -> Flow:
    flow = load(name, overrides=options.overrides, environment=options.environment)
    if not options.only_console:
        return flow
    listeners = {k: each for k, each in flow.listeners.items() if each.kind == CONSOLE}
    called = {CONSOLE: ListenerSection(CONSOLE, CONSOLE, {"nick": nick_of(flow)})}
    return replace(flow, listeners=listeners or called)


def _bots(options: RunOptions) -> list[_Bot]:
    """Check all flows; raises `FlowError` for the first that is wrong, and `UsageError`."""
    names = [options.flow, *options.others]
    flows = [_load(options, name) for name in names]
    twice = [name for name, count in Counter(flow.name for flow in flows).items() if count > 1]
    if twice:
        raise UsageError(
            f"two flows are called {twice[0]}", hint="give one of them another `name:`"
        )
    bots = []
    terminal = False
    for name, flow in zip(names, flows, strict=True):
        networks = [
            e for e in flow.listeners.values() if e.on and e.kind not in TERMINALS and hears(e)
        ]
        networks = [each for each in networks if hears(each)]
        wants = options.console or options.jsonl or not networks
        bot = _Bot(name, flow, options, wants and not terminal, Listening([], flow.rules))
        bot.listening = Listening([], flow.rules, options.make)
        bot.prepare(flow)()
        terminal = terminal or wants
        bots.append(bot)
    return bots


def _commands(bot: _Bot, listener: str) -> str:
    prefix = bot.flow.rules.prefix
    return f" ({prefix}help: what it can be told)" if listener == CONSOLE and prefix else ""


async def _listen(bots: Sequence[_Bot], broker: Broker) -> None:
    """Listen for all flows; return when a listener that can end (a console) has ended."""
    tasks = [asyncio.ensure_future(bot.listening.run(broker, bot.flow.name)) for bot in bots]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _revisions(
    bot: _Bot, broker: Broker, roster: Roster, nodes: LocalNodes, screen: Screen
) -> Revisions:
    options, listening = bot.options, bot.listening

    async def ready(records: Sequence[OperationRecord]) -> None:
        here = await nodes.start(records) if options.node else []
        there = [r for r in records if any(may_run(node, r) for node in roster.nodes)]
        lacking = [record for record in records if record not in here and record not in there]
        say_what_is_missing(lacking, roster, screen)
        await nodes.make_ready([record for record in records if record not in lacking])

    return Revisions(
        broker,
        roster,
        load=lambda: _load(options, bot.name),
        prepare=bot.prepare,
        ready=ready,
        listeners=lambda: listening.names,
        contexts=options.contexts,
    )


@asynccontextmanager
async def _watching(
    revisions: Revisions,
    options: RunOptions,
    screen: Screen,
    others: asyncio.Future[NoReturn] | None,
) -> AsyncIterator[asyncio.Future[NoReturn] | None]:
    """Watch the flow's files for the block's duration, if that is wanted, beside `others`."""
    if not options.watch:
        yield None
        return
    watching = asyncio.ensure_future(
        service.unless(others, watch(revisions, screen.say, options.overrides))
    )
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
