"""`!status`: whether all is well, in a line."""

from __future__ import annotations

import asyncio

import chatbot
from chatbot.broker import subjects
from chatbot.broker.gauge import queues
from chatbot.orchestrator.commands.command import Answer, Asked, Command

PATIENCE = 5.0
_REVISION = 8


async def _status(asked: Asked) -> Answer:
    primaries = [each for each in asked.roster.primaries if each.flow == asked.flow]
    parts = [
        f"chatbot {chatbot.__version__}",
        f"flow {asked.flow} {asked.revision[:_REVISION]}".rstrip(),
        _counted(len(primaries), "primary", "primaries"),
        _counted(len(asked.roster.nodes), "node", "nodes"),
        await _waiting(asked),
    ]
    until = asked.mutes.until(asked.message.network, asked.message.room)
    if until is not None:
        parts.append(f"silent here until {until:%H:%M} UTC")
    return Answer(", ".join(parts))


async def _waiting(asked: Asked) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            known = await queues(asked.broker)
    except asked.broker.errors:
        return "what waits is not known"
    ours = [each for each in known if each.queue.startswith(("IN ", "WORK"))]
    flow = subjects.token(asked.flow)
    waiting = sum(each.waiting for each in ours if each.flow == flow)
    return f"{waiting} waiting" if waiting else "nothing waits"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


COMMAND = Command("say what runs and what waits", _status)
