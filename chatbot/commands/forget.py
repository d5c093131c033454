"""`chatbot forget`: erase what is kept of what somebody said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chatbot.broker import corrections, forgetting, memory, state
from chatbot.broker.forgetting import Said
from chatbot.broker.questions import Question, of_people
from chatbot.broker.questions import forget as forget_questions
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected
from chatbot.errors import BrokerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Whom:
    """Who is to be forgotten: a sender, on one network and in one flow where they are named."""

    sender: str
    network: str | None = None
    flow: str | None = None

    def is_meant(self, network: str, sender: str) -> bool:
        """Whether what `sender` said on `network` is meant; names differ in more than case."""
        there = self.network is None or network == self.network
        return there and sender.casefold() == self.sender.casefold()


@dataclass(frozen=True, slots=True)
class Found:
    """What is kept of somebody: messages, and questions asked or answered, of all flows."""

    said: set[Said]
    questions: list[Question]

    def __len__(self) -> int:
        kept = {(each.network, each.id) for each in self.said}
        alone = {(q.network, q.id) for q in self.questions} - kept
        return len(self.said) + len(alone)


async def find(whom: Whom, nats: str | None, data: Path | None, screen: Screen) -> Found:
    """Return what is kept of it."""
    async with connected(nats, data, "chatbot-forget") as broker:
        try:
            with screen.busy("looking for what is kept"):
                said = await forgetting.said_by(broker, whom.is_meant, whom.flow)
                return Found(said, await of_people(broker, whom.is_meant))
        except broker.errors as error:
            raise BrokerError(f"the NATS server does not answer ({error})") from error


async def forget(
    whom: Whom, found: Found, nats: str | None, data: Path | None, screen: Screen
) -> None:
    """Erase it, and what the bot keeps beside to answer commands."""
    async with connected(nats, data, "chatbot-forget") as broker:
        try:
            with screen.counting("erasing", len(found.said)) as advance:
                await forgetting.forget(broker, found.said, done=advance)
            await forget_questions(broker, whom.is_meant, found.questions)
            await state.forget(broker, whom.is_meant, whom.flow)
            await memory.forget(broker, whom.is_meant, whom.flow)
            await corrections.forget(broker, whom.is_meant, whom.flow)
        except* broker.errors as failures:
            raise BrokerError(
                f"the NATS server does not answer ({failures.exceptions[0]})",
                hint="what is left is erased when you try once more",
            ) from failures
