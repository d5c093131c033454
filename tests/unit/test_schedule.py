"""When something is due: by the clock of its zone, over changes of the clock, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.errors import UsageError
from chatbot.schedule import Schedule, checked_cron, checked_zone, cron_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "cron"),
    [
        ("15m", "*/15 * * * *"),
        ("1 h", "0 */1 * * *"),
        ("24h", "0 0 * * *"),
        ("hour", "0 * * * *"),
        ("hour at :30", "30 * * * *"),
        ("day at 18:00", "0 18 * * *"),
        ("Day  at 7", "0 7 * * *"),
        ("day", "0 0 * * *"),
        ("weekday at 9:05", "5 9 * * 1-5"),
        ("weekend at 10:00", "0 10 * * 0,6"),
        ("monday at 9:00", "0 9 * * 1"),
        ("month at 8:00", "0 8 1 * *"),
    ],
)
def test_words_are_crons_fields(every: str, cron: str) -> None:
    assert cron_of(every) == cron
    assert checked_cron(cron) == cron


@pytest.mark.parametrize(
    "every",
    ["7m", "0m", "5h", "day at 25:00", "day at 18:60", "always", "day at", "hour at :99", ""],
)
def test_other_words_are_refused(every: str) -> None:
    with pytest.raises(UsageError):
        cron_of(every)


@pytest.mark.parametrize(
    "cron", ["* * * *", "61 * * * *", "x * * * *", "0 0 31 2 *", "* * * * * *"]
)
def test_what_is_no_cron_or_never_due_is_refused(cron: str) -> None:
    with pytest.raises(UsageError):
        checked_cron(cron)


def test_a_zone_that_there_is_not_is_refused() -> None:
    assert checked_zone("Europe/Berlin") == "Europe/Berlin"
    with pytest.raises(UsageError):
        checked_zone("Europe/Atlantis")


def test_it_is_due_by_the_clock_of_its_zone() -> None:
    daily = Schedule("x", "0 18 * * *", "Europe/Berlin")
    assert daily.following(at("2026-07-01T12:00")) == at("2026-07-01T16:00")
    assert daily.following(at("2026-12-01T12:00")) == at("2026-12-01T17:00")
    assert daily.latest(at("2026-07-01T16:00")) == at("2026-07-01T16:00")
    assert daily.latest(at("2026-07-01T15:59:59")) == at("2026-06-30T16:00")


def test_over_a_change_of_the_clock_it_is_due_once() -> None:
    skipped = Schedule("x", "30 2 * * *", "Europe/Berlin")  # 2026-03-29 has no 2:30
    days = _times(skipped, at("2026-03-27T12:00"), 4)
    assert [each.date().day for each in days] == [28, 29, 30, 31]
    twice = _times(skipped, at("2026-10-24T12:00"), 3)  # 2026-10-25 has it twice
    assert [each.date().day for each in twice] == [25, 26, 27]


def _times(schedule: Schedule, start: datetime, count: int) -> list[datetime]:
    found = []
    for _ in range(count):
        following = schedule.following(start)
        assert following is not None
        found.append(start := following)
    return found


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["*/15 * * * *", "0 18 * * *", "30 2 * * *", "5 9 * * 1-5"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
)
def test_the_last_time_and_the_next_one_have_none_between(
    instant: datetime, cron: str, zone: str
) -> None:
    schedule, now = Schedule("x", cron, zone), instant.replace(tzinfo=UTC)
    latest, following = schedule.latest(now), schedule.following(now)
    assert latest is not None
    assert following is not None
    assert latest <= now < following
    assert schedule.following(latest) == following
    assert schedule.latest(following) == following
    assert following - latest <= timedelta(days=4)
