"""`!why`: what was understood of a message, and what was decided for it.

The rule that it guards: nothing is told of a message of another room, whatever somebody replies to.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from chatbot.broker.decided import Decided, decided, was_heard
from chatbot.broker.state import State
from chatbot.messages import Outcome
from chatbot.orchestrator.commands.command import Answer, Asked, Command

PATIENCE = 3.0
"""Seconds in which a message that is being worked on may still be done."""

LOOK = 0.1

_LONGEST = 60
_REVISION = 8
UNKNOWN = "I know nothing of that message: I did not hear it here, or it is too long ago"


async def _why(asked: Asked) -> Answer:
    message = asked.message
    if not message.about:
        return Answer("there was no message here yet that I could explain")
    found = await decided_soon(asked)
    if found is None:
        return Answer(await _undecided(asked))
    if found.outcome.room != message.room:
        return Answer(UNKNOWN)
    return Answer(explained(found.outcome, found.at))


def explained(outcome: Outcome, at: datetime | None) -> str:
    """Return in words what an outcome says, and when it was decided."""
    shown = ", ".join(f"{name} {_value(value)}" for name, value in outcome.understood.items())
    when = f" at {_instant(at)}" if at is not None else ""
    by = f" by revision {_shown(outcome.revision)}" if outcome.revision else ""
    return f"{shown or 'nothing to show'}; {_fate(outcome)}{when}{by}"


def _shown(revision: str) -> str:
    """Return a revision, and that of what was learned, each as short as people compare them."""
    return "+".join(each[:_REVISION] for each in revision.split("+"))


def _fate(outcome: Outcome) -> str:
    if outcome.error:
        return f"it failed ({outcome.error})"
    if outcome.skipped:
        return f"not answered ({outcome.skipped})"
    if outcome.replies:
        return "answered"
    return "acted on" if outcome.actions else "no answer was wanted"


async def decided_soon(asked: Asked) -> Decided | None:
    """Return the outcome; where the message is still worked on, wait a moment for it."""
    where = asked.broker, asked.flow, asked.message.network, asked.message.about
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await decided(*where)
                if found is not None or not await was_heard(*where):
                    return found
                await asyncio.sleep(LOOK)
    except TimeoutError:
        return None


async def _undecided(asked: Asked) -> str:
    message = asked.message
    state = await State.open(asked.broker, asked.flow)
    last = await state.last(message.network, message.room)
    if last is not None and last.id == message.about and last.dropped:
        return f"I did not look at it: {last.dropped}"
    if await was_heard(asked.broker, asked.flow, message.network, message.about):
        return "I am still working on it"
    return UNKNOWN


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _instant(at: datetime) -> str:
    now = datetime.now(UTC)
    known = at.astimezone(UTC)
    return f"{known:%H:%M:%S} UTC" if now.date() == known.date() else f"{known:%Y-%m-%d %H:%M} UTC"


COMMAND = Command(
    "say what I understood of the last message, or the one replied to, and if I answered, why",
    _why,
)
