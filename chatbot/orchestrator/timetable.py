"""What is due by a flow's schedules: one primary puts it into IN, as if somebody had said it.

The rule that it guards: what is due at a time has an id that follows from that time, so that it
is done once, whoever noticed it, and however often.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dffml.df.types import Definition

from chatbot.broker import Broker, lease, subjects
from chatbot.broker.memory import Memory
from chatbot.broker.subjects import Lane
from chatbot.errors import AlreadyPublished
from chatbot.messages import ChatMessage, digest
from chatbot.orchestrator.decision import inputs_of
from chatbot.orchestrator.values import Value
from chatbot.schedule import Schedule

log = logging.getLogger(__name__)

KIND = "schedule"
"""The kind of message that a due time is."""

FIELDS = ("id", "network", "room", "time", "kind", "private")
"""The fields of a message that a due time has, too."""

LATE = timedelta(minutes=1)
"""A time is missed when nobody was there for so long after it."""

LONGEST_SLEEP = 20.0
"""Seconds; a machine may have slept, or its clock been set, meanwhile."""

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def keeping_time(
    broker: Broker, flow: str, schedules: Sequence[Schedule], clock: Clock = utc_now
) -> AsyncIterator[None]:
    """Put what is due into IN for the block's duration, while no other primary does."""
    if not schedules:
        yield
        return
    timetable = Timetable(broker, flow, schedules, clock)
    owner = f"{socket.gethostname()}:{os.getpid()}"
    key = f"schedules.{digest(flow)}"
    keeping = asyncio.ensure_future(lease.hold(broker, key, owner, timetable.run))
    keeping.add_done_callback(_log_failure)
    try:
        yield
    finally:
        keeping.cancel()
        with contextlib.suppress(Exception, asyncio.CancelledError):  # was logged
            await keeping


class Timetable:
    """The schedules of one flow, and when each was due last."""

    def __init__(
        self, broker: Broker, flow: str, schedules: Sequence[Schedule], clock: Clock = utc_now
    ) -> None:
        self._broker = broker
        self._flow = flow
        self._schedules = schedules
        self._clock = clock
        self._last: dict[str, datetime] = {}

    async def run(self) -> None:
        """Wait for what is due, and put it into IN, until cancelled."""
        memory = await Memory.open(self._broker, self._flow)
        await self.begin(memory)
        while True:
            await self.look(memory)
            await asyncio.sleep(self._pause() + random.uniform(0.0, 0.05))  # noqa: S311 - no secret

    async def begin(self, memory: Memory) -> None:
        """Learn when each schedule was due last; a new one was never due before now."""
        for schedule in self._schedules:
            last = await memory.fired(schedule.name)
            if last is None:
                last = self._clock()
                await memory.note(schedule.name, last)
            self._last[schedule.name] = last

    async def look(self, memory: Memory) -> None:
        """Put into IN what is due now, or was and is to be made up for."""
        for schedule in self._schedules:
            now = self._clock()
            due = schedule.latest(now)
            if due is None or due <= self._last[schedule.name]:
                continue
            if schedule.catch_up or now - due <= LATE:
                await self._fire(schedule, due, now)
            else:
                log.info("leave out what the schedule %s missed", schedule.name)
            await memory.note(schedule.name, due)
            self._last[schedule.name] = due

    async def _fire(self, schedule: Schedule, due: datetime, now: datetime) -> None:
        log.info("the schedule %s is due (%s)", schedule.name, due.isoformat())
        for network, room in schedule.rooms:
            message = fire(self._flow, schedule, due, network, room, now)
            subject = subjects.in_subject(self._flow, Lane.PEOPLE, network, message.id)
            try:
                await self._broker.publish(subject, message.encode())
            except AlreadyPublished:
                log.debug("%s is in IN already", message.id)

    def _pause(self) -> float:
        now = self._clock()
        following = [each.following(now) for each in self._schedules]
        soonest = min((due - now for due in following if due), default=timedelta.max)
        return max(0.0, min(LONGEST_SLEEP, soonest.total_seconds()))


def fire(
    flow: str, schedule: Schedule, due: datetime, network: str, room: str, now: datetime
) -> ChatMessage:
    """Return what stands for a due time, in one room; equal ids for equal times."""
    return ChatMessage(
        id=f"schedule/{digest(flow, schedule.name, due.isoformat(), network, room)}",
        network=network,
        room=room,
        sender="",
        text=due.astimezone(ZoneInfo(schedule.zone)).isoformat(),
        time=now,
        kind=KIND,
        schedule=schedule.name,
    )


def inputs_of_due(
    message: ChatMessage, fields: dict[str, Definition], schedules: dict[str, Definition]
) -> list[Any]:
    """Return what a flow is given of a time that is due: nobody said anything."""
    known = {name: each for name, each in fields.items() if name in FIELDS}
    given = inputs_of(message, known)
    if message.schedule in schedules:
        given.append(Value(_due_of(message), schedules[message.schedule]))
    return given


def _due_of(message: ChatMessage) -> dict[str, Any]:
    """Return the due time as flows have it: `date`, `time` and `day` by the schedule's clock."""
    try:
        due = datetime.fromisoformat(message.text)
    except ValueError:  # it was not us who put it into IN
        due = message.time
    return {
        "due": message.text,
        "date": f"{due:%Y-%m-%d}",
        "time": f"{due:%H:%M}",
        "day": _DAYS[due.weekday()],
    }


def _log_failure(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the schedules are not kept any more: %r", error)
