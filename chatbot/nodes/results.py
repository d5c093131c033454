"""What became of the calls of a batch, for those whose calls they were. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from chatbot.messages import Call, Result, Work
from chatbot.nodes.failure import raised
from chatbot.nodes.implementations import STREAMED, Outputs

SENT = Result(0, 0, [])
"""Stands for the result of a call whose parts were sent."""


def result_of(call: Call, outcome: Outputs | Exception) -> Result:
    """Return the result of `call`: its output sets, or what was raised."""
    if outcome is STREAMED:
        return SENT
    if not isinstance(outcome, Exception):
        return Result(call.context, call.number, outcome)
    return Result(call.context, call.number, [], raised(outcome))


def primary_at(works: Sequence[Work], position: int) -> str:
    """Return whose the call at `position` is, counted over all works."""
    for work in works:
        if position < len(work.calls):
            return work.primary
        position -= len(work.calls)
    raise IndexError(position)


def by_primary(works: Sequence[Work], results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results of the calls of all works, in their order, for each primary."""
    found: dict[str, list[Result]] = {}
    position = 0
    for work in works:
        count = len(work.calls)
        found.setdefault(work.primary, []).extend(results[position : position + count])
        position += count
    return found
