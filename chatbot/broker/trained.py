"""Which thorough training nodes run with: a key in `chatbot-learned`, its files with the models.

| key | value |
|---|---|
| `trained.<key>` | `Chosen`: the revision in use for some labels and an encoder |

The rule that it guards: a revision is stored whole before it is chosen.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from chatbot.broker import models, subjects
from chatbot.broker.buckets import Bucket, open_bucket
from chatbot.broker.connection import Broker
from chatbot.errors import BrokerError
from chatbot.messages import Record

PREFIX = "trained"
_REVISION = re.compile(r"[0-9a-f]{8,64}")


class Chosen(Record, frozen=True):
    """The revision that was chosen (empty: none, nodes train quickly), when, and by whom."""

    revision: str
    at: Annotated[datetime, Meta(tz=True)]
    by: str = ""


class Training:
    """What was trained thoroughly for one key (`chatbot.inference.revisions.key`).

    Made by `open`. Waits for a server that is away.
    """

    def __init__(self, broker: Broker, bucket: Bucket, key: str) -> None:
        self._broker = broker
        self._bucket = bucket
        self._key = key

    @classmethod
    async def open(cls, broker: Broker, key: str) -> Training:
        """Open that of a key."""
        return cls(broker, await open_bucket(broker, subjects.LEARNED), key)

    async def chosen(self) -> Chosen | None:
        """Return what was chosen last, `None` where nothing ever was."""
        found = await self._broker.insist(lambda: self._bucket.get(self._place))
        try:
            chosen = Chosen.decode(found.value) if found else None
        except msgspec.MsgspecError:
            return None  # another version's
        if chosen is not None and chosen.revision and not _REVISION.fullmatch(chosen.revision):
            raise BrokerError("the revision that was chosen cannot be one")
        return chosen

    async def choose(
        self, chosen: Chosen, folder: Path | None, done: Callable[[], None] = lambda: None
    ) -> None:
        """Have nodes run with a revision, which lies in `folder`; `None` where it is none.

        It and the one before it stay in the object store. `done` is called for each file.
        """
        former = await self.chosen()
        if folder is not None:
            files = models.listed(folder)
            name = self._model(chosen.revision)
            await models.push(self._broker, name, folder, files, done=done)
        await self._bucket.put(self._place, chosen.encode())
        kept = {self._model(each.revision) for each in (chosen, former) if each is not None}
        for model in await models.every(self._broker):
            if model.name.startswith(self._model("")) and model.name not in kept:
                await models.drop(self._broker, model)

    async def model(self, revision: str) -> models.Model:
        """Return the files of a revision; raises `BrokerError` where they are gone."""
        found = await self._broker.insist(lambda: models.find(self._broker, self._model(revision)))
        if found is None:
            raise BrokerError(
                f"revision {revision[:12]} is not in the object store",
                hint="`chatbot train FLOW --rollback REVISION` stores it again",
            )
        return found

    @asynccontextmanager
    async def watch(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """Call `changed` when something is chosen; not while the connection is down."""
        async with self._bucket.watch(lambda *_: changed(), self._place):
            yield

    @property
    def _place(self) -> str:
        return f"{PREFIX}.{self._key}"

    def _model(self, revision: str) -> str:
        return f"{PREFIX}.{self._key}.{revision}"
