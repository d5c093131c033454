"""`chatbot forget`: erase what is kept of what somebody said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chatbot.broker import forgetting, memory, state
from chatbot.broker.forgetting import Said
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


async def find(whom: Whom, nats: str | None, data: Path | None, screen: Screen) -> set[Said]:
    """Return what is kept of it."""
    async with connected(nats, data, "chatbot-forget") as broker:
        try:
            with screen.busy("looking for what is kept"):
                return await forgetting.said_by(broker, whom.is_meant, whom.flow)
        except broker.errors as error:
            raise BrokerError(f"the NATS server does not answer ({error})") from error


async def forget(
    whom: Whom, said: set[Said], nats: str | None, data: Path | None, screen: Screen
) -> None:
    """Erase it, and what the bot keeps beside to answer commands."""
    async with connected(nats, data, "chatbot-forget") as broker:
        try:
            with screen.counting("erasing", len(said)) as advance:
                await forgetting.forget(broker, said, done=advance)
            await state.forget(broker, whom.is_meant, whom.flow)
            await memory.forget(broker, whom.is_meant, whom.flow)
        except* broker.errors as failures:
            raise BrokerError(
                f"the NATS server does not answer ({failures.exceptions[0]})",
                hint="what is left is erased when you try once more",
            ) from failures
