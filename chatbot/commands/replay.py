"""`chatbot replay`: a recorded log through a flow, sending nothing.

It is a primary of its own that has no IN and no OUT: there is no way from here to a network.
Its work goes to nodes in the bulk lane, behind that of people.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

import msgspec
from dffml.df.base import StringInputSetContext

from chatbot import service
from chatbot.broker import connect, streams
from chatbot.broker.subjects import Lane
from chatbot.commands import chatlog
from chatbot.commands.nodes import (
    for_this_machine,
    local_node,
    make_ready,
    names_of,
    say_what_is_missing,
)
from chatbot.commands.screen import Screen
from chatbot.commands.server import serving
from chatbot.commands.tally import Tally, show
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.kept import Kept
from chatbot.messages import ChatMessage, OperationRecord, Outcome
from chatbot.nodes.roster import Roster
from chatbot.nodes.shortage import may_run
from chatbot.nodes.watchdog import watchdog
from chatbot.orchestrator.burial import root_of
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.decision import fields_of, in_general_terms, inputs_of, outcome_of
from chatbot.orchestrator.keeping import Imagined
from chatbot.orchestrator.primary import orchestrator
from chatbot.orchestrator.run import NatsOrchestratorContext

AT_ONCE = 1024
"""Messages that run, or wait for one before them to finish: the order is that of the log."""

NICK = "bot"

Failure = asyncio.Future[NoReturn]
Decided = tuple[ChatMessage, Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What the command line of `chatbot replay` says."""

    flow: str
    log: Path
    overrides: Sequence[str] = ()
    nats: str | None = field(default=None, repr=False)
    data: Path | None = None
    node: bool = True
    limit: int | None = None
    as_json: bool = False


async def replay(options: ReplayOptions, screen: Screen, write: Callable[[str], None]) -> int:
    """Run a log through a flow; show a table, or write a JSON object a message, in its order.

    The flow and the log are checked before anything is started. Returns 1 where a message
    failed. When it is cancelled it shows what was done so far and returns `INTERRUPTED`.
    """
    flow = load(options.flow, overrides=options.overrides)
    with screen.busy(f"reading {options.log.name}"):
        total = await chatlog.count(options.log, options.limit)
    seen = Tally()
    interrupted = False
    seconds = 0.0
    try:
        async with AsyncExitStack() as stack:
            octx, failure = await _start(options, flow, screen, stack)
            started = monotonic()
            try:
                await service.unless(
                    failure, _play(octx, options, flow, total, seen, screen, write)
                )
            finally:
                seconds = monotonic() - started
    except asyncio.CancelledError:
        screen.say(f"interrupted after {seen.total} of {total} messages")
        interrupted = True
    if seen.total and not options.as_json:
        show(seen, seconds, screen)
    return service.INTERRUPTED if interrupted else int(seen.failed > 0)


async def _start(
    options: ReplayOptions, flow: Flow, screen: Screen, stack: AsyncExitStack
) -> tuple[NatsOrchestratorContext, Failure | None]:
    """Bring up what is needed, or use what a bot on this machine has up already."""
    with screen.busy("starting"):
        serve = serving(options.nats, options.data, shared=True)
        url, _ = await stack.enter_async_context(serve)
        broker = await stack.enter_async_context(connect(url, name="chatbot-replay"))
        await streams.ensure(broker, streams.account_streams())
        roster = await stack.enter_async_context(Roster.follow(broker))
        running = await stack.enter_async_context(orchestrator(broker, flow, Lane.BULK, roster))
        octx = await stack.enter_async_context(running(flow.dataflow))
        await stack.enter_async_context(watchdog(running.dispatcher.turn))
    failure = await _have_nodes(options, url, running.records, roster, screen, stack)
    return octx, failure


async def _have_nodes(
    options: ReplayOptions,
    url: str,
    records: Sequence[OperationRecord],
    roster: Roster,
    screen: Screen,
    stack: AsyncExitStack,
) -> Failure | None:
    """Wait for nodes that run the operations; start one where nobody offers to."""
    failure = None
    lacking = [r for r in records if not any(may_run(node, r) for node in roster.nodes)]
    here = for_this_machine(records) if options.node and for_this_machine(lacking) else []
    if here:
        failure = await stack.enter_async_context(local_node(url, here))
    say_what_is_missing([each for each in lacking if each not in here], roster, screen)
    with screen.busy(f"waiting for a node that runs {', '.join(names_of(records))}"):
        await service.unless(failure, make_ready(records, roster))
    return failure


async def _play(
    octx: NatsOrchestratorContext,
    options: ReplayOptions,
    flow: Flow,
    total: int,
    seen: Tally,
    screen: Screen,
    write: Callable[[str], None],
) -> None:
    messages = islice(chatlog.read(options.log, _nick(flow)), options.limit)
    with screen.counting(f"replaying {options.log.name}", total) as advance:
        async with aclosing(_decisions(octx, messages, flow.state)) as decisions:
            async for message, outcome in decisions:
                seen.add(message, outcome)
                if options.as_json:
                    write(_as_json(message, outcome))
                advance()


async def _decisions(
    octx: NatsOrchestratorContext, messages: Iterator[ChatMessage], state: Sequence[Kept] = ()
) -> AsyncGenerator[Decided, None]:
    """Yield what the flow decides, in the order of the messages; one by one where it has state."""
    fields = fields_of(octx.config.dataflow)
    imagined = Imagined(octx.config.dataflow, state)
    at_once = 1 if state else AT_ONCE
    running: deque[tuple[Context, asyncio.Future[Decided]]] = deque()
    try:
        for number, message in enumerate(messages):
            recalled = imagined.recall(message) if state else []
            running.append(_run(octx, f"{number}/{message.id}", message, fields, recalled))
            while running and (len(running) >= at_once or running[0][1].done()):
                decided = await running[0][1]
                imagined.keep(*decided)
                yield decided
                running.popleft()
        while running:
            yield await running[0][1]
            running.popleft()
    finally:
        for context, _ in running:
            await octx.give_up(context)


def _run(
    octx: NatsOrchestratorContext,
    handle: str,
    message: ChatMessage,
    fields: dict[str, Any],
    recalled: Sequence[Any] = (),
) -> tuple[Context, asyncio.Future[Decided]]:
    future: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()

    def ended(_: Context, results: Any, error: BaseException | None) -> None:
        if not future.done():
            future.set_result((message, _outcome(message, results, error)))

    inputs = [*inputs_of(message, fields), *recalled]
    return octx.start(StringInputSetContext(handle), handle, inputs, ended), future


def _outcome(message: ChatMessage, results: Any, error: BaseException | None) -> Outcome:
    try:
        if error is not None:
            raise error
        return outcome_of(message, results)
    except Exception as failure:  # noqa: BLE001 - whatever an operation raised, or gave
        what = in_general_terms(failure, root_of(failure))
        return Outcome(message.id, message.network, message.room, message.sender, error=what)


def _nick(flow: Flow) -> str:
    for section in flow.listeners.values():
        if nick := section.settings.get("nick"):
            return str(nick)
    return NICK


def _as_json(message: ChatMessage, outcome: Outcome) -> str:
    return msgspec.json.encode(
        {
            "id": message.id,
            "time": message.time,
            "room": message.room,
            "sender": message.sender,
            "text": message.text,
            "addressed": message.addressed,
            "understood": outcome.understood,
            "replies": outcome.replies,
            "error": outcome.error,
        }
    ).decode()
