"""When something is due that nobody said: a flow's `schedules`. Pure.

The rule that it guards: a due time is an instant that follows from the schedule alone, so that
whoever computes it names it alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from chatbot.errors import UsageError

UTC_ZONE = "UTC"
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_CLOCK = r"(?: at (\d{1,2})(?::(\d{2}))?)?"
_EVERY = re.compile(rf"(day|weekday|weekend|{'|'.join(_DAYS)}|month){_CLOCK}")
_STEP = re.compile(r"(\d{1,3}) ?(m|min|minutes?|h|hours?)")
_HOUR = re.compile(r"hour(?: at :?(\d{2}))?")
FIELDS = ("date", "time", "day", "due")
"""What a flow is told of a schedule that is due: `schedule.NAME.date`."""

_MEANT = {"daily": "day at 9:00", "hourly": "hour", "weekly": "monday at 9:00"} | {
    "monthly": "month at 9:00",
    "weekdays": "weekday at 9:00",
}
_HINT = "15m, hour, day at 18:00, weekday at 9:00 or monday at 9:00; or use `cron`"
_ON = {"day": "* * *", "weekday": "* * 1-5", "weekend": "* * 0,6", "month": "1 * *"} | {
    name: f"* * {number}" for number, name in enumerate(_DAYS)
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is due at times, by the clock of a `zone`, for each of `rooms` (network, room).

    `cron` has cron's five fields. With `catch_up` the last time at which no bot ran is made up
    for. A time that the clock skips in spring is due right after; one that it shows twice in
    autumn is due once.
    """

    name: str
    cron: str
    zone: str = UTC_ZONE
    rooms: tuple[tuple[str, str], ...] = ()
    catch_up: bool = True

    def following(self, instant: datetime) -> datetime | None:
        """Return the first time after `instant`, in UTC; `None` where there is none."""
        return self._next(instant, reverse=False)

    def latest(self, instant: datetime) -> datetime | None:
        """Return the last time before `instant`, or at it, in UTC."""
        minute = instant.replace(second=0, microsecond=0)
        exact = self.following(minute - timedelta(minutes=1))
        if exact is not None and exact <= instant:
            return exact
        return self._next(instant, reverse=True)

    def _next(self, instant: datetime, *, reverse: bool) -> datetime | None:
        there = instant.astimezone(ZoneInfo(self.zone))
        found = next(CronSim(self.cron, there, reverse), None)
        return None if found is None else found.astimezone(UTC)


def cron_of(every: str) -> str:
    """Return cron's fields for `every`, in words; raises `UsageError`."""
    text = " ".join(every.lower().split())
    if found := _STEP.fullmatch(text):
        return _stepped(int(found[1]), found[2][0], every)
    if found := _HOUR.fullmatch(text):
        return f"{_figure(found[1] or '0', 59, every)} * * * *"
    if found := _EVERY.fullmatch(text):
        hour = _figure(found[2] or "0", 23, every)
        return f"{_figure(found[3] or '0', 59, every)} {hour} {_ON[found[1]]}"
    meant = _MEANT.get(text)
    hint = f"write {meant}; or" if meant else "such as"
    raise UsageError(f"{every!r} is no time that comes again", hint=f"{hint} {_HINT}")


def checked_cron(text: str) -> str:
    """Return `text` if cron understands it, and it is ever due; raises `UsageError`."""
    hint = "minute hour day month weekday, such as 0 18 * * mon-fri"
    if len(text.split()) != 5:
        raise UsageError(f"{text!r} has not cron's five fields", hint=hint)
    try:
        next(CronSim(text, datetime.now(UTC)))
    except CronSimError as error:
        raise UsageError(f"{text!r}: {error}", hint=hint) from None
    except StopIteration:
        raise UsageError(f"{text!r} is never due", hint=hint) from None
    return text


def checked_zone(name: str) -> str:
    """Return the name of a time zone if this machine has it; raises `UsageError`."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"there is no time zone {name!r} on this machine",
            hint="such as Europe/Berlin or UTC; Debian has them in its package tzdata",
        ) from None
    return name


def _stepped(figure: int, unit: str, every: str) -> str:
    whole = 60 if unit == "m" else 24
    if not figure or whole % figure:
        fitting = ", ".join(f"{n}{unit}" for n in range(1, whole) if whole % n == 0)
        raise UsageError(
            f"{every!r} does not divide the {'hour' if unit == 'm' else 'day'}",
            hint=f"there are {fitting}",
        )
    if unit == "m":
        return "0 * * * *" if figure == 60 else f"*/{figure} * * * *"
    return "0 0 * * *" if figure == 24 else f"0 */{figure} * * *"


def _figure(text: str, most: int, every: str) -> int:
    if int(text) > most:
        raise UsageError(f"{every!r} names a time that no clock shows", hint=f"such as {_HINT}")
    return int(text)
