"""A step of a test as the message that a flow is given. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from chatbot.flowfile.flow import Flow
from chatbot.flowfile.trial import Step
from chatbot.listeners.gate.calling import own_command
from chatbot.listeners.irc.names import is_addressed
from chatbot.messages import ChatMessage
from chatbot.orchestrator.timetable import KIND

NETWORK, ROOM, SENDER, NICK = "test", "#test", "anna", "bot"
START = datetime(2000, 1, 1, tzinfo=UTC)


def time_of(step: Step, before: datetime, flow: Flow) -> datetime:
    """Return when a step is: as it says, or when its schedule is due, or a second later."""
    if step.at is not None:
        return step.at
    now = before + timedelta(seconds=1 if step.after is None else step.after)
    due = next((each for each in flow.schedules if each.name == step.due), None)
    if due is None or step.after is not None:
        return now
    return due.following(now) or now


def nick_of(flow: Flow) -> str:
    """Return what the bot is called by the first of the flow's listeners that says so."""
    nicks = (str(s.settings["nick"]) for s in flow.listeners.values() if s.settings.get("nick"))
    return next(nicks, NICK)


def message_of(step: Step, id_: str, time: datetime, flow: Flow) -> ChatMessage:
    """Return the message of a step: what is not given is as in an ordinary room.

    It addresses the bot if it begins with the bot's name, or was said in private. Who has an
    account has the roles that the flow gives it.
    """
    given = dict(step.message)
    if step.due is not None:
        return _due(step, id_, time, flow)
    nick = given.setdefault("nick", nick_of(flow))
    sender = given.setdefault("sender", SENDER)
    private = given.get("private", False)
    given.setdefault("addressed", private or is_addressed(step.said, nick, "ascii"))
    given.setdefault("room", sender if private else ROOM)
    network = given.setdefault("network", NETWORK)
    given.setdefault("roles", flow.rules.roles_of(network, given.get("account", "")))
    message = ChatMessage(id=id_, text=step.said, time=time, **given)
    return own_command(message, flow.rules)


def _due(step: Step, id_: str, time: datetime, flow: Flow) -> ChatMessage:
    """Return the message that a schedule is when it is due."""
    [schedule] = [each for each in flow.schedules if each.name == step.due]
    return ChatMessage(
        id=id_,
        network=str(step.message.get("network", NETWORK)),
        room=str(step.message.get("room", ROOM)),
        sender="",
        text=time.astimezone(ZoneInfo(schedule.zone)).isoformat(),
        time=time,
        kind=KIND,
        schedule=schedule.name,
    )
