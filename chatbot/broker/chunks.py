"""The chunks of an object, asked for many at a time (NATS ADR-31, batched direct get).

nats-py's own `get` makes a consumer for them: of 90 MB it takes five times as long, of one chunk
twenty times.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from nats.js.api import ObjectInfo
from nats.js.errors import ServiceUnavailableError

from chatbot.broker.connection import Broker

ANSWER = 5.0
"""Seconds in which the next chunk must come."""

AT_ONCE = 64
"""Chunks that are under way at a time: 8 MB of the usual 128 KiB each."""


async def read(
    broker: Broker, bucket: str, info: ObjectInfo, write: Callable[[bytes], object]
) -> None:
    """Give `write` all chunks of an object, in order; fewer where it is erased meanwhile.

    Whoever needs it whole checks that. Raises `TimeoutError` where none comes any more, and
    nats-py's errors.
    """
    inbox = broker.nc.new_inbox()
    sub = await broker.nc.subscribe(inbox)
    left, sequence = info.chunks or 0, 0
    try:
        while left:
            before = left
            await _ask(broker, bucket, info, min(left, AT_ONCE), sequence + 1, inbox)
            while (headers := (msg := await sub.next_msg(ANSWER)).headers or {}).get(
                "Status"
            ) is None:
                write(msg.data)
                left -= 1
                sequence = int(headers["Nats-Sequence"])
            if headers["Status"] == "503":
                raise ServiceUnavailableError
            if left == before:
                break  # they were erased, or are written anew
    finally:
        await sub.unsubscribe()


async def _ask(
    broker: Broker, bucket: str, info: ObjectInfo, count: int, first: int, inbox: str
) -> None:
    request: dict[str, Any] = {
        "seq": first,
        "batch": count,
        "next_by_subj": f"$O.{bucket}.C.{info.nuid}",
    }
    await broker.nc.publish(
        f"$JS.API.DIRECT.GET.OBJ_{bucket}", json.dumps(request).encode(), reply=inbox
    )
