"""`chatbot replay`: a recorded log through a flow, or through two to compare, sending nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from time import monotonic

import msgspec

from chatbot import service
from chatbot.commands import chatlog, comparison
from chatbot.commands.comparison import Comparison
from chatbot.commands.obeying import Obeying
from chatbot.commands.playing import Decided, Place, Player, player
from chatbot.commands.report import Story, write_report
from chatbot.commands.screen import Screen
from chatbot.commands.tally import Tally, show
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.messages import ChatMessage, Outcome
from chatbot.orchestrator.context import Context

AT_ONCE = 1024
"""Messages that run, or wait for one before them to finish: the order is that of the log."""

NICK = "bot"

Running = deque[tuple[Context | None, asyncio.Future[Decided]]]
"""What was begun, in the order of the log; a command has no context, and is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What the command line of `chatbot replay` says.

    `speed` is how many times as fast as it was recorded; 0 for as fast as possible. `against` is
    another flow, or the results of an earlier replay, `revision` one of the flow in git.
    """

    flow: str
    log: Path
    overrides: Sequence[str] = ()
    nats: str | None = field(default=None, repr=False)
    data: Path | None = None
    node: bool = True
    limit: int | None = None
    as_json: bool = False
    speed: float = 0.0
    against: str | None = None
    revision: str | None = None
    report: Path | None = None


async def replay(options: ReplayOptions, screen: Screen, write: Callable[[str], None]) -> int:
    """Run a log through a flow; show a table, or write a JSON object a message, in its order.

    The flows and the log are checked before anything is started. Returns 1 where a message
    failed. When it is cancelled it shows what was done so far and returns `INTERRUPTED`.
    """
    interrupted = False
    with comparison.other(options.flow, options.against, options.revision) as other:
        flow = load(options.flow, overrides=options.overrides)
        second = load(other, overrides=options.overrides) if isinstance(other, str) else None
        with screen.busy(f"reading {options.log.name}"):
            total = await chatlog.count(options.log, options.limit)
        seen = _Seen(options, flow.name, Comparison() if other is not None else None)
        try:
            async with AsyncExitStack() as stack:
                place = Place(nats=options.nats, data=options.data, node=options.node)
                first = await player(flow, place, screen, stack)
                recorded = comparison.recorded(other) if isinstance(other, Path) else None
                if second is not None:
                    rival = await player(second, place, screen, stack)
                    recorded = _outcomes(rival, second, options)
                seen.started = monotonic()
                playing = _play(first, flow, recorded, options, total, seen, screen, write)
                await service.unless(first.failure, playing)
        except asyncio.CancelledError:
            screen.say(f"interrupted after {seen.tally.total} of {total} messages")
            interrupted = True
    seen.tell(screen)
    return service.INTERRUPTED if interrupted else int(seen.tally.failed > 0)


@dataclass(slots=True)
class _Seen:
    """What came of the messages so far."""

    options: ReplayOptions
    name: str
    comparison: Comparison | None
    tally: Tally = field(default_factory=Tally)
    story: Story = field(default_factory=Story)
    started: float = 0.0

    def add(self, message: ChatMessage, outcome: Outcome, other: Outcome | None) -> None:
        """Count a message; `other` is what it is compared with."""
        self.tally.add(message, outcome)
        if self.options.report is not None:
            self.story.add(message, outcome)
        if self.comparison is not None:
            self.comparison.add(message, outcome, other)

    def tell(self, screen: Screen) -> None:
        """Show the table, and write the report, of what there was."""
        if not self.tally.total:
            return
        seconds = monotonic() - self.started
        if not self.options.as_json:
            show(self.tally, seconds, screen)
            if self.comparison is not None:
                comparison.show(self.comparison, screen)
        if self.options.report is not None:
            write_report(
                self.options.report,
                title=f"{self.name}: {self.options.log.name}",
                tally=self.tally,
                story=self.story,
                comparison=self.comparison,
            )
            screen.say(f"the report is in {self.options.report}")


async def _play(
    playing: Player,
    flow: Flow,
    others: AsyncIterator[Decided] | None,
    options: ReplayOptions,
    total: int,
    seen: _Seen,
    screen: Screen,
    write: Callable[[str], None],
) -> None:
    with screen.counting(f"replaying {options.log.name}", total) as advance:
        async with aclosing(_outcomes(playing, flow, options)) as decisions:
            async for message, outcome in decisions:
                _, other = await anext(others, (message, None)) if others else (message, None)
                seen.add(message, outcome, other)
                if options.as_json:
                    write(_as_json(message, outcome, other, compared=others is not None))
                advance()


async def _outcomes(
    playing: Player, flow: Flow, options: ReplayOptions
) -> AsyncGenerator[Decided, None]:
    """Yield what the flow decides, in the order of the messages."""
    messages: Iterator[ChatMessage] = islice(chatlog.read(options.log, _nick(flow)), options.limit)
    obeying = Obeying(flow.rules)
    pace = _Pace(options.speed)
    running: Running = deque()
    at_once = 1 if flow.state else AT_ONCE  # each finds what the one before it left
    try:
        for number, said in enumerate(messages):
            message = obeying.heard(said)
            while (left := pace.left(message.time)) > 0:
                await _until_next(running, left)
                while running and running[0][1].done():
                    yield running.popleft()[1].result()
            if (obeyed := obeying.outcome(message)) is not None:
                running.append((None, obeyed))
            else:
                running.append(playing.begin(f"{number}/{message.id}", message))
            while running and (len(running) >= at_once or running[0][1].done()):
                yield await running[0][1]
                running.popleft()
        while running:
            yield await running[0][1]
            running.popleft()
    finally:
        for context, _ in running:
            if context is not None:
                await playing.give_up(context)


async def _until_next(running: Running, seconds: float) -> None:
    """Wait until the first of `running` is done, and for so long at most."""
    if running:
        await asyncio.wait({running[0][1]}, timeout=seconds)
    else:
        await asyncio.sleep(seconds)


class _Pace:
    """When each message is due, at so many times the speed of the log; 0: at once."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._start: tuple[float, datetime] | None = None

    def left(self, time: datetime) -> float:
        """Return for how many seconds to wait for what was said at `time`."""
        if not self._speed:
            return 0.0
        self._start = self._start or (monotonic(), time)
        began, first = self._start
        return began + (time - first).total_seconds() / self._speed - monotonic()


def _nick(flow: Flow) -> str:
    for section in flow.listeners.values():
        if nick := section.settings.get("nick"):
            return str(nick)
    return NICK


def _as_json(
    message: ChatMessage, outcome: Outcome, other: Outcome | None, *, compared: bool
) -> str:
    found = {
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
    if message.command:
        found["command"] = message.command
    if outcome.skipped:
        found["skipped"] = outcome.skipped
    if outcome.actions:
        found["actions"] = outcome.actions
    if outcome.elsewhere:
        found["elsewhere"] = outcome.elsewhere
    if compared:
        found["same"] = other is not None and comparison.is_same(outcome, other)
        found["other"] = None if other is None else comparison.plain(other)
    return msgspec.json.encode(found).decode()
