"""The hop with FastStream: a caller and a worker process, JetStream between them.

    python -m tests.benchmarks.faststream_hop URL [worker]

A pull subscriber for each way, of as many messages a request and at once as do it good; a
message is acknowledged after its handler has ended, which includes publishing its answer.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub

from tests.benchmarks.companion import Companion, serve

WORK = JStream("FS_WORK", subjects=["fs.work"], retention="workqueue")
DONE = JStream("FS_DONE", subjects=["fs.done"], retention="workqueue")
AT_ONCE = 256


def hop(broker: NatsBroker, stream: JStream, name: str):
    return broker.subscriber(
        name,
        stream=stream,
        durable=name.replace(".", "-"),
        pull_sub=PullSub(batch_size=AT_ONCE),
        max_workers=64,
        ack_policy=AckPolicy.ACK,
    )


async def worker(broker: NatsBroker) -> None:
    @hop(broker, WORK, "fs.work")
    @broker.publisher("fs.done", stream=DONE)
    async def classify(text: str) -> str:
        return "question" if "?" in text else "other"

    async def nothing(request):
        return {}

    await broker.start()
    await serve(nothing)


async def caller(broker: NatsBroker, url: str) -> None:
    back: asyncio.Queue[str] = asyncio.Queue()

    @hop(broker, DONE, "fs.done")
    async def respond(label: str) -> None:
        back.put_nowait(f"that is a {label}")

    async def give(texts) -> None:
        for text in texts:
            await broker.publish(text.strip().lower(), "fs.work", stream="FS_WORK")

    async def answer(request):
        count = request["count"]
        texts = iter([f"{n:08} How do I do this? {'x' * 80}"[:80] for n in range(count)])
        giving = asyncio.gather(*(give(texts) for _ in range(AT_ONCE)))
        for _ in range(count):
            assert await back.get() == "that is a question"
        await giving
        return {}

    await broker.start()
    async with Companion.start("faststream_hop", url, "worker"):
        await serve(answer)


async def main() -> None:
    broker = NatsBroker(sys.argv[1], logger=None)
    try:
        await (worker(broker) if len(sys.argv) > 2 else caller(broker, sys.argv[1]))
    finally:
        await broker.stop()


if __name__ == "__main__":
    uvloop.run(main())
