"""The hop with a Ray actor: a process of its own, called with up to 1,000 calls in flight."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import ray

from tests.benchmarks.companion import serve

IN_FLIGHT = 1_000


@ray.remote(num_cpus=0)
class Classifier:
    def classify(self, text: str) -> str:
        return "question" if "?" in text else "other"


def hop(actor, count: int) -> None:
    texts = [f"{n:08} How do I do this? {'x' * 80}"[:80] for n in range(count)]
    for start in range(0, count, IN_FLIGHT):
        calls = [
            actor.classify.remote(text.strip().lower()) for text in texts[start : start + IN_FLIGHT]
        ]
        for label in ray.get(calls):
            assert f"that is a {label}" == "that is a question"


async def main() -> None:
    with contextlib.redirect_stdout(sys.stderr):
        ray.init(log_to_driver=False, include_dashboard=False, logging_level="ERROR")
    actor = Classifier.remote()
    ray.get(actor.classify.remote("?"))

    async def answer(request):
        await asyncio.to_thread(hop, actor, request["count"])
        return {}

    await serve(answer)
    ray.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
