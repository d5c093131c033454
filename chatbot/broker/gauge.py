"""How full the queues are, as the server counts."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec
from nats.js.api import ConsumerInfo, StreamInfo
from nats.js.errors import NotFoundError

from chatbot.broker import clock, subjects
from chatbot.broker.clock import Clock
from chatbot.broker.connection import Broker
from chatbot.broker.subjects import Lane

OURS = "CHATBOT_"


class Queue(msgspec.Struct, frozen=True):
    """One consumer of one stream: what waits for it, what it holds, what the stream stores.

    `queue` is the stream's name without its prefix (`WORK`, `IN support`), `consumer` is "-" for
    a stream that nobody takes from, and for work that no node has ever taken. `waiting` is the
    lag: messages that nobody has taken yet; `in_progress` were taken and are not settled;
    `redelivered` of these were taken before.
    `oldest` is for how many seconds the oldest of both kinds has been stored, `None` where
    there is none. `flow` and `lane` are whose they are, as they stand in subjects; "" for what
    all share.
    """

    queue: str
    consumer: str
    waiting: int
    in_progress: int
    stored: int
    redelivered: int = 0
    oldest: float | None = None
    flow: str = ""
    lane: str = ""


async def queues(broker: Broker) -> list[Queue]:
    """Return the bot's queues, one entry a consumer; a stream without one has an entry, too.

    Raises one of `broker.errors` where the server does not answer.
    """
    streams = [info for info in await all_streams(broker) if _name(info).startswith(OURS)]
    consumers = await asyncio.gather(*(_consumers(broker, _name(stream)) for stream in streams))
    pairs: list[tuple[StreamInfo, ConsumerInfo | None]] = []
    for stream, infos in zip(streams, consumers, strict=True):
        pairs += [(stream, info) for info in sorted(infos, key=lambda each: each.name)]
        pairs += [] if infos else [(stream, None)]
    if not pairs:
        return []
    servers = await clock.of_server(broker, _name(streams[0]))
    found = list(await asyncio.gather(*(_queue(broker, servers, *pair) for pair in pairs)))
    work = next((infos for s, infos in zip(streams, consumers, strict=True) if _is_work(s)), None)
    return found if work is None else [*found, *await _untaken(broker, servers, work)]


async def all_streams(broker: Broker) -> list[StreamInfo]:
    """Return every stream of the account, those of others too, by name."""
    found: list[StreamInfo] = []
    while page := await broker.js.streams_info(offset=len(found)):
        found += page
    return sorted(found, key=_name)


def _is_work(stream: StreamInfo) -> bool:
    return _name(stream) == subjects.WORK


async def _untaken(broker: Broker, servers: Clock, consumers: list[ConsumerInfo]) -> list[Queue]:
    """Return the work that no consumer is there for, as no node has ever offered to do it."""
    taken = {info.config.filter_subject for info in consumers}
    try:
        info = await broker.js.stream_info(subjects.WORK, subjects_filter=">")
    except NotFoundError:  # it was deleted in this moment
        return []
    found = []
    for subject, count in sorted((info.state.subjects or {}).items()):
        if subject not in taken:
            flow, lane = _whose(subject)
            oldest = _age(servers, await _stored(broker, subjects.WORK, 1, subject))
            stored = info.state.messages
            found.append(Queue("WORK", "-", count, 0, stored, oldest=oldest, flow=flow, lane=lane))
    return found


async def _queue(
    broker: Broker, servers: Clock, stream: StreamInfo, info: ConsumerInfo | None
) -> Queue:
    shown = _name(stream).removeprefix(OURS).replace("_", " ", 1)
    stored = stream.state.messages
    if info is None:
        flow, _ = _whose((stream.config.subjects or [""])[0])
        return Queue(shown, "-", 0, 0, stored, flow=flow)
    flow, lane = _whose(info.config.filter_subject or "")
    return Queue(
        shown,
        info.name,
        waiting=info.num_pending or 0,
        in_progress=info.num_ack_pending or 0,
        stored=stored,
        redelivered=info.num_redelivered or 0,
        oldest=await _oldest(broker, servers, info),
        flow=flow,
        lane=lane,
    )


def _whose(subject: str) -> tuple[str, str]:
    """Return the flow and the lane in a stream's or a consumer's subject."""
    _, kind, *rest = [*subject.split("."), "", ""]
    flow = rest[0] if kind in {"in", "out", "work"} and rest[0] not in {"*", ">"} else ""
    if kind == "out":
        return flow, Lane.BULK if "bulk" in rest[2:] else Lane.PEOPLE
    return flow, rest[1] if flow and rest[1] in set(Lane) else ""


async def _oldest(broker: Broker, servers: Clock, info: ConsumerInfo) -> float | None:
    """Return the age of the first message that the consumer is not done with."""
    if not info.num_pending and not info.num_ack_pending:
        return None
    done = info.ack_floor.stream_seq if info.ack_floor else 0
    stored = await _stored(broker, info.stream_name, done + 1, info.config.filter_subject)
    return _age(servers, stored)


async def _stored(
    broker: Broker, stream: str, sequence: int, subject: str | None
) -> datetime | None:
    """Return when the first message from `sequence` on under `subject` was stored."""
    try:
        return (await broker.js.get_msg(stream, sequence, subject, next=True)).time
    except NotFoundError:  # it was done in this moment
        return None


def _age(servers: Clock, stored: datetime | None) -> float | None:
    return None if stored is None else round(servers.age(stored), 3)


def _name(stream: StreamInfo) -> str:
    return stream.config.name or ""


async def _consumers(broker: Broker, stream: str) -> list[ConsumerInfo]:
    found: list[ConsumerInfo] = []
    try:
        while page := await broker.js.consumers_info(stream, offset=len(found)):
            found += page
    except NotFoundError:  # it was deleted in this moment
        return []
    return found
