"""What an operation raised on a node, as an exception here. Pure.

The rule that it guards: no class is imported, or looked up outside Python's own, by a name from
the wire.
"""

from __future__ import annotations

import builtins

from chatbot.errors import EncodingError, RemoteError
from chatbot.messages import Raised


def exception(operation: str, raised: Raised) -> Exception:
    """Return what an operation raised on a node, as whoever ran it here would have had it.

    An exception of Python's own is made again, with the `RemoteError` as its cause; for any
    other class, whose name would have to be imported, it is the `RemoteError` itself.
    """
    remote = RemoteError(operation, raised.kind, raised.message, raised.trace, raised.nodes)
    if raised.kind == EncodingError.__name__:
        refused = EncodingError(raised.message)
        refused.__cause__ = remote
        return refused
    kind = getattr(builtins, raised.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return remote
    try:
        again = kind(raised.message)
    except TypeError:  # it wants more than a message
        return remote
    again.__cause__ = remote
    return again
