"""For how long a context may run."""

from __future__ import annotations

from chatbot.nodes.attempts import MOST
from chatbot.nodes.limits import GRACE
from chatbot.nodes.watchdog import LEAST_ALARM

RECOVERY = 15.0
"""Seconds until a node that ended is there again, or its work elsewhere."""

DEADLINE = 120.0
"""Seconds, at least, after which a context is given up and its message handed back."""


def deadline_for(longest: float) -> float:
    """Return the seconds that a context may take where one call may take `longest`.

    A call that ends its node by taking too long is tried elsewhere, and known by then.
    """
    if not longest:
        return DEADLINE
    return max(DEADLINE, MOST * (max(longest + 2 * GRACE, LEAST_ALARM) + RECOVERY))
