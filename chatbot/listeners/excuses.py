"""What is said of an action that could not be done, to who can do something about it.

The rule that it guards: it is said once, whoever dies, in the room that the flow names; and no
word of what people wrote.
"""

from __future__ import annotations

from chatbot.listeners.bridge import Delivery
from chatbot.messages import Action, Elsewhere, Outcome, Reply, answer_id


async def excuse(delivery: Delivery, action: Action, why: str) -> None:
    """Tell, where `action` says in which room, why it could not be done; empty: it was."""
    outcome = delivery.outcome
    if not why or not action.tell:
        return
    whom = action.to or outcome.sender
    told = f"I could not {action.kind} {whom} in {outcome.room}: {why}"
    number = outcome.actions.index(action)
    await delivery.answer(
        Outcome(
            id=answer_id(outcome.id, outcome.network, number),
            network=outcome.network,
            room=outcome.room,
            sender=outcome.sender,
            private=outcome.private,
            revision=outcome.revision,
            elsewhere=(Elsewhere(action.tell, (Reply(told, notice=True),)),),
        )
    )
