"""What an operation on a node learns: taught by one node, taken over by all.

    a correction ──► every node is told ──► one has the lease, teaches, publishes the head
                                              └──► every node is told, fetches it, takes it over

The rule that it guards: nothing of it keeps work waiting, and nothing that goes wrong with it ends
the operation: it runs on with what it knows.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from chatbot.broker import Broker
from chatbot.broker.corrections import Corrections
from chatbot.broker.heads import Compared, HeadRecord, Heads
from chatbot.broker.lease import hold
from chatbot.errors import ChatbotError, OutdatedError
from chatbot.learning import Example, identity, lessons
from chatbot.messages import LearnerRecord
from chatbot.progress import telling
from operations.learning import Pupil, base_of

log = logging.getLogger(__name__)

LOOK = 10.0
"""Seconds between looks, beside being told of changes."""

COMPARE = 1.0
"""Seconds between reports of how a shadow does."""

AGAIN = 5.0
"""Seconds until what failed is tried again."""


Tell = Callable[[str], None]


class Learner:
    """Teaches one operation on one node. Made by `open`."""

    def __init__(
        self,
        broker: Broker,
        told: LearnerRecord,
        pupil: Pupil,
        corrections: Corrections,
        heads: Heads,
        node: str,
        lease: str,
        tell: Tell,
    ) -> None:
        self._broker = broker
        self._told = told
        self._pupil = pupil
        self._corrections = corrections
        self._all_heads = heads
        self._node = node
        self._lease = lease
        self._tell = tell
        self._runs = ""
        self._outdated: set[str] = set()  # what older versions of the program learned
        self._base = base_of(pupil)
        self._shadow: HeadRecord | None = None
        self._corrected = asyncio.Event()
        self._published = asyncio.Event()
        self._changed = {self._corrected, self._published}

    @classmethod
    async def open(
        cls, broker: Broker, told: LearnerRecord, key: str, pupil: Pupil, node: str, tell: Tell
    ) -> Learner:
        """Teach `pupil`, the operation with this key, on the node with this id.

        `tell` is told, in any thread, what is being done, and nothing ("") when it is done.
        """
        corrections = await Corrections.of(broker, told.name)
        heads = await Heads.open(broker, told.name, key)
        lease = f"learn.{told.name}.{key}"
        return cls(broker, told, pupil, corrections, heads, node, lease, tell)

    async def catch_up(self) -> None:
        """Take over what the others run with; where that cannot be had, it is taught anew."""
        await self._trying("take over what was learned", self._take)

    def look(self) -> None:
        """See whether there is something to learn or to take over: corrections, another base."""
        for event in self._changed:
            event.set()

    @property
    def _heads(self) -> Heads:
        """The heads for what is learned on top of at this moment."""
        return self._all_heads.on(base_of(self._pupil))

    async def run(self) -> None:
        """Learn until cancelled."""
        async with self._watching(), asyncio.TaskGroup() as group:
            group.create_task(self._each(self._corrected, "learn", self._learn))
            taking = self._each(self._published, "take over what was learned", self._take)
            group.create_task(taking)
            if self._told.shadow:
                group.create_task(self._report())

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        async with (
            self._corrections.watch(self._corrected.set),
            self._all_heads.watch(self._published.set),
        ):
            self._broker.on_reconnect.add(self.look)
            self.look()
            try:
                yield
            finally:
                self._broker.on_reconnect.discard(self.look)

    async def _each(
        self, event: asyncio.Event, what: str, do: Callable[[], Awaitable[None]]
    ) -> None:
        """Do it whenever the event is set, and now and then."""
        while True:
            try:
                async with asyncio.timeout(LOOK):
                    await event.wait()
            except TimeoutError:
                pass
            event.clear()
            if not await self._trying(what, do):
                await asyncio.sleep(AGAIN)

    async def _trying(self, what: str, do: Callable[[], Awaitable[None]]) -> bool:
        """Do it; whether it went well. What went wrong has no word of what people wrote in it."""
        try:
            await do()
        except ChatbotError as error:
            log.error("cannot %s: %s", what, error)
            return False
        except self._broker.errors as error:
            log.warning("cannot %s: %r", what, error)
            return False
        except Exception as error:  # whatever an operation's own code raises
            log.error("cannot %s: %s", what, type(error).__name__)
            log.debug("cannot %s", what, exc_info=error)
            return False
        return True

    async def _learn(self) -> None:
        """Teach what is not learned yet, unless another node does at this moment."""
        if await self._lacks(await self._corrections.all()):
            owner = f"node {self._node} ({socket.gethostname()}:{os.getpid()})"
            await hold(self._broker, self._lease, owner, self._teach, quiet=True)

    async def _lacks(self, examples: list[Example]) -> bool:
        """Whether what runs, or what will in its place, was taught other lessons."""
        heads = self._heads
        current, coming = self._usable(await heads.current()), self._usable(await heads.next())
        wanted = identity(lessons(examples))
        if wanted == (current.lessons if current else ""):
            if coming is not None:
                await heads.drop_next()  # what it had more was taken back
            return False
        return coming is None or coming.lessons != wanted

    def _usable(self, head: HeadRecord | None) -> HeadRecord | None:
        return None if head is None or head.stored in self._outdated else head

    def _learn_anew(self, head: HeadRecord) -> None:
        """Learn again what an older version of the program has learned."""
        log.info("learn anew what an older version learned: revision %s", head.revision[:8])
        self._outdated.add(head.stored)
        self._corrected.set()

    async def _teach(self) -> None:
        number = await self._corrections.count()  # before: what comes later makes us look again
        examples = await self._corrections.all()
        if not await self._lacks(examples):
            return
        taught = lessons(examples)
        log.info("learn %d corrections", len(taught))
        begun = time.monotonic()
        heads = self._heads
        try:
            self._tell(f"learning {len(taught)} correction{'' if len(taught) == 1 else 's'}")
            with telling(self._tell):
                revision, content = await self._pupil.study(taught)  # on the same base
        finally:
            self._tell("")
        took = time.monotonic() - begun
        log.info("learned them in %.1f s: revision %s", took, revision[:8])
        current = await heads.current()
        takes_over = self._usable(current) is None and bool(heads.base or current)
        record = HeadRecord(
            revision=revision,
            stored="",
            lessons=identity(taught),
            number=number,
            count=len(taught),
            at=datetime.now(UTC),
            contested=sum(each.is_contested for each in examples),
            by=f"{socket.gethostname()}:{os.getpid()}",
        )
        await heads.publish(record, content, shadow=self._told.shadow and not takes_over)
        self._published.set()

    async def _take(self) -> None:
        """Run with the head that is published, if it is another, and have its shadow beside."""
        heads, base = self._heads, base_of(self._pupil)
        current = self._usable(await heads.current())
        differs = self._runs or base != self._base
        if current is not None and current.stored != self._runs:
            try:
                await self._pupil.take(await heads.load(current))
            except OutdatedError:
                self._learn_anew(current)
                return
            self._runs, self._base = current.stored, base
            log.info("run revision %s with %d corrections", current.revision[:8], current.count)
        elif current is None and differs and not lessons(await self._corrections.all()):
            await self._pupil.take(None)  # all was forgotten: nobody will learn anything anew
            self._runs, self._base = "", base
        if self._base == base:
            await self._take_shadow(heads)
        else:
            self._shadow = None  # it ends when what was prepared runs

    async def _take_shadow(self, heads: Heads) -> None:
        shadow = self._usable(await heads.next()) if self._told.shadow else None
        if (shadow and shadow.stored) != (self._shadow and self._shadow.stored):
            try:
                await self._pupil.shadow(await heads.load(shadow) if shadow else None)
            except OutdatedError:
                assert shadow is not None
                self._learn_anew(shadow)
            else:
                self._shadow = shadow

    async def _report(self) -> None:
        """Say how the shadow does; promote it where it has seen enough."""
        said: Compared | None = None
        while True:
            await asyncio.sleep(COMPARE)
            shadow = self._shadow
            if shadow is None:
                continue
            seen, pairs = self._pupil.compared()
            counted = tuple((*pair, count) for pair, count in sorted(pairs.items()))
            compared = Compared(shadow.stored, seen, sum(pairs.values()), counted)
            say = functools.partial(self._say, shadow, compared)
            if compared != said and await self._trying("say how the shadow does", say):
                said = compared

    async def _say(self, shadow: HeadRecord, compared: Compared) -> None:
        await self._heads.note(self._node, compared)
        after = self._told.after
        is_due = after and (await self._heads.compared(shadow)).seen >= after
        if is_due and await self._heads.promote(shadow):
            log.info("promote revision %s", shadow.revision[:8])
