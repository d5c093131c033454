"""`!mute` and `!unmute`: the bot is silent in a room for a time, commands excepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chatbot import units
from chatbot.broker.state import LONGEST_MUTE, Mute
from chatbot.errors import UsageError
from chatbot.orchestrator.commands.command import Answer, Asked, Command
from chatbot.policy import MODERATOR

DEFAULT = "10m"


async def _mute(asked: Asked) -> Answer:
    message = asked.message
    words = message.arguments.split() or [DEFAULT]
    seconds = units.duration(words[0])
    if seconds > LONGEST_MUTE:
        raise UsageError(f"at most {units.shown_duration(LONGEST_MUTE)}")
    # From when it was said: run again, by another primary, it means the same.
    until = message.time.astimezone(UTC) + timedelta(seconds=seconds)
    if until <= datetime.now(UTC):
        raise UsageError("that is over already")
    mute = Mute(asked.flow, message.network, message.room, until, message.sender)
    await asked.mutes.mute(mute)
    end = f"{asked.rules.prefix}unmute ends it"
    return Answer(f"I am silent here until {_shown(until)}; {end}")


async def _unmute(asked: Asked) -> Answer:
    where = asked.message.network, asked.message.room
    was = asked.mutes.until(*where)
    await asked.mutes.unmute(*where)
    return Answer("I am back" if was is not None else "I was not silent here")


def _shown(until: datetime) -> str:
    today = until.date() == datetime.now(UTC).date()
    return f"{until:%H:%M} UTC" if today else f"{until:%Y-%m-%d %H:%M} UTC"


MUTE = Command(
    "have me say nothing in this room for a time, but for commands",
    _mute,
    arguments="[TIME]",
    role=MODERATOR,
)
UNMUTE = Command("have me speak in this room again", _unmute, role=MODERATOR)
