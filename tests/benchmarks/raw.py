"""What a good engineer writes by hand with nats-py, and nothing more: the floor of each path.

    python -m tests.benchmarks.raw worker|sleeper|primary URL

Each keeps a pull request standing at the server, publishes without waiting, and acknowledges
what it took when the server has stored what it gave. `sleeper` is the plain way: fetch one,
work, publish, acknowledge. Imports nothing of the project.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import nats
import nats.errors
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig

from tests.benchmarks.companion import serve

WORK, DONE = "RAW_WORK", "RAW_DONE"
IN, OUT = "RAW_IN", "RAW_OUT"
HELD = 1024
EXPIRES = 30 * 10**9

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[str]).decode


async def create_streams(client: Client) -> None:
    """Create the work queue, the way back, and an IN and OUT that keep what they are given."""
    js = client.jetstream()
    for name in (WORK, DONE):
        await js.add_stream(
            StreamConfig(name=name, subjects=[f"{name}.>"], retention=RetentionPolicy.WORK_QUEUE)
        )
    for name in (IN, OUT):
        await js.add_stream(
            StreamConfig(
                name=name,
                subjects=[f"{name}.*"],
                max_msgs_per_subject=1,
                discard="new",
                discard_new_per_subject=True,
            )
        )
    for name in (WORK, DONE, IN, OUT):
        await js.add_consumer(
            name,
            ConsumerConfig(
                durable_name="raw", ack_policy=AckPolicy.EXPLICIT, ack_wait=30, max_ack_pending=8192
            ),
        )


class Giver:
    """Publishes, and acknowledges what caused it when it is stored."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._numbers = itertools.count()
        self._causes: dict[str, tuple[str, ...]] = {}

    async def open(self) -> None:
        await self._client.subscribe(f"{self._inbox}.*", cb=self._stored)

    async def give(self, subject: str, data: bytes, *causes: str) -> None:
        reply = f"{self._inbox}.{next(self._numbers)}"
        self._causes[reply] = causes
        await self._client.publish(subject, data, reply=reply)

    async def _stored(self, msg: Msg) -> None:
        if b'"error"' in msg.data:
            raise RuntimeError(msg.data.decode())
        for cause in self._causes.pop(msg.subject):
            await self._client.publish(cause, b"+ACK")


@contextlib.asynccontextmanager
async def taking(
    client: Client, stream: str, take: Callable[[Msg], Awaitable[None]]
) -> AsyncIterator[None]:
    """Give each message of `stream` to `take`, for the block's duration."""
    inbox = client.new_inbox()
    requested = 0

    async def ask() -> None:
        nonlocal requested
        body = json.dumps({"batch": HELD - requested, "expires": EXPIRES}).encode()
        requested = HELD
        await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.raw", body, reply=inbox)

    async def receive(msg: Msg) -> None:
        nonlocal requested
        if msg.headers is not None:  # a request ran out
            requested -= int(msg.headers.get("Nats-Pending-Messages", 0))
        else:
            requested -= 1
            await take(msg)
        if requested <= HELD // 2:
            await ask()

    sub = await client.subscribe(inbox, cb=receive)
    await ask()
    try:
        yield
    finally:
        await sub.unsubscribe()


def classify(data: bytes) -> bytes:
    return encode(["question" if "?" in text else "other" for text in decode(data)])


async def worker(client: Client, ready: Callable[[], Awaitable[None]]) -> None:
    """WORK to DONE. The token behind the stream's name goes along, as an id."""
    giver = Giver(client)
    await giver.open()

    async def take(msg: Msg) -> None:
        subject = f"{DONE}.{msg.subject.rpartition('.')[2]}"
        await giver.give(subject, classify(msg.data), msg.reply)

    async with taking(client, WORK, take):
        await ready()


async def sleeper(client: Client, ready: Callable[[], Awaitable[None]]) -> None:
    """WORK to DONE, one at a time, 20 ms each."""
    js = client.jetstream()
    sub = await js.pull_subscribe_bind("raw", WORK)

    async def work() -> None:
        while True:
            try:
                (msg,) = await sub.fetch(1, timeout=5)
            except nats.errors.TimeoutError:
                continue
            await asyncio.sleep(0.02)
            await js.publish(f"{DONE}.{msg.subject.rpartition('.')[2]}", classify(msg.data))
            await msg.ack()

    working = asyncio.ensure_future(work())
    await ready()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def primary(client: Client, ready: Callable[[], Awaitable[None]]) -> None:
    """IN to WORK, DONE to OUT; what came from IN is acknowledged when its outcome is stored."""
    giver = Giver(client)
    await giver.open()
    held: dict[str, str] = {}

    async def hear(msg: Msg) -> None:
        number = msg.subject.rpartition(".")[2]
        held[number] = msg.reply
        await giver.give(f"{WORK}.{number}", msg.data)

    async def finish(msg: Msg) -> None:
        number = msg.subject.rpartition(".")[2]
        await giver.give(f"{OUT}.{number}", msg.data, msg.reply, held.pop(number))

    async with taking(client, IN, hear), taking(client, DONE, finish):
        await ready()


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    client = await nats.connect(url, pending_size=64 * 1024 * 1024)
    try:
        yield client
    finally:
        await client.close()


async def main() -> None:
    role, url = sys.argv[1:]

    async def nothing(request: dict[str, object]) -> dict[str, object]:
        return {}

    async with connected(url) as client:
        body = {"worker": worker, "sleeper": sleeper, "primary": primary}[role]
        await body(client, lambda: serve(nothing))


if __name__ == "__main__":
    uvloop.run(main())
