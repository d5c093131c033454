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
from typing import NoReturn

import msgspec

from chatbot import service
from chatbot.commands import chatlog
from chatbot.commands.screen import Screen
from chatbot.commands.tally import Tally, show
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.messages import ChatMessage, Outcome
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.decision import fields_of
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
        async with aclosing(_decisions(octx, messages)) as decisions:
            async for message, outcome in decisions:
                seen.add(message, outcome)
                if options.as_json:
                    write(_as_json(message, outcome))
                advance()


async def _decisions(
    octx: NatsOrchestratorContext, messages: Iterator[ChatMessage]
) -> AsyncGenerator[Decided, None]:
    """Yield what the flow decides, in the order of the messages."""
    fields = fields_of(octx.config.dataflow)
    running: deque[tuple[Context, asyncio.Future[Decided]]] = deque()
    try:
        for number, message in enumerate(messages):
            running.append(_run(octx, f"{number}/{message.id}", message, fields))
            while running and (len(running) >= AT_ONCE or running[0][1].done()):
                yield await running[0][1]
                running.popleft()
        while running:
            yield await running[0][1]
            running.popleft()
    finally:
        for context, _ in running:
            await octx.give_up(context)


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
