"""An exception as it crosses the wire.

The rule that it guards: it always does, whatever its text is like. A result that cannot be sent
would be tried for ever.
"""

from __future__ import annotations

import os
import socket
import traceback

from chatbot.messages import Raised

MOST = 4000
"""Characters that are kept of a text: the first of a message, the last of a trace."""


def here() -> str:
    """Return what this process is called where it is told which have tried."""
    return f"{socket.gethostname()}:{os.getpid()}"


def raised(error: BaseException, *, trace: bool = True) -> Raised:
    """Return `error` as this node's, with its trace unless that says nothing."""
    return Raised(
        type(error).__name__, message_of(error), trace_of(error) if trace else "", [here()]
    )


def message_of(error: BaseException) -> str:
    """Return the message of `error`, as can be sent."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it is somebody else's class
        text = "(its message cannot be had)"
    return _sendable(text[:MOST])


def trace_of(error: BaseException) -> str:
    """Return where `error` was raised, as can be sent."""
    return _sendable("".join(traceback.format_exception(error))[-MOST:])


def _sendable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
