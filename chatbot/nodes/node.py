"""A node: what it may run, which flows want it, and a worker for each such operation.

The rule that it guards: it runs only what it was told to and what is installed here, and it
announces an operation only when it is ready to take its work.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import chatbot
from chatbot import settings
from chatbot.authoring.local import file_named, plain_name
from chatbot.broker import Broker, current, files, streams, subjects
from chatbot.broker.buckets import Bucket, open_bucket
from chatbot.broker.subjects import Lane
from chatbot.errors import ChatbotError, OperationError
from chatbot.inference import threads
from chatbot.labels import fits, of_this_machine, shown
from chatbot.messages import FlowRecord, NodeRecord, OperationRecord, Stranger, announced
from chatbot.nodes.attempts import Attempts
from chatbot.nodes.implementations import Implementation, find, installed, shipped
from chatbot.nodes.learning import Learner
from chatbot.nodes.limits import Limits
from chatbot.nodes.local import LocalOperations
from chatbot.nodes.networks import (
    NatsNodeInputNetwork,
    NatsNodeInputNetworkConfig,
    NatsNodeOperationImplementationNetwork,
    NatsNodeOperationImplementationNetworkConfig,
)
from chatbot.nodes.roster import announce
from chatbot.nodes.strangers import Strangers, remedy
from chatbot.nodes.trained import Follower
from chatbot.nodes.worker import Worker
from chatbot.progress import telling
from operations.learning import Pupil, Trainable, pupil_of

log = logging.getLogger(__name__)

LOOK = 3.0
"""Seconds between looks at the flows, beside being told of changes."""

FAILED_PAUSE = 10.0
"""Seconds until an operation that would not start is tried again."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Given:
    """An operation that only this process has: its implementation and configuration as such."""

    implementation: Implementation
    config: Any


