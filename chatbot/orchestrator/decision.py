"""Between a message and its context: what a flow gets of it, and what it decided for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from dffml.df.base import OperationException
from dffml.df.types import DataFlow, Definition

from chatbot.errors import RemoteError
from chatbot.flowfile.naming import in_terms_of_the_file
from chatbot.flowfile.outcome import OutcomeConfig
from chatbot.learning import SHOWN_REVISION, SHOWN_TEXT
from chatbot.messages import ACTIONS, ORDERS, Action, Change, ChatMessage, Elsewhere, Outcome, Reply
from chatbot.orchestrator.values import Value

PREFIX = "message."


def fields_of(dataflow: DataFlow, prefix: str = PREFIX) -> dict[str, Definition]:
    """Return the fields of a message (or of what begins so) that `dataflow` uses.

    Each would cost something at each message; of most, a flow uses two or three.
    """
    used = {*_named(dataflow), *_shown(dataflow)}
    found = {
        name.removeprefix(prefix): definition
        for name, definition in dataflow.definitions.items()
        if name.startswith(prefix) and name in used
    }
    return _Checked(found) if any(each.validate for each in found.values()) else found


class _Checked(dict[str, Definition]):
    """Fields of which one at least is validated before anybody has it."""


def _named(dataflow: DataFlow) -> Iterator[str]:
    """Yield the definitions of the seeds that operations take, or depend on."""
    for instance, flow in dataflow.flow.items():
        operation = dataflow.operations[instance]
        for name, sources in flow.inputs.items():
            yield operation.inputs[name].name  # where the source is any seed
            yield from _seeds(sources)
        yield from _seeds(flow.conditions)
        yield from (definition.name for definition in operation.conditions)


def _seeds(sources: Iterable[Any]) -> Iterator[str]:
    for source in sources:
        if isinstance(source, dict):
            yield from source.get("seed", ())


def _shown(dataflow: DataFlow) -> Iterator[str]:
    """Yield the definitions that a flow shows as they are."""
    for config in dataflow.configs.values():
        if isinstance(config, OutcomeConfig):
            yield from (definition.name for definition in config.outputs.values())


def inputs_of(message: ChatMessage, fields: dict[str, Definition]) -> list[Any]:
    """Return those fields of `message` that a flow uses, as values for its context.

    Who has no other `name` is called as the platform calls the sender.
    """
    if not message.name and "name" in fields:
        message = msgspec.structs.replace(message, name=message.sender)
    values = [Value(getattr(message, name), definition) for name, definition in fields.items()]
    if type(fields) is _Checked:
        for value in values:
            value.validated = not value.definition.validate
    return values


def outcome_of(message: ChatMessage, results: dict[str, Any], revision: str = "") -> Outcome:
    """Return what a flow's results decide for `message`."""
    replies, actions, changes = map(results.get, ("replies", "actions", "changes"))
    understood = results.get("understood", {})
    learned, text = understood.pop(SHOWN_REVISION, ""), understood.pop(SHOWN_TEXT, "")
    elsewhere: tuple[Elsewhere, ...] = ()
    if any(map(_room, replies or ())) or any(map(_room, actions or ())):
        replies, actions, elsewhere = _apart(message.room, replies or (), actions or ())
    return Outcome(
        id=message.id,
        network=message.network,
        room=message.room,
        sender=message.sender,
        replies=tuple(map(_reply, replies)) if replies else (),
        understood=understood,
        actions=tuple(map(_action, actions)) if actions else (),
        thread=message.thread,
        private=message.private,
        revision=f"{revision}+{learned}" if learned else revision,
        changes=tuple(Change(**each) for each in changes) if changes else (),
        text=text,
        elsewhere=elsewhere,
    )


def _room(given: dict[str, Any]) -> str:
    return str(given.get("room") or "")


def _apart(
    here: str, replies: Iterable[dict[str, Any]], actions: Iterable[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], tuple[Elsewhere, ...]]:
    """Return what is for this room, and what is for others, by room in the order of their first."""
    by_room: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {here: ([], [])}
    for number, decided in enumerate((replies, actions)):
        for each in decided:
            # What another listener does is done in no room; the answer is told in that one.
            room = here if each.get("on") else _room(each) or here
            by_room.setdefault(room, ([], []))[number].append(each)
    own = by_room.pop(here)
    others = (
        Elsewhere(room, tuple(map(_reply, said)), tuple(map(_action, done)))
        for room, (said, done) in by_room.items()
    )
    return *own, tuple(others)


def _reply(given: dict[str, Any]) -> Reply:
    return Reply(
        text=str(given["text"]),
        notice=bool(given.get("notice")),
        markdown=bool(given.get("markdown")),
        plain=str(given.get("plain") or ""),
    )


def _action(given: dict[str, Any]) -> Action:
    if given["kind"] not in ACTIONS:
        raise ValueError(f"there is no action of that kind: {', '.join(ACTIONS)}")
    if given["kind"] in ORDERS and not given.get("on"):
        raise ValueError(f"the action `{given['kind']}` does not say `on` which listener")
    if given.get("on") and given["kind"] not in ORDERS:
        raise ValueError(
            f"the action `{given['kind']}` is done where the message came from, "
            f"not by a listener it is `on`: only {', '.join(ORDERS)} are"
        )
    return Action(
        kind=given["kind"],
        to=str(given.get("to") or ""),
        text=str(given.get("text") or ""),
        seconds=float(given.get("seconds") or 0.0),
        on=str(given.get("on") or ""),
        details=dict(given.get("details") or {}),
        room=_room(given) if given.get("on") else "",
        tell=str(given.get("tell") or ""),
    )


def silenced(outcome: Outcome, why: str) -> Outcome:
    """Return the outcome of a message that is not to be answered, which says why."""
    return msgspec.structs.replace(
        outcome, replies=(), actions=(), changes=(), elsewhere=(), skipped=why
    )


def in_general_terms(error: Exception, cause: BaseException) -> str:
    """Say what failed without a word of what people wrote."""
    if isinstance(cause, RemoteError):
        return f"{cause.operation} raised {cause.kind}"
    if isinstance(error, OperationException):
        return f"{in_terms_of_the_file(str(error))} ({type(cause).__name__})"
    return f"the outcome cannot be had ({type(cause).__name__})"
