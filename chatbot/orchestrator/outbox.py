"""Outcomes on their way to OUT, and to the dead letters what has none.

The rule that it guards: a message has one outcome, whatever lane it came in; the first one stands.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from chatbot.broker import Broker, streams, subjects
from chatbot.broker.decided import decided
from chatbot.broker.subjects import Lane
from chatbot.errors import AlreadyPublished
from chatbot.messages import ChatMessage, Outcome
from chatbot.orchestrator.burial import dead_letter, encoded, root_of
from chatbot.orchestrator.decision import in_general_terms

log = logging.getLogger(__name__)


class Outbox:
    """The outcomes of one flow."""

    def __init__(self, broker: Broker, flow: str) -> None:
        self._broker = broker
        self._flow = flow

    async def publish(self, outcome: Outcome, lane: Lane) -> bool:
        """Return when it is stored, or another was before: whether this one stands."""
        subject = subjects.out_subject(self._flow, outcome.network, outcome.id)
        try:
            if lane is Lane.BULK:
                await self._reserve(subject)
                subject = subjects.out_subject(self._flow, outcome.network, outcome.id, lane)
            await self._broker.publish(subject, encoded(outcome))
        except AlreadyPublished:
            log.debug("the outcome of %s stands already", outcome.id)
            return False
        return True

    async def hand_over(self, message: ChatMessage, stands: Outcome | None) -> None:
        """Have other listeners do what the outcome that `stands` wants of them; once.

        `None` says that it is another's. They have it when this returns.
        """
        if stands is None:
            found = await decided(self._broker, self._flow, message.network, message.id)
            stands = found.outcome if found is not None else None
        for part in _parts(stands) if stands is not None else ():
            subject = subjects.out_subject(self._flow, part.network, part.id)
            try:
                await self._broker.publish(subject, encoded(part))
            except AlreadyPublished:
                log.debug("%s has its part of %s already", part.network, part.id)

    async def bury(self, message: ChatMessage, error: Exception, lane: Lane) -> Outcome:
        """Keep what failed, with its reason, in the dead-letter stream; return its outcome."""
        cause = root_of(error)
        what = in_general_terms(error, cause)
        log.error("a message ends in the dead letters: %s", what)
        letter = dead_letter(self._flow, lane, message, error)
        await self._broker.publish(subjects.dead_subject(self._flow), letter.encode())
        return Outcome(message.id, message.network, message.room, message.sender, error=what)

    async def _reserve(self, subject: str) -> None:
        """Have the one subject of a message say that its outcome is in the bulk lane.

        Raises `AlreadyPublished` if it has an outcome; having it reserved already is no harm.
        """
        try:
            await self._broker.publish(subject, b"")
        except AlreadyPublished:
            if await streams.last(self._broker, subjects.out_stream(self._flow), subject):
                raise


def _parts(outcome: Outcome) -> Iterator[Outcome]:
    """Yield what other listeners are to do of an outcome, for each of them."""
    for network in {each.on: None for each in outcome.actions if each.on}:
        if network != outcome.network:
            yield msgspec.structs.replace(
                outcome,
                network=network,
                source=outcome.network,
                replies=(),
                actions=tuple(each for each in outcome.actions if each.on == network),
                changes=(),
                understood={},
                text="",
                elsewhere=(),
            )
