"""What `chatbot train` has of the system that runs: what people corrected, and nodes to tell."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime
from pathlib import Path

from chatbot import settings
from chatbot.broker.corrections import Corrections, learners
from chatbot.broker.server import running
from chatbot.broker.trained import Chosen, Training
from chatbot.commands.labels import whoami
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected
from chatbot.errors import BrokerError
from chatbot.inference.revisions import QUICK, Kept, Revisions
from chatbot.learning import Lesson, learner_of, lessons


def find(nats: str | None, data: Path | None) -> str | None:
    """Return the address of the server that is named, or that a bot here has; `None` for none."""
    return nats or settings.nats_url() or running(settings.data_path(data))


def corrections(nats: str | None, flow: str, operation: str) -> list[Lesson]:
    """Return what people agree on, and counts in all rooms, for an operation of a flow."""

    async def read(nats: str) -> list[Lesson]:
        async with connected(nats, None, "chatbot-train") as broker:
            try:
                learner = learner_of(flow, operation)
                if learner not in await learners(broker):
                    return []
                return lessons(await (await Corrections.of(broker, learner)).all())
            except broker.errors as error:
                raise BrokerError(f"the NATS server does not answer ({error})") from error

    found = asyncio.run(read(nats)) if nats is not None else []
    return [each for each in found if not each.room]


def choose(nats: str | None, key: str, kept: Kept | None, screen: Screen) -> None:
    """Have nodes run with a revision, `None` for quick training; where no server runs, say so."""
    name = kept.about.revision[:12] if kept else QUICK
    if nats is None:
        screen.say(f"nodes on this machine use {name} from their next start on: no server runs")
        return
    try:
        asyncio.run(_choose(nats, key, kept, screen))
    except BrokerError as error:
        raise type(error)(
            f"nodes were not told of {name}: {error.message}",
            hint=f"it is kept here: `chatbot train FLOW --rollback {name}` tells them",
        ) from error
    screen.say(f"nodes take over {name}")


async def _choose(nats: str, key: str, kept: Kept | None, screen: Screen) -> None:
    chosen = Chosen(
        kept.about.revision if kept else "",
        datetime.now(UTC),
        f"{whoami()} on {socket.gethostname()}",
    )
    async with connected(nats, None, "chatbot-train") as broker:
        try:
            training = await Training.open(broker, key)
            count = sum(1 for each in kept.folder.rglob("*") if each.is_file()) if kept else 0
            with screen.counting("storing it for the nodes", count) as done:
                await training.choose(chosen, kept.folder if kept else None, done)
        except broker.errors as error:
            raise BrokerError(f"the NATS server does not answer ({error})") from error
    Revisions(settings.models_path(), key).choose(chosen.revision, chosen.at)
