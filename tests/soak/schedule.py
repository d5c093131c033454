"""What happens to whom, and when: drawn by a seed, the same for the same one. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

PAUSE = 1.5
"""Seconds between two events, on the average."""

SERVER = "server"
SERVER_PAUSE = 8.0
"""Seconds that the server is left alone for after it was ended: nobody sees more otherwise."""


class What(StrEnum):
    """What happens to a process; what ends is started again after `seconds`."""

    KILL = "kill"
    """SIGKILL."""

    END = "end"
    """SIGTERM: it drains."""

    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT after `seconds`: leases and renewals may have passed to others."""

    JOIN = "join"
    """One more of its kind, for `seconds`."""


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is in seconds from the start; `whom` is a slot, or the NATS server."""

    at: float
    what: What
    whom: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.what:6}  {self.whom:10}  {self.seconds:4.1f} s"


def draw(seed: int, length: float, slots: tuple[str, ...]) -> list[Event]:
    """Return the events of `length` seconds: each of `slots` has its turn, and the server has."""
    random_ = random.Random(seed)
    events: list[Event] = []
    at, server_after = PAUSE, 0.0
    while at < length:
        whom = random_.choice((*slots, SERVER))
        if whom != SERVER:
            what = random_.choices(tuple(What), (4, 2, 3, 1))[0]
            events.append(Event(round(at, 2), what, whom, _lasting(random_, what)))
        elif at >= server_after:
            what = random_.choice((What.KILL, What.END))
            events.append(Event(round(at, 2), what, whom, 0.0))
            server_after = at + SERVER_PAUSE
        at += random_.expovariate(1 / PAUSE)
    return events


def _lasting(random_: random.Random, what: What) -> float:
    longest = {What.KILL: 3.0, What.END: 3.0, What.FREEZE: 9.0, What.JOIN: 12.0}[what]
    return round(random_.uniform(0.0, longest), 2)
