"""The connection that operations of this process may use for what all nodes share.

The rule that it guards: only a node lends its connection, and only to what it instantiates; an
operation that runs elsewhere (in DFFML's own orchestrator, in a test) finds none, and keeps what
it knows to itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatbot.broker.connection import Broker

_lent: ContextVar[Broker | None] = ContextVar("chatbot broker", default=None)


@contextmanager
def lent(broker: Broker) -> Iterator[None]:
    """Lend the connection to what is entered in the block, and in the tasks begun there."""
    token = _lent.set(broker)
    try:
        yield
    finally:
        _lent.reset(token)


def borrowed() -> Broker | None:
    """Return the connection that was lent to us, `None` where none was. Not ours to close."""
    return _lent.get()
