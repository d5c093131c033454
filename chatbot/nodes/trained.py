"""What thorough training made for an operation on a node: fetched when it is chosen, and run.

The rule that it guards: what runs goes on until the other one is loaded, and has learned what
people corrected; where that goes wrong, it goes on.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from chatbot import settings
from chatbot.broker import Broker
from chatbot.broker.trained import Chosen, Training
from chatbot.errors import ChatbotError, OperationError
from chatbot.inference import registry
from chatbot.inference.revisions import Revisions
from chatbot.nodes.learning import Learner, Tell
from chatbot.progress import tell, telling
from operations.learning import Trainable

log = logging.getLogger(__name__)

LOOK = 10.0
"""Seconds between looks, beside being told of changes; and until what failed is tried again."""


class Follower:
    """Keeps one operation with the training that was chosen. Made by `open`."""

    def __init__(
        self,
        broker: Broker,
        pupil: Trainable,
        training: Training,
        learner: Learner | None,
        tell: Tell,
    ) -> None:
        self._broker = broker
        self._pupil = pupil
        self._training = training
        self._learner = learner
        self._tell = tell
        self._refused: Chosen | None = None
        self._failed = ""
        self._chosen = asyncio.Event()

    @classmethod
    async def open(
        cls, broker: Broker, pupil: Trainable, learner: Learner | None, tell: Tell
    ) -> Follower:
        """Follow for `pupil`; `learner` teaches it corrections, `tell` is told what is done."""
        training = await Training.open(broker, pupil.place)
        return cls(broker, pupil, training, learner, tell)

    async def catch_up(self) -> None:
        """Run with what was chosen; where it cannot be had, with what there is."""
        try:
            await self._follow()
            self._failed = ""
        except ChatbotError as error:
            level = logging.DEBUG if self._failed == str(error) else logging.ERROR
            log.log(level, "cannot run with what was trained: %s", error)  # it is tried again
            self._failed = str(error)
        except self._broker.errors as error:
            log.warning("cannot see what was trained: %r", error)

    async def run(self) -> None:
        """Follow until cancelled."""
        async with self._training.watch(self._chosen.set):
            self._broker.on_reconnect.add(self._chosen.set)
            try:
                while True:
                    await self.catch_up()
                    await self._told()
            finally:
                self._broker.on_reconnect.discard(self._chosen.set)

    async def _told(self) -> None:
        try:
            async with asyncio.timeout(LOOK):
                await self._chosen.wait()
        except TimeoutError:
            pass
        self._chosen.clear()

    async def _follow(self) -> None:
        chosen = await self._training.chosen()
        kept = Revisions(settings.models_path(), self._pupil.place)
        if chosen is None or kept.chosen_after(chosen.at):
            return  # on this machine somebody has chosen since, without the server
        if chosen.revision == self._pupil.trained or chosen == self._refused:
            return
        try:
            with telling(self._tell):
                await self._change(chosen, kept)
        finally:
            self._tell("")
        if self._learner is not None:
            self._learner.look()
        else:
            await self._pupil.take(None)

    async def _change(self, chosen: Chosen, kept: Revisions) -> None:
        """Fetch and load what was chosen, to learn on top of it."""
        try:
            await self._fetch(chosen, kept.folder)
            kept.choose(chosen.revision, chosen.at)
        except OSError as error:
            raise OperationError(
                f"what was trained cannot be kept in {kept.folder}: {error.strerror}",
                hint="CHATBOT_DATA names a folder that can be written to",
            ) from error
        await self._pupil.prepare()
        if self._pupil.trained != chosen.revision:
            self._refused = chosen
            raise OperationError(f"revision {chosen.revision[:12]} is none that can be used here")
        log.info("run with what was trained: revision %s", chosen.revision[:12] or "quick")

    async def _fetch(self, chosen: Chosen, folder: Path) -> None:
        """Bring the files of a revision to this machine, unless they are here."""
        place = folder / chosen.revision
        if chosen.revision and not await asyncio.to_thread(place.is_dir):
            tell(f"fetching revision {chosen.revision[:12]}")
            await registry.pull(self._broker, await self._training.model(chosen.revision), place)
