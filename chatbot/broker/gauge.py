"""How full the queues are, as the server counts."""

from __future__ import annotations

import msgspec

from chatbot.broker.connection import Broker


class Queue(msgspec.Struct, frozen=True):
    """One consumer of one stream: what waits for it, what it holds, what the stream stores.

    `waiting` is the lag: messages that nobody has taken yet.
    """

    queue: str
    consumer: str
    waiting: int
    in_progress: int
    stored: int


async def queues(broker: Broker) -> list[Queue]:
    """Return the bot's queues, one entry a consumer; a stream without one has an entry, too."""
    found: list[Queue] = []
    streams = [
        info
        for info in await broker.js.streams_info()
        if (info.config.name or "").startswith("CHATBOT_")
    ]
    for info in sorted(streams, key=lambda each: each.config.name or ""):
        name = info.config.name or ""
        shown = name.removeprefix("CHATBOT_").replace("_", " ", 1)
        consumers = await broker.js.consumers_info(name)
        for consumer in consumers:
            found.append(
                Queue(
                    shown,
                    consumer.name,
                    consumer.num_pending or 0,
                    consumer.num_ack_pending or 0,
                    info.state.messages,
                )
            )
        if not consumers:
            found.append(Queue(shown, "-", info.state.messages, 0, info.state.messages))
    return found
