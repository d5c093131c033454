"""The one thread that may use a model, so that the event loop stays free. Imports no model."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ModelThread:
    """Runs jobs one after the other; what waits when it is closed is dropped."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, job: Callable[[], T]) -> T:
        """Return what `job` returns, or raise what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, job)

    def close(self) -> None:
        """Drop what waits; the job that runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
