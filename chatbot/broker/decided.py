"""What OUT has of a message: read where it lies, in whichever lane it was published."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from chatbot.broker import subjects
from chatbot.broker.connection import Broker
from chatbot.broker.subjects import Lane
from chatbot.messages import ChatMessage, Outcome


@dataclass(frozen=True, slots=True)
class Decided:
    """An outcome, and when it was stored, by the server's clock."""

    outcome: Outcome
    at: datetime | None


async def decided(broker: Broker, flow: str, network: str, message_id: str) -> Decided | None:
    """Return the outcome of a message; `None` where there is none, or none that we understand.

    Waits for a server that is away.
    """
    stored = await _stored(broker, flow, network, message_id)
    if stored is None:
        return None
    try:
        return Decided(Outcome.decode(stored.data or b""), stored.time)
    except msgspec.MsgspecError:
        return None


async def is_decided(broker: Broker, flow: str, network: str, message_id: str) -> bool:
    """Whether a message has its outcome. Waits for a server that is away."""
    return await _stored(broker, flow, network, message_id) is not None


async def was_heard(broker: Broker, flow: str, network: str, message_id: str) -> bool:
    """Whether IN has a message. Waits for a server that is away."""
    stream = subjects.in_stream(flow)
    for lane in Lane:
        subject = subjects.in_subject(flow, lane, network, message_id)
        if await _last(broker, stream, subject) is not None:
            return True
    return False


async def heard(broker: Broker, flow: str, network: str, message_id: str) -> ChatMessage | None:
    """Return what IN has of a message, `None` for nothing. Waits for a server that is away."""
    stream = subjects.in_stream(flow)
    for lane in Lane:
        found = await _last(broker, stream, subjects.in_subject(flow, lane, network, message_id))
        if found is not None:
            try:
                return ChatMessage.decode(found.data or b"")
            except msgspec.MsgspecError:
                return None
    return None


async def _stored(broker: Broker, flow: str, network: str, message_id: str) -> RawStreamMsg | None:
    stream = subjects.out_stream(flow)
    found = await _last(broker, stream, subjects.out_subject(flow, network, message_id))
    if found is not None and not found.data:  # stands for one in the other lane
        bulk = subjects.out_subject(flow, network, message_id, Lane.BULK)
        return await _last(broker, stream, bulk)
    return found


async def _last(broker: Broker, stream: str, subject: str) -> RawStreamMsg | None:
    async def ask() -> RawStreamMsg | None:
        try:
            return await broker.js.get_last_msg(stream, subject, direct=True)
        except NotFoundError:
            return None

    return await broker.insist(ask)
