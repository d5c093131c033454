"""What is kept of a message that failed. Pure.

The rule that it guards: whatever failed, it can be kept, and names the operation where one did.
"""

from __future__ import annotations

from datetime import MAXYEAR, UTC, datetime
from typing import Any

import msgspec
from dffml.df.base import OperationException

from chatbot.broker.subjects import Lane
from chatbot.encoding import Place, pack
from chatbot.errors import EncodingError, RemoteError
from chatbot.messages import ChatMessage, DeadLetter, Outcome
from chatbot.nodes.failure import here, message_of, trace_of

_UNSENDABLE = (TypeError, ValueError, OverflowError, RecursionError)
"""What msgspec raises for what it cannot encode."""


def root_of(error: BaseException) -> BaseException:
    """Return what was raised first: a subflow's failure is wrapped once for each level."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def dead_letter(flow: str, lane: Lane, message: ChatMessage, error: Exception) -> DeadLetter:
    """Return what is kept of a `message` that failed with `error`."""
    cause = root_of(error)
    remote = cause if isinstance(cause, RemoteError) else None
    nodes = remote.nodes if remote else [here()]
    return DeadLetter(
        flow=flow,
        message=_writable(message),
        reason=message_of(cause),
        trace=remote.trace if remote else trace_of(cause),
        time=datetime.now(UTC),
        lane=str(lane),
        operation=remote.operation if remote else _failed_operation(error),
        kind=remote.kind if remote else type(cause).__name__,
        attempts=max(1, len(nodes)),
        nodes=nodes,
    )


def _writable(message: ChatMessage) -> ChatMessage:
    """Return `message` with a time that can be written: what was read may be no date in UTC."""
    if message.time.utcoffset() and not 1 < message.time.year < MAXYEAR:
        return msgspec.structs.replace(message, time=message.time.replace(tzinfo=UTC))
    return message


def _failed_operation(error: BaseException | None) -> str:
    """Return the operation that failed, innermost; "" where none did."""
    name = ""
    while error is not None:
        if isinstance(error, OperationException):
            name = str(error).removesuffix(" failed")
        error = error.__cause__
    return name


def encoded(outcome: Outcome) -> bytes:
    """Return `outcome` encoded; raises `EncodingError`, naming output and type, if it cannot be."""
    try:
        return outcome.encode()
    except _UNSENDABLE as error:
        for name, value in outcome.understood.items():
            if not _can_be_sent(value):
                pack({name: value}, "", Place("output", "the flow"))  # says where in it
                kind = type(value).__name__
                told = f"output {name!r} of the flow is of type {kind}, which cannot be sent"
                raise EncodingError(told) from None
        raise EncodingError(f"the outcome cannot be sent ({type(error).__name__})") from None


def _can_be_sent(value: Any) -> bool:
    try:
        msgspec.msgpack.encode(value)
    except _UNSENDABLE:
        return False
    return True
