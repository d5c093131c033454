"""An outcome that has something to say in several rooms, as a delivery for each of them.

The rule that it guards: what was performed in one room is not performed again because a process
died before it came to the next; the outcome is acknowledged when all of it was performed.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from chatbot.messages import Elsewhere, Outcome, digest

if TYPE_CHECKING:
    from chatbot.listeners.bridge import Delivery

PERFORMED = "performed"
"""The mark of a part that needs nothing more."""

Mark = Callable[[Outcome, str], Awaitable[float | None]]
Begin = Callable[[Outcome], Awaitable[bool]]


async def spread(
    delivery: Delivery, is_performed: Callable[[Outcome], Awaitable[bool]], begin: Begin, mark: Mark
) -> AsyncIterator[Delivery]:
    """Yield a delivery for each room of `delivery`'s outcome, but for those that were performed.

    The first is the outcome as it is, for its own room; the others have ids of their own, derived
    from its.
    """
    outcome = delivery.outcome
    parts = [outcome, *(_part(outcome, each) for each in outcome.elsewhere)]
    left = [part for part in parts if not await is_performed(part)]
    if not left:
        await delivery.done()
        return
    waiting = {part.id for part in left}

    async def done(part: Outcome) -> None:
        await mark(part, PERFORMED)
        waiting.discard(part.id)
        if not waiting:
            await delivery.done()

    for part in left:
        yield msgspec.structs.replace(
            delivery,
            outcome=part,
            done=functools.partial(done, part),
            begin=functools.partial(begin, part),
            mark=functools.partial(mark, part),
        )


def _part(outcome: Outcome, elsewhere: Elsewhere) -> Outcome:
    """Return what is for another room, which answers no message there."""
    return Outcome(
        id=f"elsewhere/{digest(outcome.id, elsewhere.room)}",
        network=outcome.network,
        room=elsewhere.room,
        sender=outcome.sender,
        replies=elsewhere.replies,
        actions=elsewhere.actions,
        revision=outcome.revision,
    )
