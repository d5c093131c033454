"""The nodes that a bot needs: those that it starts on this machine, and those it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NoReturn

from chatbot import service, settings
from chatbot.authoring.local import known_file, plain_name
from chatbot.commands.screen import Screen
from chatbot.labels import fits, of_this_machine
from chatbot.messages import OperationRecord
from chatbot.nodes.roster import Roster
from chatbot.nodes.shortage import may_run, start_commands


class LocalNodes:
    """The nodes that this process starts, each a process of its own, for the block's duration.

    One for the operations of the flow's first revision; another, when a later revision has
    operations that it was not started for.
    """

    def __init__(self, url: str, roster: Roster, labels: Sequence[str] = ()) -> None:
        self._url = url
        self._roster = roster
        self._labels = labels
        self._names: set[str] = set()
        self._files: set[Path] = set()
        self._stack = AsyncExitStack()
        self.failure: asyncio.Future[NoReturn] | None = None
        """Fails, with `ChildError`, when the node started last says that it cannot run here."""

    async def __aenter__(self) -> LocalNodes:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def start(self, records: Sequence[OperationRecord]) -> list[OperationRecord]:
        """Start a node for what is lacking here; return those of `records` that run here."""
        here = for_this_machine(records, self._labels)
        lacking = [record for record in here if not self._has(record)]
        if lacking:
            self._names.update(record.name for record in lacking)
            self._files.update(files_of(lacking))
            node = local_node(self._url, lacking, self._labels)
            self.failure = await self._stack.enter_async_context(node)
        return here

    def _has(self, record: OperationRecord) -> bool:
        """Whether a node here runs it, or will: one that has its file loads that anew."""
        return record.name in self._names or known_file(record.name) in self._files

    async def make_ready(self, records: Sequence[OperationRecord]) -> None:
        """Wait until nodes, here or elsewhere, offer all of these operations.

        Raises `ChildError` when the node here cannot run.
        """
        await service.unless(self.failure, make_ready(records, self._roster))


def for_this_machine(
    records: Sequence[OperationRecord], labels: Sequence[str] = ()
) -> list[OperationRecord]:
    """Return the operations that a node on this machine may run, if it has these `labels`."""
    its_own = of_this_machine(labels)
    return [record for record in records if fits(record.labels, its_own)]


def names_of(records: Sequence[OperationRecord]) -> list[str]:
    """Return what people call the operations."""
    return sorted({plain_name(record.name) for record in records})


def files_of(records: Sequence[OperationRecord]) -> list[Path]:
    """Return the Python files that this process has some of the operations from."""
    return sorted({path for each in records if (path := known_file(each.name)) is not None})


@asynccontextmanager
async def local_node(
    url: str, records: Sequence[OperationRecord], labels: Sequence[str] = ()
) -> AsyncIterator[asyncio.Future[NoReturn]]:
    """Run a node as a process of its own; the credential goes by its environment.

    Yields a future that fails when the node says that it cannot run here.
    """
    environment = settings.child_environment(**{settings.NATS_URL: url})
    told = [word for label in labels for word in ("--label", label)]
    files = [word for path in files_of(records) for word in ("--operations", str(path))]
    packaged = sorted({each.name for each in records if known_file(each.name) is None})
    arguments = ["node", "run", "--quiet", *told, *files, *packaged]
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
