"""`chatbot node run`: a node, on any machine that has the package."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from chatbot import service
from chatbot.broker import connect
from chatbot.commands.screen import Screen
from chatbot.commands.server import existing
from chatbot.errors import ConnectError
from chatbot.inference import threads
from chatbot.labels import of_this_machine
from chatbot.nodes.implementations import shipped
from chatbot.nodes.local import LocalOperations
from chatbot.nodes.node import Node, check_names
from chatbot.nodes.watchdog import watchdog

LOOK = 0.3
"""Seconds between looks for a bot that is about to start."""


async def run(
    names: Sequence[str],
    nats: str | None,
    data: Path | None,
    screen: Screen,
    labels: Sequence[str] = (),
    files: Sequence[Path] = (),
    cores: int | None = None,
) -> int:
    """Run operations for the flows that need them, until a signal drains it.

    They are those called `names`, and those in the Python `files`; where nothing is named, those
    that come with the program. Models use so many `cores`; without, those that other nodes of this
    machine leave.
    """
    names = names or ([] if files else shipped())
    if cores:
        threads.own.tell(cores)
    check_names(frozenset(names))
    LocalOperations(files)  # likewise, before we wait for a bot
    of_this_machine(labels)  # what is wrong with them is told before we wait for a bot
    url = await _address(nats, data, screen)
    async with connect(url, name="chatbot-node") as broker:
        node = Node(broker, names, labels=labels, files=files, progress=screen.say)
        screen.say(f"node {node.id} at {broker.address}")
        async with watchdog(node.limits):
            await service.unless(broker.closed, node.run())
    return 0


async def _address(nats: str | None, data: Path | None, screen: Screen) -> str:
    """Return the server's address; wait for a bot on this machine where none is named."""
    told = False
    while True:
        try:
            return existing(nats, data)
        except ConnectError as error:
            if not told:
                screen.say(f"waiting: {error} ({error.hint})")
                told = True
        await asyncio.sleep(LOOK)
