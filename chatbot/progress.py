"""What long work says of itself meanwhile, to whoever wants to tell people.

Who starts the work says where to; who does it need not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TOLD: ContextVar[Callable[[str], None] | None] = ContextVar("told", default=None)


def tell(text: str) -> None:
    """Say what is being done now, in any thread that has its starter's context."""
    told = _TOLD.get()
    if told is not None:
        told(text)


@contextmanager
def telling(told: Callable[[str], None]) -> Iterator[None]:
    """Have what is said in the block, and by what it starts, go to `told`."""
    token = _TOLD.set(told)
    try:
        yield
    finally:
        _TOLD.reset(token)
