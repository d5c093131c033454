"""`chatbot replay`: a recorded log through a flow, sending nothing.

It is a primary of its own that has no IN and no OUT: there is no way from here to a network.
Its work goes to nodes in the bulk lane, behind that of people.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from dffml.df.base import StringInputSetContext

from chatbot import service
from chatbot.broker import connect, streams
from chatbot.broker.subjects import Lane
from chatbot.commands import chatlog
from chatbot.commands.run import local_node, make_ready
from chatbot.commands.screen import Screen
from chatbot.commands.server import serving
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.messages import ChatMessage, Outcome
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.intake import fields_of, inputs_of, outcome_of
from chatbot.orchestrator.primary import orchestrator

EXAMPLES = 2
NICK = "bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What the command line of `chatbot replay` says."""

    flow: str
    log: Path
    overrides: Sequence[str] = ()
    nats: str | None = None
    data: Path | None = None
    node: bool = True
    limit: int | None = None
    as_json: bool = False


@dataclass(slots=True)
class Tally:
    """What the flow made of the messages, by label."""

    counts: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    examples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, message: ChatMessage, outcome: Outcome) -> None:
        if outcome.error:
            self.failed += 1
            return
        label = str(outcome.understood.get("label") or "–")
        self.counts[label] += 1
        if outcome.replies:
            self.answered[label] += 1
            if len(self.examples[label]) < EXAMPLES:
                self.examples[label].append(message.text)


async def replay(options: ReplayOptions, screen: Screen, write: Callable[[str], None]) -> int:
    """Run a log through a flow; show a table, or write a JSON object a message."""
    flow = load(options.flow, overrides=options.overrides)
    messages = itertools.islice(chatlog.read(options.log, _nick(flow)), options.limit)
    first = next(messages, None)  # a file that is no log is refused before anything is started
    assert first is not None
    tally = Tally()
    async with AsyncExitStack() as stack:
        outcomes = await _start(options, flow, itertools.chain([first], messages), screen, stack)
        started = monotonic()
        total = min(chatlog.count(options.log), options.limit or 1 << 60)
        with screen.counting(f"replaying {options.log.name}", total) as advance:
            async for message, outcome in outcomes:
                tally.add(message, outcome)
                advance()
                if options.as_json:
                    write(_as_json(message, outcome))
        seconds = monotonic() - started
    if not options.as_json:
        _show(tally, seconds, screen)
    return 1 if tally.failed else 0


async def _start(
    options: ReplayOptions,
    flow: Flow,
    messages: Iterator[ChatMessage],
    screen: Screen,
    stack: AsyncExitStack,
) -> AsyncIterator[tuple[ChatMessage, Outcome]]:
    """Bring up what is needed; return what the flow decides, as it does."""
    with screen.busy("starting"):
        url, _ = await stack.enter_async_context(serving(options.nats, options.data, None))
        broker = await stack.enter_async_context(connect(url, name="chatbot-replay"))
        await streams.ensure(broker, streams.account_streams())
        roster = await stack.enter_async_context(Roster.follow(broker))
        running = await stack.enter_async_context(orchestrator(broker, flow, Lane.BULK))
        octx = await stack.enter_async_context(running(flow.dataflow))
    names = sorted({record.name for record in running.records})
    failure = None
    if options.node and names:
        failure = await stack.enter_async_context(local_node(url, names))
    with screen.busy(f"waiting for a node that runs {', '.join(names)}"):
        await service.unless(
            failure,
            make_ready(lambda: [r for r in running.records if not roster.offers(r.key)], roster),
        )
    return _outcomes(octx, messages)


async def _outcomes(
    octx: Any, messages: Iterator[ChatMessage]
) -> AsyncIterator[tuple[ChatMessage, Outcome]]:
    fields = fields_of(octx.config.dataflow)
    waiting: dict[str, ChatMessage] = {}

    async def feed() -> AsyncIterator[dict[Any, Any]]:
        for number, message in enumerate(messages):
            handle = f"{number}/{message.id}"
            waiting[handle] = message
            yield {StringInputSetContext(handle): inputs_of(message, fields)}

    async for ctx, results in octx.run(feed(), strict=False):
        message = waiting.pop(ctx.as_string)
        if isinstance(results, dict) and "understood" in results:
            yield message, outcome_of(message, results)
        else:
            yield message, _failed(message)


def _failed(message: ChatMessage) -> Outcome:
    return Outcome(
        message.id, message.network, message.room, message.sender, error="an operation failed"
    )


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
            "sender": message.sender,
            "text": message.text,
            "understood": outcome.understood,
            "replies": outcome.replies,
            "error": outcome.error,
        }
    ).decode()


def _show(tally: Tally, seconds: float, screen: Screen) -> None:
    from rich.markup import escape
    from rich.table import Table

    total = sum(tally.counts.values()) + tally.failed
    table = Table()
    table.add_column("label")
    for column in ("messages", "share", "answered"):
        table.add_column(column, justify="right")
    table.add_column("for example, of those answered", overflow="ellipsis", no_wrap=True)
    for label, count in tally.counts.most_common():
        example = "  |  ".join(tally.examples[label])
        table.add_row(
            escape(label),
            str(count),
            f"{count / total:.1%}",
            str(tally.answered[label]),
            escape("".join(c if c.isprintable() else " " for c in example)),
        )
    screen.out.print(table)
    silent = total - tally.failed - sum(tally.answered.values())
    screen.out.print(
        f"{total} messages in {seconds:.1f} s ({total / seconds:.0f} a second): "
        f"{sum(tally.answered.values())} answered, {silent} silent, {tally.failed} failed. "
        "Nothing was sent."
    )
