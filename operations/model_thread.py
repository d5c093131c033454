"""The threads that may use a model, so that the event loop stays free. Imports no model."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ModelThread:
    """Runs jobs one after the other; what waits when it is closed is dropped.

    Or `count` at once, for a model that merges what it is asked in several threads. A job sees
    the context variables of who asked for it: whether it is bulk work, for one.
    """

    def __init__(self, name: str, count: int = 1) -> None:
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix=name)

    async def run(self, job: Callable[[], T]) -> T:
        """Return what `job` returns, or raise what it raises."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, job)

    def close(self) -> None:
        """Drop what waits; the job that runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
