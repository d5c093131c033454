"""`chatbot flow dev`: a flow in this terminal, with what happens to each message, and reloading.

It has a server, a node and a data folder of its own, so that nothing of it reaches a bot that
runs. The rule that it guards: what is shown here, texts too, goes to this terminal and nowhere
else.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from chatbot import settings
from chatbot.commands.desk import Rehearsal
from chatbot.commands.run import RunOptions, run
from chatbot.commands.screen import Screen
from chatbot.commands.teller import Teller
from chatbot.commands.watching import changed, stamps
from chatbot.errors import FlowError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import render

LOOK = 1.0
"""Seconds between two looks at the calls that still run."""


async def dev(options: RunOptions, screen: Screen) -> int:
    """Run a flow here, and again as its files change, until the console ends.

    A flow that is wrong is told, and waited for: raises `FlowError` only where there is no file.
    """
    flow = await _right(options, screen)
    if options.nats is not None:  # a bot of that name may run there: its messages are not ours
        options = replace(options, overrides=[*options.overrides, f"name={flow.name}-dev"])
    teller, rehearsal = Teller(screen), Rehearsal(flow)
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
            make=rehearsal.desk,
            taken_up=rehearsal.take_up,
        )
        async with _looking(teller):
            return await run(own, screen)


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
            await asyncio.sleep(LOOK)
            teller.look()

    task = asyncio.ensure_future(look())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
