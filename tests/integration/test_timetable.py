"""What a flow's schedules want is done once for each due time, whoever dies meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chatbot.broker import Broker, streams, subjects
from chatbot.broker.memory import Memory
from chatbot.messages import ChatMessage, Outcome
from chatbot.orchestrator.timetable import LATE, Timetable
from chatbot.schedule import Schedule
from tests.integration.test_intake import outcomes, taking
from tests.servers.crashing import FLOW, PLATFORM, Site, killed_itself
from tests.servers.processes import until

ROOMS = (("net", "#a"), ("net", "#b"))
DAILY = Schedule("digest", "0 18 * * *", "UTC", ROOMS)
DIGEST = """\
version: 1
name: test
listeners: {net: {kind: irc, server: irc.example.org, channels: ["#a", "#b"]}}
schedules: {digest: {cron: "0 0 1 1 *", in: ["net/#a", "net/#b"]}}
operations:
  say: {reply: "{{ schedule.digest.day }}, {{ schedule.digest.date }}"}
  hear: {reply: "You said {{ message.text }}"}
"""
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Clock:
    """The time, as a test wants it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def began(broker: Broker, clock: Clock, schedule: Schedule = DAILY) -> Timetable:
    """Return a timetable that has begun to keep time."""
    await streams.ensure(broker, streams.flow_streams("test"))
    timetable = Timetable(broker, "test", [schedule], clock)
    await timetable.begin(await Memory.open(broker, "test"))
    return timetable


async def due(broker: Broker) -> list[tuple[str, str]]:
    """Return what is in IN: room and due time."""
    stream = subjects.in_stream("test")
    count = (await broker.js.stream_info(stream)).state.last_seq
    found = [await broker.js.get_msg(stream, number) for number in range(1, count + 1)]
    messages = [ChatMessage.decode(each.data or b"") for each in found]
    assert {each.kind for each in messages} <= {"schedule"}
    return [(each.room, each.text[:16]) for each in messages]


async def test_what_is_due_is_put_into_in_for_each_room(broker: Broker) -> None:
    clock, memory = Clock(NOON), await Memory.open(broker, "test")
    timetable = await began(broker, clock)
    for hours in (0, 5, 6, 6, 7, 30):
        clock.now = NOON + timedelta(hours=hours)
        await timetable.look(memory)
    days = ("2026-11-21T18:00", "2026-11-22T18:00")
    assert await due(broker) == [(room, day) for day in days for room in ("#a", "#b")]


async def test_who_takes_over_does_nothing_twice(broker: Broker) -> None:
    clock, memory = Clock(NOON), await Memory.open(broker, "test")
    timetable = await began(broker, clock)
    clock.now += timedelta(hours=6)
    await timetable.look(memory)
    await memory.note("digest", NOON)  # as if the first one had died before it noted it
    other = await began(broker, clock)
    clock.now += timedelta(minutes=5)
    await other.look(memory)
    assert await due(broker) == [("#a", "2026-11-21T18:00"), ("#b", "2026-11-21T18:00")]


@pytest.mark.parametrize("catch_up", [True, False])
async def test_of_what_was_missed_the_last_is_made_up_for_if_wanted(
    broker: Broker, catch_up: bool
) -> None:
    clock, memory = Clock(NOON), await Memory.open(broker, "test")
    schedule = Schedule("digest", "0 18 * * *", "UTC", ROOMS[:1], catch_up)
    await began(broker, clock, schedule)
    clock.now += timedelta(days=3)
    timetable = await began(broker, clock, schedule)
    await timetable.look(memory)
    await timetable.look(memory)
    assert await due(broker) == ([("#a", "2026-11-23T18:00")] if catch_up else [])
    clock.now = datetime(2026, 11, 24, 18, tzinfo=UTC) + LATE / 2
    await timetable.look(memory)
    assert (await due(broker))[-1] == ("#a", "2026-11-24T18:00")


async def test_a_new_schedule_was_never_due_before(broker: Broker) -> None:
    timetable = await began(broker, Clock(NOON))
    await timetable.look(await Memory.open(broker, "test"))
    assert await due(broker) == []


async def test_a_flow_says_what_it_has_to_say_then_and_nothing_else(
    broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "test.yaml").write_text(DIGEST)
    memory = await Memory.open(broker, "test")
    await memory.note("digest", datetime.now(UTC) - timedelta(days=800))
    async with taking(broker, tmp_path / "test.yaml"):
        found = (await outcomes(broker, 2)).values()
    day = f"{datetime.now(UTC).year}-01-01"
    assert sorted(each.room for each in found) == ["#a", "#b"]
    assert [len(each.replies) for each in found] == [1, 1]
    assert all(each.replies[0].text.endswith(f", {day}") for each in found)


CRASH = """\
schedules:
  one: {{cron: "0 0 1 1 *", in: [platform/a, platform/b]}}
  two: {{cron: "0 0 1 2 *", in: [platform/a, platform/b]}}
operations:
  say_one: {{reply: "one in {{{{ message.room }}}}, {{{{ schedule.one.date }}}}"}}
  say_two: {{reply: "two in {{{{ message.room }}}}, {{{{ schedule.two.date }}}}"}}
"""


@pytest.mark.crash
@pytest.mark.parametrize(
    "point", ["before IN", "sent IN", "stored IN", "stored CHATBOT-MEMORY", "sent OUT", "said"]
)
async def test_a_digest_is_said_once_whoever_is_killed(
    nats_server: Any, broker: Broker, tmp_path: Path, point: str
) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    site = Site(tmp_path, nats_server, broker)
    (tmp_path / "data" / "crash.yaml").write_text((PLATFORM + CRASH).format(folder=tmp_path))
    memory = await Memory.open(broker, FLOW)
    for name in ("one", "two"):
        await memory.note(name, datetime.now(UTC) - timedelta(days=800))
    async with site.start("whole", point) as doomed:
        await killed_itself(doomed)
    async with site.start("whole"):
        await until(lambda: len(site.said()) >= 4, 25.0)
        await site.settled()
    decided = await site.stored(subjects.out_stream(FLOW), Outcome)
    assert len(decided) == len({each.id for each in decided}) == 4
    assert sorted(text[:8] for each in site.said().values() for text in each) == [
        *("one in a", "one in b", "two in a", "two in b")
    ]
