"""`chatbot node run`: a node, on any machine that has the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chatbot.broker import connect
from chatbot.commands.screen import Screen
from chatbot.commands.server import existing
from chatbot.nodes.node import Node, check_names


async def run(names: Sequence[str], nats: str | None, data: Path | None, screen: Screen) -> int:
    """Run operations for the flows that need them, until a signal drains it."""
    check_names(frozenset(names))
    async with connect(existing(nats, data), name="chatbot-node") as broker:
        node = Node(broker, names, progress=screen.say)
        screen.say(f"node {node.id} at {broker.address}")
        await node.run()
    return 0
