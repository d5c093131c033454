"""Watching a flow's files: when one of them has changed, the flow is reloaded.

They are looked at, not subscribed to: that works on network file systems, bind mounts and
Kubernetes' ConfigMaps, too, where the system tells of no change.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from chatbot.commands.revisions import Revisions
from chatbot.errors import ChatbotError, FlowError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.problems import render

LOOK = 0.5
"""Seconds between looks at the files."""

Stamp = tuple[int, int, int] | None
Stamps = dict[Path, Stamp]


async def watch(
    revisions: Revisions, say: Callable[[str], None], overrides: Sequence[str]
) -> NoReturn:
    """Reload the flow whenever one of its files has changed; say what came of it.

    What is wrong with a file is said, once for each change of it, and changes nothing. `overrides`
    are those that the flow is loaded with.
    """
    seen = stamps(revisions.flow.sources)
    while True:
        seen = await changed(revisions.flow.sources, seen)
        try:
            before, after = await revisions.reload()
        except FlowError as error:
            for problem in error.problems:
                say(render(problem, overrides))
            say(f"{error.message}: revision {_short(revisions.flow)} goes on")
        except ChatbotError as error:
            say(f"{error.message}: revision {_short(revisions.flow)} goes on")
            if error.hint:
                say(f"  {error.hint}")
        else:
            say(told(before, after))
            seen = {**stamps(after.sources - before.sources), **seen}


def told(before: Flow, after: Flow) -> str:
    """Return what to tell people after a reload."""
    if before.revision != after.revision:
        return f"{after.name}: revision {_short(after)} from now on; was {_short(before)}"
    if before.listeners != after.listeners:
        return f"{after.name}: its listeners have changed"
    return f"{after.name}: still revision {_short(after)}"


def stamps(files: Iterable[Path]) -> Stamps:
    """Return what changes when a file does; `None` for one that is not there."""
    return {path: _stamp(path) for path in files}


async def changed(files: frozenset[Path], seen: Stamps) -> Stamps:
    """Wait until the files have changed since they were `seen`, and then stand still."""
    seen = {path: seen.get(path) for path in files}
    now = stamps(files)
    while now == seen:
        await asyncio.sleep(LOOK)
        now = stamps(files)
    while True:
        await asyncio.sleep(LOOK)
        before, now = now, stamps(files)
        if now == before:
            return now


def _stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _short(flow: Flow) -> str:
    return flow.revision[:12]