class Node:
    """Runs operations for the flows that need them, until it is cancelled.

    `names` are the operations that it may run, beside those that this process has by itself
    (see `offer`), `files` Python files with further ones, `labels` what flows may ask of its nodes;
    its host is one unless given.
    `progress` is told what happens, for people. Raises `OperationError` at once for a name that
    is not installed, `UsageError` for what cannot be a label.
    """

    def __init__(
        self,
        broker: Broker,
        names: Sequence[str],
        *,
        labels: Sequence[str] = (),
        files: Sequence[Path] = (),
        progress: Progress = lambda _: None,
    ) -> None:
        self.id = secrets.token_hex(6)
        self.labels = of_this_machine(labels)
        self._broker = broker
        self._names = frozenset(names)
        self._given: dict[str, Given] = {}
        check_names(self._names)
        self._local = LocalOperations(files)
        self._strangers = Strangers()
        self._told: set[object] = set()
        self._progress = progress
        self._started = datetime.now(UTC)
        self._workers: dict[tuple[str, str], Worker] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._not_before: dict[tuple[str, str], float] = {}
        self._look = asyncio.Event()
        self._announce: Callable[[], None] = lambda: None
        self._doing = ""
        self.limits = Limits()
        self._attempts: Attempts

    async def run(self) -> None:
        """Serve until cancelled; then finish what runs and hand the rest back."""
        await streams.ensure(self._broker, streams.account_streams())
        bucket = await open_bucket(self._broker, subjects.FLOWS)
        with current.lent(self._broker):
            await self._run(bucket)

    async def _run(self, bucket: Bucket) -> None:
        async with (
            self._networks() as (nctx, ictx),
            announce(self._broker, f"node.{self.id}", self.record) as self._announce,
            bucket.watch(lambda *_: self._look.set()),
            Attempts.open(self._broker, self.id) as self._attempts,
        ):
            self._progress(f"ready to run {self._offered()} ({shown(self.labels)})")
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.limits.run())
                    await self._follow(bucket, group, nctx, ictx)
            finally:
                self._workers.clear()

    def offer(self, key: str, given: Given) -> None:
        """Run the private operation with this key, too, as this process has it."""
        self._given[key] = given
        self._look.set()

    def record(self) -> NodeRecord:
        """Return what the node announces of itself."""
        return NodeRecord(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=chatbot.__version__,
            started=self._started,
            offers=[*sorted(self._names), *self._local.names],
            operations={worker.record.key: worker.stats() for worker in self._workers.values()},
            labels=list(self.labels),
            time=datetime.now(UTC),
            doing=self._doing,
        )

    def _offered(self) -> str:
        """Return what it may run, for people."""
        named, local = sorted(self._names), map(plain_name, self._local.names)
        if len(named) > 1 and named == shipped():
            named = ["all operations that come with the program"]
        return ", ".join([*named, *local])

    @asynccontextmanager
    async def _networks(self) -> AsyncIterator[tuple[Any, Any]]:
        opimps = NatsNodeOperationImplementationNetwork(
            NatsNodeOperationImplementationNetworkConfig()
        )
        inputs = NatsNodeInputNetwork(NatsNodeInputNetworkConfig())
        async with opimps, inputs, opimps() as nctx, inputs() as ictx:
            ictx.use(self._broker)
            yield nctx, ictx

    async def _follow(self, bucket: Bucket, group: asyncio.TaskGroup, nctx: Any, ictx: Any) -> None:
        while True:
            try:
                self._adjust(self._wanted(await bucket.all()), group, nctx, ictx)
            except self._broker.errors as error:
                log.debug("cannot look at the flows: %r", error)
            self._look.clear()
            threads.own.look()
            try:
                async with asyncio.timeout(LOOK):
                    await self._look.wait()
            except TimeoutError:
                pass

    def _wanted(self, flows: dict[str, bytes]) -> dict[tuple[str, str], OperationRecord]:
        """Return what the flows want of this node, by flow and key; say what they cannot have."""
        seen = [announced(FlowRecord, "flow", key, value) for key, value in flows.items()]
        strangers = [each for each in seen if isinstance(each, Stranger)]
        for stranger in strangers:
            self._strangers.tell(stranger)
        if strangers and len(strangers) == len(seen):
            self._say("strangers", f"waiting: no bot there can be talked with; {remedy(stranger)}")
        else:
            self._told.discard("strangers")
        return {
            (flow.flow, operation.key): operation
            for flow in seen
            if isinstance(flow, FlowRecord)
            for operation in flow.operations
            if self._may_run(flow.flow, operation)
        }

    def _may_run(self, flow: str, operation: OperationRecord) -> bool:
        if operation.private:
            return operation.key in self._given
        if operation.name not in self._names and not self._local.has(operation.name):
            if file_named(operation.name):
                why = self._local.lack(operation.name)
                self._say((flow, why), f"{plain_name(operation.name)} for {flow}: {why}")
            return False
        if fits(operation.labels, self.labels):
            return True
        wanted = shown(operation.labels)
        about = f"{operation.name} for {flow} is for nodes with {wanted}"
        self._say((flow, operation.key), f"{about}; this one has {shown(self.labels)}")
        return False

    def _say(self, about: object, text: str) -> None:
        """Tell people, once."""
        if about not in self._told:
            self._told.add(about)
            self._progress(text)

    def _adjust(
        self,
        wanted: dict[tuple[str, str], OperationRecord],
        group: asyncio.TaskGroup,
        nctx: Any,
        ictx: Any,
    ) -> None:
        now = asyncio.get_running_loop().time()
        for key in [key for key in self._tasks if key not in wanted]:
            log.info("stop running %s for %s: no flow wants it now", key[1], key[0])
            self._tasks[key].cancel()
        for key, record in wanted.items():
            if key not in self._tasks and self._not_before.get(key, 0.0) <= now:
                self._tasks[key] = group.create_task(self._serve(key, record, nctx, ictx))

    async def _serve(
        self, key: tuple[str, str], record: OperationRecord, nctx: Any, ictx: Any
    ) -> None:
        """Instantiate an operation, announce it, run its work; a failure is told and retried."""
        flow = key[0]
        failed = False
        try:
            name = plain_name(record.name)
            self._progress(f"starting {name} for {flow}")
            operation = await self._instantiate(record, nctx)
            pupil = pupil_of(nctx.operations[operation.instance_name])
            learner = await self._learner(record, pupil)
            follower = await self._follower(record, pupil, learner)
            worker = Worker(
                self._broker,
                self.id,
                flow,
                record,
                operation,
                nctx,
                ictx,
                self._attempts,
                self.limits,
            )
            self._workers[key] = worker
            async with asyncio.TaskGroup() as group:
                group.create_task(worker.run())
                for each in (learner, follower):
                    if each is not None:
                        group.create_task(each.run())
                await worker.ready.wait()
                self._doing = ""
                self._announce()
                log.info("run %s for %s", record.name, flow)
                self._progress(f"running {name} for {flow}")
        except* ChatbotError as failure:
            failed = True
            for error in failure.exceptions:
                hint = getattr(error, "hint", "")
                told = f"{error} ({hint})" if hint else str(error)
                log.error("cannot run %s for %s: %s", record.name, flow, told)
                self._progress(f"cannot run {name}: {told}")
            self._not_before[key] = asyncio.get_running_loop().time() + FAILED_PAUSE
        finally:
            self._doing = ""
            self._workers.pop(key, None)
            self._tasks.pop(key, None)
            if record.private and not failed:
                await self._withdraw(flow, record)

    async def _withdraw(self, flow: str, record: OperationRecord) -> None:
        """Leave nothing of an operation that nobody else has: its queues are of no use now."""
        try:
            async with asyncio.timeout(2.0):
                for lane in Lane:
                    await streams.drop_queue(self._broker, flow, lane, record.key)
        except self._broker.errors as error:
            log.debug("cannot withdraw the queues of %s: %r", record.name, error)

    async def _learner(self, record: OperationRecord, pupil: Pupil | None) -> Learner | None:
        """Return what keeps an operation up to date with what it is taught, if it learns."""
        if record.learning is None or pupil is None:
            return None
        return await Learner.open(
            self._broker,
            record.learning,
            record.key,
            pupil,
            self.id,
            self._teller(record.name, progress=log.debug),
        )

    async def _follower(
        self, record: OperationRecord, pupil: Pupil | None, learner: Learner | None
    ) -> Follower | None:
        """Return what keeps an operation up to date with thorough training, if there is any.

        It knows by then what the others know, of corrections, too.
        """
        follower = None
        if isinstance(pupil, Trainable):
            tell = self._teller(record.name, progress=log.debug)
            follower = await Follower.open(self._broker, pupil, learner, tell)
            await follower.catch_up()
        if learner is not None:
            await learner.catch_up()
        return follower

    async def _instantiate(self, record: OperationRecord, nctx: Any) -> Any:
        given = self._given.get(record.key) if record.private else None
        if given is None:
            given = Given(
                await asyncio.to_thread(self._find, record.name),
                {**record.config, **await self._fetch(record)} or None,
            )
        own: Any = given.implementation
        operation = own.op._replace(instance_name=record.key, retry=record.retry)
        if not await nctx.contains(operation):
            try:
                with telling(self._teller(record.name)):
                    await nctx.instantiate(operation, given.config, opimp=own)
            except Exception as error:  # whatever a class does with what came over the wire
                hint = error.hint if isinstance(error, ChatbotError) else ""
                raise OperationError(f"{type(error).__name__}: {error}", hint=hint) from error
        return operation

    def _find(self, name: str) -> Implementation:
        return self._local.find(name) if file_named(name) else find(name)

    def _teller(self, name: str, *, progress: Progress | None = None) -> Callable[[str], None]:
        """Return what is told, in any thread, what is done so that the operation can run.

        It is announced, and goes to `progress`.
        """
        loop = asyncio.get_running_loop()

        def tell(text: str) -> None:
            self._doing = f"{name}: {text}" if text else ""
            (progress or self._progress)(self._doing)
            self._announce()

        def hand_over(text: str) -> None:
            loop.call_soon_threadsafe(tell, text)

        return hand_over

    async def _fetch(self, record: OperationRecord) -> dict[str, Path]:
        """Bring the files that the configuration names; they lie in the cache, by content."""
        found: dict[str, Path] = {}
        for key, (name, content_hash) in record.files.items():
            folder = settings.cache_folder() / "files" / content_hash
            path = folder / (Path(name).name.strip(".") or content_hash)
            if not path.exists():
                content = await files.get(self._broker, content_hash)
                folder.mkdir(parents=True, exist_ok=True)
                temporary = folder / f"{secrets.token_hex(4)}.part"
                temporary.write_bytes(content)
                temporary.replace(path)
            found[key] = path
        return found


def check_names(names: frozenset[str]) -> None:
    """Raise `OperationError`, with a near name, for what is not installed here."""
    import difflib

    known = installed()
    for name in sorted(names):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise OperationError(
                f"no operation {name!r} is installed here",
                hint=f"did you mean {near[0]!r}?"
                if near
                else "installed are: " + ", ".join(sorted(known)),
            )
