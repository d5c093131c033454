"""How full the queues are, as the server counts."""

from __future__ import annotations

import asyncio

import msgspec
from nats.js.api import ConsumerInfo, StreamInfo
from nats.js.errors import NotFoundError

from chatbot.broker.connection import Broker

OURS = "CHATBOT_"


class Queue(msgspec.Struct, frozen=True):
    """One consumer of one stream: what waits for it, what it holds, what the stream stores.

    `queue` is the stream's name without its prefix (`WORK`, `IN support`), `consumer` is "-" for
    a stream that nobody takes from. `waiting` is the lag: messages that nobody has taken yet;
    `in_progress` were taken and are not settled; `redelivered` of these were taken before.
    """

    queue: str
    consumer: str
    waiting: int
    in_progress: int
    stored: int
    redelivered: int = 0


async def queues(broker: Broker) -> list[Queue]:
    """Return the bot's queues, one entry a consumer; a stream without one has an entry, too.

    Raises one of `broker.errors` where the server does not answer.
    """
    streams = sorted(await _streams(broker), key=_name)
    consumers = await asyncio.gather(*(_consumers(broker, _name(stream)) for stream in streams))
    return [
        queue
        for stream, infos in zip(streams, consumers, strict=True)
        for queue in _queues(stream, infos)
    ]


def _queues(stream: StreamInfo, consumers: list[ConsumerInfo]) -> list[Queue]:
    shown = _name(stream).removeprefix(OURS).replace("_", " ", 1)
    stored = stream.state.messages
    if not consumers:
        return [Queue(shown, "-", 0, 0, stored)]
    return [
        Queue(
            shown,
            info.name,
            waiting=info.num_pending or 0,
            in_progress=info.num_ack_pending or 0,
            stored=stored,
            redelivered=info.num_redelivered or 0,
        )
        for info in sorted(consumers, key=lambda each: each.name)
    ]


def _name(stream: StreamInfo) -> str:
    return stream.config.name or ""


async def _streams(broker: Broker) -> list[StreamInfo]:
    found: list[StreamInfo] = []
    while page := await broker.js.streams_info(offset=len(found)):
        found += page
    return [info for info in found if _name(info).startswith(OURS)]


async def _consumers(broker: Broker, stream: str) -> list[ConsumerInfo]:
    found: list[ConsumerInfo] = []
    try:
        while page := await broker.js.consumers_info(stream, offset=len(found)):
            found += page
    except NotFoundError:  # it was deleted in this moment
        return []
    return found
