"""Whether what runs now is bulk work, behind which nobody waits.

A task says so of itself and of all that it starts; who may choose what to do first asks. What
is not said to be bulk is for people.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_BULK: ContextVar[bool] = ContextVar("bulk", default=False)


def is_bulk() -> bool:
    """Whether nobody waits for what runs here."""
    return _BULK.get()


def set_bulk(value: bool) -> None:
    """Have what this task does from now on be bulk work, or not."""
    _BULK.set(value)


@contextmanager
def bulk(value: bool = True) -> Iterator[None]:
    """Have what runs in the block be bulk work."""
    token = _BULK.set(value)
    try:
        yield
    finally:
        _BULK.reset(token)
