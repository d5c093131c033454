"""`chatbot flow dev`: a flow in this terminal, with what happens to each message, and reloading.

It has a server, a node and a data folder of its own, so that nothing of it reaches a bot that
runs. The rule that it guards: what is shown here, texts too, goes to this terminal and nowhere
else.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.text import Text

from chatbot import settings
from chatbot.commands.run import RunOptions, run
from chatbot.commands.screen import Screen
from chatbot.commands.watching import changed, stamps
from chatbot.errors import FlowError, RemoteError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import render
from chatbot.orchestrator.journey import Journeys, Leg, Untaken

LATE = 2.0
"""Seconds after which a call that still runs is shown."""

_RAISED = re.compile(r'File "([^"\n]+)", line (\d+)')

LONGEST = 72
"""Characters of a value that are shown."""


async def dev(options: RunOptions, screen: Screen) -> int:
    """Run a flow here, and again as its files change, until the console ends.

    A flow that is wrong is told, and waited for: raises `FlowError` only where there is no file.
    """
    flow = await _right(options, screen)
    if options.nats is not None:  # a bot of that name may run there: its messages are not ours
        options = replace(options, overrides=[*options.overrides, f"name={flow.name}-dev"])
    teller = Teller(screen)
    with ExitStack() as stack:
        data = options.data
        if data is None and options.nats is None:
            made = tempfile.TemporaryDirectory(prefix="chatbot-dev-", ignore_cleanup_errors=True)
            data = Path(stack.enter_context(made))
            settings.keep_to_itself(data)
        own = replace(
            options,
            data=data,
            watch=True,
            console=True,
            only_console=True,
            environment=_variable,
            contexts=teller.journeys.contexts(),
        )
        async with _looking(teller):
            return await run(own, screen)


class Teller:
    """Writes journeys on a terminal, a line for each call."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._numbers: dict[str, int] = {}
        self._told: set[tuple[str, str]] = set()
        self.journeys = Journeys(leg=self.leg, untaken=self.untaken)

    def leg(self, leg: Leg) -> None:
        """Show a call that has given something, or failed."""
        line = self._line(leg.message, "✗" if leg.error else "✓", leg.path)
        line.append(_values(leg.inputs), style="dim")
        if leg.error is not None:
            line.append(f" → {_failure(leg.error)}", style="red")
        elif leg.outputs:
            line.append(" → ")
            line.append(_values(leg.outputs), style="green")
        else:
            line.append(" → nothing", style="dim")
        line.append(f"  {_duration(leg.seconds)}{', on a node' if leg.is_remote else ''}", "dim")
        self._print(line)

    def untaken(self, untaken: Untaken) -> None:
        """Show an operation that was not called."""
        line = self._line(untaken.message, "·", untaken.path)
        line.append(f"not run: {untaken.why}", style="dim")
        self._print(line)

    def look(self) -> None:
        """Show, once, the calls that take long."""
        for leg in self.journeys.waiting(LATE):
            if (leg.message, leg.path) not in self._told:
                self._told.add((leg.message, leg.path))
                line = self._line(leg.message, "…", leg.path)
                line.append(_values(leg.inputs), style="dim")
                where = "waits for a node, or runs there" if leg.is_remote else "runs"
                line.append(f" {where} since {_duration(leg.seconds)}", style="yellow")
                self._print(line)

    def _line(self, message: str, sign: str, path: str) -> Text:
        number = self._numbers.setdefault(message, len(self._numbers) + 1)
        style = {"✓": "green", "✗": "bold red", "…": "yellow"}.get(sign, "dim")
        line = Text(f"#{number} ", style="dim")
        line.append(f"{sign} ", style=style)
        line.append(f"{path:<20} ", style="bold" if sign != "·" else "dim")
        return line

    def _print(self, line: Text) -> None:
        self._screen.out.print(line, soft_wrap=True)


async def _right(options: RunOptions, screen: Screen) -> Flow:
    """Return the flow when it can be loaded; say what is wrong with it, each time it changes."""
    while True:
        try:
            return await asyncio.to_thread(
                load, options.flow, overrides=options.overrides, environment=_variable
            )
        except FlowError as error:
            files = frozenset(Path(each.file) for each in error.problems)
            seen = stamps(files | {Path(options.flow)})
            if seen[Path(options.flow)] is None:
                raise
            _say(error, options.overrides, screen)
            await changed(frozenset(seen), seen)


def _variable(name: str) -> str:
    """Return a variable that listeners want: they are left alone, so anything will do."""
    return settings.variable(name) or "0"


def _say(error: FlowError, overrides: Sequence[str], screen: Screen) -> None:
    for problem in error.problems:
        screen.say(render(problem, overrides))
    screen.say(f"{error.message}: mend it, and it starts (Ctrl-C ends)")


@asynccontextmanager
async def _looking(teller: Teller) -> AsyncIterator[None]:
    async def look() -> None:
        while True:
            await asyncio.sleep(LATE / 2)
            teller.look()

    task = asyncio.ensure_future(look())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _values(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={_brief(value)}" for name, value in values.items()) or "–"


def _brief(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "".join(c if c.isprintable() else " " for c in repr(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _failure(error: BaseException) -> str:
    """Say what was raised, here or on a node, and in which line."""
    told = f"{type(error).__name__}: {error}"
    remote = error if isinstance(error, RemoteError) else error.__cause__
    if isinstance(remote, RemoteError):
        told, trace = f"{remote.kind}: {str(remote).partition(': ')[2]}", remote.trace
    else:
        trace = "".join(traceback.format_exception(error))
    places = _RAISED.findall(trace)
    return f"{told} ({places[-1][0]}:{places[-1][1]})" if places else told


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"
