"""A chat network of the tests that keeps its history and takes no part of a reply twice.

It is a folder. `posted` has a line for each message, which its number identifies for ever;
`position` says up to where we have heard, `positions` all that it ever said; `said` has a line
for each part of a reply, with the part's id. As a Matrix homeserver does with transaction ids,
the network shows a part once, however often it was sent.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chatbot.listeners.bridge import Bridge, Delivery
from chatbot.messages import ChatMessage

LOOK = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSettings:
    """`folder`: where the network is. `people`: how many take turns; without, it is all anna."""

    folder: str
    people: int = 1


class PlatformListener:
    """Hears what was posted behind the stored position, and says the parts of the outcomes."""

    settings_type = PlatformSettings

    def __init__(self, network: str, settings: PlatformSettings) -> None:
        self.network = network
        self._folder = Path(settings.folder)
        self._people = settings.people

    def describe(self) -> str:
        return "the tests' platform"

    async def run(self, bridge: Bridge) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear(bridge))
            group.create_task(self._speak(bridge))

    async def _hear(self, bridge: Bridge) -> None:
        position = self._folder / "position"
        heard = int(position.read_text()) if position.exists() else 0
        while True:
            posted = (self._folder / "posted").read_text().splitlines()
            for number, text in enumerate(posted[heard:], heard + 1):
                await bridge.hear(self._message(number, text))
                heard = number
                with (self._folder / "positions").open("a") as log:
                    log.write(f"{heard}\n")
                written = position.with_suffix(".new")
                written.write_text(str(heard))
                written.replace(position)
            await asyncio.sleep(LOOK)

    async def _speak(self, bridge: Bridge) -> None:
        async for delivery in bridge.outcomes():
            await self._perform(delivery)

    async def _perform(self, delivery: Delivery) -> None:
        outcome = delivery.outcome
        for number, reply in enumerate(outcome.replies):
            self.say_part(f"{outcome.id}#{number}", reply.text)
            await asyncio.sleep(0)
        await delivery.done()

    def say_part(self, part: str, text: str) -> None:
        with (self._folder / "said").open("ab", buffering=0) as said:
            said.write(json.dumps([part, text]).encode() + b"\n")

    def _message(self, number: int, text: str) -> ChatMessage:
        sender = f"anna{number % self._people or ''}"
        return ChatMessage(
            id=f"{self.network}/{number}",
            network=self.network,
            room="#room",
            sender=sender,
            account=sender,
            text=text,
            time=datetime.now(UTC),
        )
